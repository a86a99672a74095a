/** A unit in QEMU: the image as built on a disk of its own, forwarded ports on loopback, and the serial console as a log. */

import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { readBoard } from '../../image/board.ts'
import { productVersion, run, top } from '../../image/tools.ts'

export const boardName = process.env.BOARD ?? 'amd64'
const board = readBoard(boardName)
/** Emulated, on a machine that others use, too. */
const patienceMs = Number(process.env.BOOT_PATIENCE_SECONDS ?? 300) * 1000

/** The image that `make image` leaves. */
export function imagePath(version = productVersion()): string {
  return join(top, 'build/image', boardName, `porchlight-${boardName}-${version}.img`)
}

export class Guest {
  /** Everything it has said on its serial console; kept below build/image/BOARD/test as the record of the run. */
  readonly console: string
  readonly disk: string
  readonly ports: { readonly sip: number; readonly https: number; readonly closed: number }
  readonly #folder: string
  #child: ChildProcess | undefined

  private constructor(folder: string, ports: Guest['ports']) {
    this.#folder = folder
    this.console = join(folder, 'console.log')
    this.disk = join(folder, 'disk.qcow2')
    this.ports = ports
  }

  /** A unit with a card of 2 GB, larger than the image; it is off. */
  static async make(t: TestContext, name: string, image = imagePath()): Promise<Guest> {
    if (!existsSync(image)) throw new Error(`there is no ${image}: run 'make image BOARD=${boardName}'`)
    const folder = join(top, 'build/image', boardName, 'test', name)
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    const guest = new Guest(folder, { sip: await freePort(), https: await freePort(), closed: await freePort() })
    run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', image, '-F', 'raw', guest.disk, '2G'])
    copyFileSync(board.qemu!.firmwareVariables, join(folder, 'variables.fd'))
    t.after(async () => {
      await guest.cutPower()
      rmSync(guest.disk, { force: true })
    })
    return guest
  }

  /** Switches it on. Plain emulation: what there is of virtualization on a test machine cannot be relied on. */
  start(extra: readonly string[] = [], firmwareCode = board.qemu!.firmwareCode): void {
    const { program, arguments: machine } = board.qemu!
    const { sip, https, closed } = this.ports
    const forwards = [
      `hostfwd=udp:127.0.0.1:${sip}-:5060`,
      `hostfwd=tcp:127.0.0.1:${https}-:8443`,
      `hostfwd=tcp:127.0.0.1:${closed}-:8080`,
    ]
    this.#child = spawn(
      program,
      [
        ...['-accel', 'tcg,thread=multi', ...machine, '-smp', '2', '-m', '512', '-display', 'none', '-monitor', 'none'],
        ...['-chardev', `file,id=console,path=${this.console},append=on`, '-serial', 'chardev:console'],
        ...['-drive', `if=pflash,format=raw,readonly=on,file=${firmwareCode}`],
        ...['-drive', `if=pflash,format=raw,file=${join(this.#folder, 'variables.fd')}`],
        ...['-drive', `if=none,id=disk,format=qcow2,file=${this.disk}`, '-device', 'virtio-blk-pci,drive=disk'],
        ...['-netdev', ['user', 'id=net', ...forwards].join(','), '-device', 'virtio-net-pci,netdev=net'],
        ...['-device', 'virtio-rng-pci', ...extra],
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    )
  }

  /** The console so far, without the sequences that move a cursor. */
  said(): string {
    if (!existsSync(this.console)) return ''
    return readFileSync(this.console, 'latin1').replaceAll(/\x1b\[[0-9;=]*[A-Za-z]/g, '')
  }

  /** Resolves when the console shows `text`, this run or an earlier one, `times` times. Rejects with its last lines. */
  async until(text: string, times = 1): Promise<void> {
    await this.eventually(`"${text}" on the console`, async () => this.said().split(text).length > times)
  }

  /** Resolves when SIP and HTTPS answer from outside. */
  async serving(): Promise<void> {
    await this.eventually(
      'SIP and HTTPS',
      async () => (await this.httpStatus()) !== undefined && (await this.sipAnswer()) !== undefined,
    )
  }

  /** The status of a GET on the XCAP root, undefined without an answer. */
  httpStatus(): Promise<number | undefined> {
    return new Promise(resolve => {
      const options = {
        host: '127.0.0.1',
        port: this.ports.https,
        path: '/xcap-root/xcap-caps/global/index',
        rejectUnauthorized: false,
      }
      const asked = request({ ...options, timeout: 3000 }, response => {
        response.resume()
        resolve(response.statusCode)
      })
      asked.on('timeout', () => asked.destroy())
      asked.on('error', () => resolve(undefined))
      asked.end()
    })
  }

  /** The first line of the answer to an OPTIONS over UDP, undefined without one. */
  async sipAnswer(): Promise<string | undefined> {
    const socket = createSocket('udp4')
    try {
      const tag = Math.random().toString(36).slice(2)
      const lines = [
        'OPTIONS sip:box.example SIP/2.0',
        `Via: SIP/2.0/UDP 10.0.2.2;branch=z9hG4bK${tag};rport`,
        'Max-Forwards: 5',
        `From: <sip:test@box.example>;tag=${tag}`,
        'To: <sip:box.example>',
        `Call-ID: ${tag}`,
        'CSeq: 1 OPTIONS',
        'Content-Length: 0',
      ]
      socket.send(`${lines.join('\r\n')}\r\n\r\n`, this.ports.sip, '127.0.0.1')
      const [answer] = (await once(socket, 'message', { signal: AbortSignal.timeout(3000) })) as [Buffer]
      return answer.toString().split('\r\n')[0]
    } catch {
      return undefined
    } finally {
      socket.close()
    }
  }

  async cutPower(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  /** Resolves when `condition` does to true. */
  async eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + patienceMs
    while (!(await condition())) {
      if (this.#child === undefined || this.#child.exitCode !== null)
        throw new Error(`the emulator has ended:\n${this.#tail()}`)
      if (performance.now() > deadline) throw new Error(`no ${what} after ${patienceMs / 1000} s:\n${this.#tail()}`)
      await wait(250)
    }
  }

  #tail(): string {
    return this.said().split('\n').slice(-30).join('\n')
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
