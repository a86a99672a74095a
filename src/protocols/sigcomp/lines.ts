/** How alike texts are, told by the lines they share: what decides which states a message is compressed with. */

/** The lines of a text: a hash and a length each. Short lines tell nothing and are left out. */
export interface Lines {
  readonly hashes: Int32Array
  readonly lengths: Uint16Array
}

const mostLines = 64
const shortestLine = 8
const hashes = new Int32Array(mostLines)
const lengths = new Uint16Array(mostLines)

/** The lines of a text, the first 64 of at least eight octets. */
export function linesOf(text: Uint8Array): Lines {
  let count = 0
  let hash = 0
  let length = 0
  for (let i = 0; i < text.length && count < mostLines; i++) {
    const octet = text[i]!
    // Header fields end with LF, elements with a tag.
    if (octet !== 10 && octet !== 62) {
      hash = (Math.imul(hash, 0x01000193) ^ octet) | 0
      length++
      continue
    }
    if (length >= shortestLine) {
      hashes[count] = hash
      lengths[count++] = length
    }
    hash = 0
    length = 0
  }
  return { hashes: hashes.slice(0, count), lengths: lengths.slice(0, count) }
}

/** Which lines of a text are still in no state that was chosen. */
export class Uncovered {
  readonly #lines: Lines
  readonly #covered: Uint8Array

  constructor(lines: Lines) {
    this.#lines = lines
    this.#covered = new Uint8Array(lines.hashes.length)
  }

  /** Octets of lines that this state has and none before it had. */
  gain(state: Lines): number {
    const { hashes, lengths } = this.#lines
    let sum = 0
    for (let i = 0; i < hashes.length; i++)
      if (this.#covered[i] === 0 && state.hashes.includes(hashes[i]!)) sum += lengths[i]!
    return sum
  }

  cover(state: Lines): void {
    const { hashes } = this.#lines
    for (let i = 0; i < hashes.length; i++) if (state.hashes.includes(hashes[i]!)) this.#covered[i] = 1
  }

  /** Octets of lines in no state. */
  get left(): number {
    let sum = 0
    for (let i = 0; i < this.#covered.length; i++) if (this.#covered[i] === 0) sum += this.#lines.lengths[i]!
    return sum
  }
}
