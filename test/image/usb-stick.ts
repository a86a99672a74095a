/** A stick as a technician plugs it into a running unit: a FAT volume labelled PORCHLIGHT in a file. */

import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { run } from '../../image/tools.ts'

export class UsbStick {
  readonly path: string
  /** The emulator's monitor; paths of sockets must be short. */
  readonly #monitor: string

  /** An empty one at `path`, not plugged in. */
  constructor(t: TestContext, path: string) {
    const folder = mkdtempSync(join(tmpdir(), 'porchlight-stick-'))
    this.path = path
    this.#monitor = join(folder, 'monitor')
    mkdirSync(dirname(path), { recursive: true })
    rmSync(path, { force: true })
    writeFileSync(path, '')
    truncateSync(path, 64 * 2 ** 20)
    run('mkfs.fat', ['-n', 'PORCHLIGHT', path])
    t.after(() => {
      for (const one of [folder, path]) rmSync(one, { recursive: true, force: true })
    })
  }

  /** What the emulator is started with, so that it can be plugged in later. */
  get socket(): string[] {
    return [
      ...['-device', 'qemu-xhci', '-drive', `if=none,id=stick,format=raw,file=${this.path}`],
      ...['-qmp', `unix:${this.#monitor},server=on,wait=off`],
    ]
  }

  put(name: string, content: string): void {
    run('mcopy', ['-o', '-i', this.path, '-', `::${name}`], { input: content })
  }

  has(name: string): boolean {
    return run('mdir', ['-b', '-i', this.path, '::']).split('\n').includes(`::/${name}`)
  }

  take(name: string, to: string): void {
    run('mcopy', ['-n', '-o', '-i', this.path, `::${name}`, to])
  }

  async plugIn(): Promise<void> {
    const socket = createConnection(this.#monitor)
    await once(socket, 'connect')
    const device = { driver: 'usb-storage', drive: 'stick', id: 'stick', removable: true }
    const commands = [{ execute: 'qmp_capabilities' }, { execute: 'device_add', arguments: device }]
    socket.write(commands.map(command => `${JSON.stringify(command)}\n`).join(''))
    let said = ''
    for await (const part of socket) {
      said += part
      if (said.includes('"error"')) throw new Error(`the stick cannot be plugged in: ${said}`)
      if (said.split('"return"').length > commands.length) break
    }
    socket.destroy()
  }
}
