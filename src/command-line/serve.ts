/** `porchlight serve`: starts the box on its data directory, runs it in the foreground, and stops it cleanly. */

import { AdministrationError, administer } from '../administration.ts'
import { Appliance, type Batch, type Transmit } from '../appliance.ts'
import { limits } from '../limits.ts'
import { boxSecret, isFirstStart } from '../platform/box-record.ts'
import { type CertificateWatch, watchCertificate } from '../platform/certificate-watch.ts'
import { type Clock, createClock, timeIsKnown } from '../platform/clock.ts'
import { ControlServer } from '../platform/control-socket.ts'
import { credentialsFor, missingHalf, ownAddresses, ownNames } from '../platform/credentials.ts'
import { type DataPaths, dataPaths, lastWritten, makeDataDirectory } from '../platform/data-paths.ts'
import { DiskWatch } from '../platform/disk-watch.ts'
import { HttpListeners } from '../platform/http-listeners.ts'
import { IdleMemory } from '../platform/idle-memory.ts'
import { Log, underJournal } from '../platform/log.ts'
import { Loop } from '../platform/loop.ts'
import { SystemRandom } from '../platform/random.ts'
import type { LmdbStore } from '../platform/storage/lmdb.ts'
import { HttpClient } from '../platform/transport/http-client.ts'
import type { Credentials } from '../platform/transport/tls.ts'
import { Inlet } from '../platform/transport/transport.ts'
import { Transports } from '../platform/transports.ts'
import { refusalResponse, serviceUnavailable } from '../protocols/http/errors.ts'
import type { HttpRequest, HttpResponse } from '../protocols/http/message.ts'
import type { Settings } from '../settings/table.ts'
import { type Overrides, readSettings } from '../settings.ts'
import { backUp } from './backup.ts'
import { openStore } from './box.ts'
import { demoUsers, readyLine, whereAndNext } from './greeting.ts'
import { overridesOf } from './overrides.ts'
import { statusOf } from './status.ts'
import { version } from './version.ts'

/** How long another porchlight command may keep the data directory before the start is given up. */
const lockPatienceMs = 3000
/** How long the start waits for a clock that shows a time before the box's last write. */
const clockPatienceMs = 60_000

export interface ServeOptions {
  readonly data: string
  readonly set: readonly string[]
  readonly demoUsers: boolean
}

/** Runs until SIGTERM or SIGINT; resolves to the exit status. Throws an Error of one clear line when it cannot start. */
export async function serve(options: ServeOptions): Promise<number> {
  const log = new Log({ level: 'notice' })
  // A fault of ours that no turn contains: whoever supervises the process starts it again, on what is stored.
  process.on('uncaughtException', error => {
    log.fault('the process', error)
    process.exit(1)
  })
  const stopped = new Promise<string>(resolve => {
    process.once('SIGTERM', () => resolve('SIGTERM'))
    process.once('SIGINT', () => resolve('SIGINT'))
  })
  const box = await ServedBox.start(dataPaths(options.data), overridesOf(options.set), log)
  const lines = await box.greeting(options)
  process.stdout.write(`${lines.join('\n')}\n`)
  log.notice(`stopping on ${await stopped}`)
  await box.stop()
  log.notice('stopped; everything is on disk')
  return 0
}

/** The appliance with everything of the machine that it runs on. */
class ServedBox {
  readonly #startedAt = performance.now()
  readonly #paths: DataPaths
  readonly #overrides: Overrides
  readonly #log: Log
  readonly #random: SystemRandom
  readonly #clock: Clock
  readonly #disk: DiskWatch
  readonly #store: LmdbStore
  readonly #transports: Transports
  readonly #http: HttpListeners
  readonly #httpClient: HttpClient
  /** Requests that were not answered in their turn, by the name that their answer will have. */
  readonly #exchanges = new Map<string, (response: HttpResponse) => void>()
  #lastExchange = 0
  readonly #appliance: Appliance
  readonly #loop: Loop<Batch, Transmit>
  readonly #certificates: CertificateWatch
  readonly #idleMemory: IdleMemory
  #control: ControlServer | undefined
  #settings: Settings

