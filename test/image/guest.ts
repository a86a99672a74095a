/** A unit in QEMU: the image as built on a disk of its own, forwarded ports on loopback, and the serial console as a log. */

import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { readBoard } from '../../image/board.ts'
import { productVersion, run, top } from '../../image/tools.ts'
import { Control, Shell } from './line.ts'
import type { Stick } from './stick.ts'

export const boardName = process.env.BOARD ?? 'amd64'
const board = readBoard(boardName)
/** Emulated, on a machine that others use, too. */
const patienceMs = Number(process.env.BOOT_PATIENCE_SECONDS ?? 600) * 1000

/** Larger than the image. */
export const cardOctets = 2 ** 31

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
  readonly #log: string | undefined
  /** Of the sockets, whose paths must be short. */
  readonly #sockets: string
  /** Undefined while it is off. */
  #child: ChildProcess | undefined
  #stick: Stick | undefined
  /** Stays off at the next reset. */
  #holds = false
  #control: Promise<Control> | undefined
  #shell: Promise<Shell> | undefined

  private constructor(folder: string, sockets: string, ports: Guest['ports'], log: string | undefined) {
    this.#folder = folder
    this.#log = log
    this.#sockets = sockets
    this.console = join(folder, 'console.log')
    this.disk = join(folder, 'disk.qcow2')
    this.ports = ports
  }

  /** A unit with a card of `cardOctets`; it is off. With `log` the card is the image's size, and what is written to it is kept there. */
  static async make(t: TestContext, name: string, image = imagePath(), log?: string): Promise<Guest> {
    if (!existsSync(image)) throw new Error(`there is no ${image}: run 'make image BOARD=${boardName}'`)
    const folder = join(top, 'build/image', boardName, 'test', name)
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    const sockets = mkdtempSync(join(tmpdir(), 'porchlight-unit-'))
    const ports = { sip: await freePort(), https: await freePort(), closed: await freePort() }
    const guest = new Guest(folder, sockets, ports, log)
    run('qemu-img', [
      'create',
      '-q',
      '-f',
      'qcow2',
      '-b',
      image,
      '-F',
      'raw',
      guest.disk,
      ...(log ? [] : [String(cardOctets)]),
    ])
    if (log) writeFileSync(log, '')
    copyFileSync(board.qemu!.firmwareVariables, join(folder, 'variables.fd'))
    t.after(async () => {
      await guest.cutPower()
      rmSync(guest.disk, { force: true })
      rmSync(sockets, { recursive: true, force: true })
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
    const stick = this.#stick && [
      ...['-blockdev', JSON.stringify(asBlockDevice(this.#stick))],
      ...['-device', 'usb-storage,id=stick,bus=usb.0,drive=stick,removable=true'],
    ]
    const child = spawn(
      program,
      [
        ...['-accel', 'tcg,thread=multi', ...machine, '-smp', '2', '-m', '512', '-display', 'none', '-monitor', 'none'],
        ...['-qmp', `unix:${join(this.#sockets, 'control')},server=on,wait=off`, '-action', 'reboot=shutdown'],
        ...['-chardev', `file,id=console,path=${this.console},append=on`, '-serial', 'chardev:console'],
        ...['-drive', `if=pflash,format=raw,readonly=on,file=${firmwareCode}`],
        ...['-drive', `if=pflash,format=raw,file=${join(this.#folder, 'variables.fd')}`],
        ...['-blockdev', JSON.stringify(this.#disk()), '-device', 'virtio-blk-pci,drive=disk'],
        ...['-netdev', ['user', 'id=net', ...forwards].join(','), '-device', 'virtio-net-pci,netdev=net'],
        // A shell listens there in images made for tests; in others nothing does.
        ...['-chardev', `socket,id=shell,path=${join(this.#sockets, 'shell')},server=on,wait=off`],
        ...['-device', 'pci-serial,chardev=shell', '-device', 'qemu-xhci,id=usb', ...(stick ?? [])],
        ...['-device', 'virtio-rng-pci', ...extra],
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    )
    this.#holds = false
    const ended = new AbortController()
    const control = Control.open(join(this.#sockets, 'control'), ended.signal)
    const shell = Shell.open(join(this.#sockets, 'shell'), ended.signal)
    // Who asks for them is told.
    for (const end of [control, shell]) end.catch(() => {})
    this.#child = child
    this.#control = control
    this.#shell = shell
    child.on('exit', async () => {
      ended.abort()
      const wasReset = await control.then(one => one.wasReset()).catch(() => false)
      if (this.#child !== child) return
      this.#child = undefined
      // A reset is a new emulator, which saves minutes: QEMU keeps what it has translated over a reset of its machine, and
      // finds page by page, with each write of firmware and kernel, that it is stale.
      if (wasReset && !this.#holds) this.start(extra, firmwareCode)
    })
  }

  /** Its card as QEMU describes it. */
  #disk(): object {
    const card = { driver: 'qcow2', file: { driver: 'file', filename: this.disk } }
    if (this.#log === undefined) return { ...card, 'node-name': 'disk' }
    const log = { driver: 'file', filename: this.#log }
    return { driver: 'blklogwrites', 'node-name': 'disk', file: card, log }
  }

  /** What the emulator is told. */
  async control(): Promise<Control> {
    if (this.#control === undefined) throw new Error('it is off')
    return this.#control
  }

  /** Resolves when the shell of an image made for tests has started, which it does anew at each start of the unit. */
  async shellReady(): Promise<void> {
    await (await this.#shell)!.ready(patienceMs)
  }

  /** Runs a line as root; resolves to its output. Rejects when its status is not 0. */
  async sh(line: string): Promise<string> {
    return (await this.#shell)!.run(line, patienceMs)
  }

  /** Starts what ends this run of the unit. */
  async shWithoutAnswer(line: string): Promise<void> {
    ;(await this.#shell)!.send(line)
  }

  /** Plugs a stick in, at USB. */
  async plugIn(stick: Stick): Promise<void> {
    const control = await this.control()
    this.#stick = stick
    await control.do('blockdev-add', asBlockDevice(stick))
    await control.do('device_add', {
      driver: 'usb-storage',
      id: 'stick',
      bus: 'usb.0',
      drive: 'stick',
      removable: true,
    })
  }

  async pullOut(): Promise<void> {
    this.#stick = undefined
    if (this.#child === undefined || this.#child.exitCode !== null) return
    const control = await this.control()
    await control.do('device_del', { id: 'stick' })
    await control.event('DEVICE_DELETED')
    await control.do('blockdev-del', { 'node-name': 'stick' })
  }

  /** The console so far, without the sequences that move a cursor. */
  said(): string {
    if (!existsSync(this.console)) return ''
    return readFileSync(this.console, 'latin1').replaceAll(/\x1b\[[0-9;=]*[A-Za-z]/g, '')
  }

  /** Resolves when the console shows `text`, this run or an earlier one, `times` times. Rejects with its last lines. */
  async until(text: string | RegExp, times = 1): Promise<void> {
    await this.eventually(`${text} on the console`, async () => this.said().split(text).length > times)
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

  /** Resolves when the unit resets itself the next time, and leaves it off. */
  async untilReset(): Promise<void> {
    this.#holds = true
    const child = this.#child
    if (child !== undefined && child.exitCode === null) await once(child, 'exit')
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
      if (this.#child === undefined) throw new Error(`the emulator has ended:\n${this.#tail()}`)
      if (performance.now() > deadline) throw new Error(`no ${what} after ${patienceMs / 1000} s:\n${this.#tail()}`)
      await wait(250)
    }
  }

  #tail(): string {
    return this.said().split('\n').slice(-30).join('\n')
  }
}

/** A stick as QEMU describes it. */
function asBlockDevice(stick: Stick): Record<string, unknown> {
  return { driver: 'raw', 'node-name': 'stick', file: { driver: 'file', filename: stick.path } }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
