/** A stick as a technician plugs it in: a FAT volume labelled PORCHLIGHT in a file. */

import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { run } from '../../image/tools.ts'

const octets = 256 * 2 ** 20

export class Stick {
  readonly path: string

  /** An empty one at `path`. */
  constructor(path: string) {
    this.path = path
    mkdirSync(dirname(path), { recursive: true })
    rmSync(path, { force: true })
    writeFileSync(path, '')
    truncateSync(path, octets)
    run('mkfs.fat', ['-F', '32', '-n', 'PORCHLIGHT', path])
  }

  /** Copies a file of this machine to it, or makes one that holds `content`. */
  put(name: string, from: { readonly file: string } | { readonly content: string }): this {
    if ('file' in from) run('mcopy', ['-o', '-i', this.path, from.file, `::${name}`])
    else run('mcopy', ['-o', '-i', this.path, '-', `::${name}`], { input: from.content })
    return this
  }

  has(name: string): boolean {
    return run('mdir', ['-b', '-i', this.path, '::'])
      .split('\n')
      .some(line => line.replace(/^::\//, '').toLowerCase() === name.toLowerCase())
  }

  read(name: string): string {
    return run('mtype', ['-i', this.path, `::${name}`])
  }

  readOctets(name: string): Buffer {
    const copy = `${this.path}.copy`
    run('mcopy', ['-n', '-i', this.path, `::${name}`, copy])
    const octets = readFileSync(copy)
    rmSync(copy)
    return octets
  }

  remove(): void {
    rmSync(this.path, { force: true })
  }
}