  static async start(paths: DataPaths, overrides: Overrides, log: Log): Promise<ServedBox> {
    makeDataDirectory(paths)
    const random = new SystemRandom()
    const clock = await steadyClock(paths, log)
    const disk = new DiskWatch(paths.directory, limits.disk)
    const store = await openStore(paths, lockPatienceMs, {
      report: line => log.error(line),
      makeRoom: disk.giveReserve,
    })
    const settings = store.transact(db => readSettings(db, overrides))
    const inlet = new Inlet()
    const credentials = credentialsFor(settings, paths, clock.now())
    const transports = new Transports({ limits, random, credentials, user: inlet })
    await transports.open(settings)
    let box: ServedBox | undefined
    const http = new HttpListeners(limits.http, (request, answer) => {
      if (box === undefined) answer(refusalResponse(serviceUnavailable(1)))
      else box.#ask(request, answer)
    })
    await http.open(settings, credentials)
    box = new ServedBox({ paths, overrides, log, random, clock, disk, store, settings, transports, http, credentials })
    inlet.lead(box.#loop)
    box.#control = await ControlServer.open(paths.controlSocket, limits, request =>
      box!.#command(request.command, request.arguments).then(
        result => ({ result }),
        (error: Error) => {
          if (error instanceof AdministrationError) return { error: error.message, isWrongUse: error.isWrongUse }
          log.fault(`command ${request.command}`, error)
          return { error: error.message }
        },
      ),
    )
    return box
  }

  private constructor(parts: {
    paths: DataPaths
    overrides: Overrides
    log: Log
    random: SystemRandom
    clock: Clock
    disk: DiskWatch
    store: LmdbStore
    settings: Settings
    transports: Transports
    http: HttpListeners
    credentials: Credentials
  }) {
    this.#paths = parts.paths
    this.#overrides = parts.overrides
    this.#log = parts.log
    this.#random = parts.random
    this.#clock = parts.clock
    this.#disk = parts.disk
    this.#store = parts.store
    this.#transports = parts.transports
    this.#http = parts.http
    this.#settings = parts.settings
    this.#log.level = parts.settings.log.level
    this.#appliance = new Appliance({
      store: this.#store,
      diskIsFull: () => this.#disk.isFull,
      random: this.#random,
      settings: () => this.#settings,
      secret: boxSecret(this.#store, this.#random),
      listening: this.#transports.listening,
      addresses: [...ownAddresses(), ...ownNames()],
      log: this.#log,
    })
    this.#loop = new Loop({
      appliance: this.#appliance,
      clock: this.#clock,
      transmit: transmits => {
        for (const transmit of transmits) this.#transmit(transmit)
        this.#transports.flush()
      },
      failed: error => {
        this.#log.fault('the store', error)
        process.exit(1)
      },
      faulted: error => this.#log.fault('a message', error),
    })
    const { transports, http, paths, log, random, credentials } = parts
    const { answered } = this.#loop
    this.#httpClient = new HttpClient({ limits: limits.httpClient, random, credentials, answered })
    this.#certificates = watchCertificate({
      users: [transports, http, this.#httpClient],
      paths,
      settings: () => this.#settings,
      log,
    })
    this.#idleMemory = new IdleMemory(() => this.#appliance.counters.turns)
    this.#disk.start(text => this.#appliance.alarm('disk', text))
    this.#appliance.start(this.#clock.now())
    this.#loop.schedule()
  }

  #ask(request: HttpRequest, answer: (response: HttpResponse) => void): void {
    const exchange = String(++this.#lastExchange)
    this.#loop.ask(
      now => {
        const response = this.#appliance.http(request, exchange, now)
        if (response === undefined) this.#exchanges.set(exchange, answer)
        return response
      },
      response => {
        if (response !== undefined) answer(response)
      },
    )
  }

  #transmit(transmit: Transmit): void {
    switch (transmit.kind) {
      case 'http':
        this.#httpClient.send(transmit.token, transmit.request)
        break
      case 'answer':
        this.#exchanges.get(transmit.exchange)?.(transmit.response)
        this.#exchanges.delete(transmit.exchange)
        break
      default:
        this.#transports.transmit(transmit)
    }
  }

  /** What to print: who is served, the users of a first start, where it listens, and `ready`. */
  async greeting(options: ServeOptions): Promise<string[]> {
    const { listening } = this.#transports
    const lines = [
      `Porchlight ${version} serves the domain ${this.#settings.domain}; its data is in ${this.#paths.directory}`,
    ]
    const now = this.#clock.now()
    if (isFirstStart(this.#store, now) && options.demoUsers && !underJournal())
      lines.push(...demoUsers({ appliance: this.#appliance, overrides: this.#overrides }, this.#random, now))
    await this.#loop.settled()
    if (!this.#settings.auth.required)
      this.#log.warning('auth.required is false: anybody is whoever From says he is; for laboratories only')
    const missing = missingHalf(this.#settings)
    if (missing !== undefined) this.#log.warning(missing)
    const http = this.#http.listening
    const where = whereAndNext(listening, http, this.#settings, options.data)
    return [...lines, '', ...where, readyLine([...listening, ...http])]
  }

  /** Stops taking in, lets what was in leave, and closes everything. */
  async stop(): Promise<void> {
    this.#certificates.close()
    this.#idleMemory.close()
    this.#disk.close()
    this.#transports.closeListeners()
    this.#http.closeListeners()
    await this.#control?.close()
    await this.#loop.stop()
    this.#httpClient.close()
    this.#http.close()
    await this.#transports.close()
    await this.#store.close()
  }

  /** Does what came by the control socket; resolves when it is on disk. Throws AdministrationError. */
  async #command(name: string, given: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (name === 'status') return this.#status()
    if (name === 'backup') return backUp(this.#store, this.#paths, String(given.directory))
    const context = { appliance: this.#appliance, overrides: this.#overrides }
    const result = administer(context, name, given, this.#clock.now())
    // Before the commit: what the command has woken goes by the new settings.
    if (name === 'settings set') this.#readSettings()
    await this.#loop.settled()
    if (name !== 'settings set' || !String(given.name).startsWith('tls.')) return result
    return { ...(result as object), problem: this.#certificates.renew() }
  }

  #readSettings(): void {
    this.#settings = this.#store.transact(db => readSettings(db, this.#overrides, this.#settings))
    this.#log.level = this.#settings.log.level
  }

  #status() {
    return statusOf({
      appliance: this.#appliance,
      settings: this.#settings,
      transports: this.#transports,
      log: this.#log,
      store: this.#store,
      now: this.#clock.now(),
      startedAt: this.#startedAt,
    })
  }
}

/** A clock that starts no earlier than the store was last written; the start waits a while for a clock that is behind. */
async function steadyClock(paths: DataPaths, log: Log): Promise<Clock> {
  const lastWrite = lastWritten(paths)
  if (Date.now() < lastWrite) {
    log.warning('the clock shows a time before the last write; waiting for it to be set', {
      lastWrite: new Date(lastWrite).toISOString(),
    })
    if (!(await timeIsKnown(lastWrite, clockPatienceMs)))
      log.warning('the clock is not set; going on from the last write')
  }
  return createClock(lastWrite)
}
