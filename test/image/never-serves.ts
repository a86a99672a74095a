/** A program in place of the box's that does everything but serve: what a bad update is like. */

if (process.argv[2] === 'serve') process.exit(1)
