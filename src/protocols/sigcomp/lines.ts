/** How alike texts are, told by the lines they share: what decides which states a message is compressed with. */

/** The lines of a text, each as 22 bits of hash and 10 of length. */
export type Lines = Int32Array

const mostLines = 64
const shortestLine = 8
const lengthMask = 1023
const found = new Int32Array(mostLines)

/** The lines of a text, the first 64 of at least eight octets: shorter ones tell nothing. */
export function linesOf(text: Uint8Array): Lines {
  let count = 0
  let hash = 0
  let length = 0
  for (let i = 0; i < text.length && count < mostLines; i++) {
    const octet = text[i]!
    // Header fields end with LF, elements with a tag.
    if (octet !== 10 && octet !== 62) {
      hash = Math.imul(hash ^ octet, 0x01000193)
      length++
      continue
    }
    if (length >= shortestLine) found[count++] = (hash & ~lengthMask) | Math.min(length, lengthMask)
    hash = 0
    length = 0
  }
  return found.slice(0, count)
}

/** Which lines of a text are still in no state that was chosen. */
export class Uncovered {
  readonly #lines: Lines
  readonly #covered: Uint8Array

  constructor(lines: Lines) {
    this.#lines = lines
    this.#covered = new Uint8Array(lines.length)
  }

  /** Octets of lines that this state has and none before it had. */
  gain(state: Lines): number {
    const lines = this.#lines
    let sum = 0
    for (let i = 0; i < lines.length; i++)
      if (this.#covered[i] === 0 && state.includes(lines[i]!)) sum += lines[i]! & lengthMask
    return sum
  }

  cover(state: Lines): void {
    const lines = this.#lines
    for (let i = 0; i < lines.length; i++) if (state.includes(lines[i]!)) this.#covered[i] = 1
  }

  /** Octets of lines in no state. */
  get left(): number {
    let sum = 0
    for (let i = 0; i < this.#covered.length; i++) if (this.#covered[i] === 0) sum += this.#lines[i]! & lengthMask
    return sum
  }
}
