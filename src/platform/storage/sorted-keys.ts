/**
 * Encoded keys in order, in chunks small enough that adding one moves few others. Keys are put in order when the order is
 * first asked for, so that keys nobody walks cost nothing.
 */

const chunkLength = 512

export class SortedKeys {
  /** Never an empty chunk. */
  readonly #chunks: string[][] = []
  #unordered: string[] = []

  add(key: string): void {
    this.#unordered.push(key)
  }

  #insert(key: string): void {
    if (this.#chunks.length === 0) {
      this.#chunks.push([key])
      return
    }
    const which = this.#chunkOf(key)
    const chunk = this.#chunks[which]!
    const index = lowerBound(chunk, key)
    if (chunk[index] === key) return
    chunk.splice(index, 0, key)
    if (chunk.length > chunkLength) this.#chunks.splice(which + 1, 0, chunk.splice(chunkLength / 2))
  }

  delete(key: string): void {
    this.#order()
    if (this.#chunks.length === 0) return
    const which = this.#chunkOf(key)
    const chunk = this.#chunks[which]!
    const index = lowerBound(chunk, key)
    if (chunk[index] !== key) return
    chunk.splice(index, 1)
    if (chunk.length === 0) this.#chunks.splice(which, 1)
  }

  clear(): void {
    this.#chunks.length = 0
    this.#unordered.length = 0
  }

  #order(): void {
    if (this.#unordered.length === 0) return
    for (const key of this.#unordered) this.#insert(key)
    this.#unordered.length = 0
  }

  /** At most `count` keys with `lower` <= key < `upper`, in order. */
  between(lower: string, upper: string, count: number): string[] {
    const found: string[] = []
    this.#order()
    if (this.#chunks.length === 0) return found
    let which = this.#chunkOf(lower)
    let index = lowerBound(this.#chunks[which]!, lower)
    for (; which < this.#chunks.length; which++, index = 0) {
      const chunk = this.#chunks[which]!
      for (; index < chunk.length; index++) {
        if (found.length >= count || chunk[index]! >= upper) return found
        found.push(chunk[index]!)
      }
    }
    return found
  }

  /** The last chunk that begins at or before the key, else the first. */
  #chunkOf(key: string): number {
    let low = 0
    let high = this.#chunks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#chunks[middle]![0]! <= key) low = middle
      else high = middle - 1
    }
    return low
  }
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}
