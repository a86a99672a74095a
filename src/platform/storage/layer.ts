/** What was changed since LMDB was last brought up to date, encoded: the layers of the LMDB store above its file. */

import { SortedKeys } from './sorted-keys.ts'

/** A record changed since LMDB was last brought up to date: its value is `buffer[start, end)`; undefined when deleted. */
interface Unwritten {
  buffer: Buffer | undefined
  start: number
  end: number
}

/** What goes to LMDB in one transaction. */
export class Layer {
  readonly records = new Map<string, Unwritten>()
  readonly keys = new SortedKeys()
  /** The chunks that hold the values. */
  readonly chunks: Buffer[] = []

  set(key: string, buffer: Buffer | undefined, start: number, end: number): void {
    const unwritten = this.records.get(key)
    if (unwritten === undefined) {
      this.records.set(key, { buffer, start, end })
      this.keys.add(key)
    } else {
      unwritten.buffer = buffer
      unwritten.start = start
      unwritten.end = end
    }
  }
}
