/** `porchlight serve`: starts the box on its data directory, runs it in the foreground, and stops it cleanly. */

import { type AdministrationContext, AdministrationError, administer, type Counts } from '../administration.ts'
import { Appliance } from '../appliance.ts'
import { limits } from '../limits.ts'
import { boxSecret, isFirstStart } from '../platform/box-record.ts'
import { type Clock, createClock, timeIsKnown } from '../platform/clock.ts'
import { type ControlRequest, ControlServer } from '../platform/control-socket.ts'
import { credentialsFor, credentialsStamp, ownAddresses, ownNames } from '../platform/credentials.ts'
import { type DataPaths, dataPaths, lastWritten, makeDataDirectory } from '../platform/data-paths.ts'
import { Log, underJournal } from '../platform/log.ts'
import { Loop } from '../platform/loop.ts'
import { SystemRandom } from '../platform/random.ts'

import { hostAndPort, type TransportUser } from '../platform/transport/transport.ts'
import { type Listening, Transports } from '../platform/transports.ts'
import { readSettings, type Settings } from '../settings.ts'
import { backUp } from './backup.ts'
import { openStore } from './box.ts'
import { overridesOf } from './overrides.ts'
import { statusOf } from './status.ts'
import { version } from './version.ts'

/** How long another porchlight command may keep the data directory before the start is given up. */
const lockPatienceMs = 3000
/** How long the start waits for a clock that shows a time before the box's last write. */
const clockPatienceMs = 60_000
/** How often the certificate's files are looked at. */
const certificateLookMs = 60_000

export interface ServeOptions {
  readonly data: string
  readonly set: readonly string[]
  readonly demoUsers: boolean
}

/** Runs until SIGTERM or SIGINT; resolves to the exit status. Throws an Error of one clear line when it cannot start. */
export async function serve(options: ServeOptions): Promise<number> {
  const startedAt = performance.now()
  const overrides = overridesOf(options.set)
  const paths = dataPaths(options.data)
  makeDataDirectory(paths)
  const log = new Log({ level: 'notice' })
  const random = new SystemRandom()
  const clock = await steadyClock(paths, log)
  const store = await openStore(paths, lockPatienceMs, line => log.error(line))
  let settings: Settings = store.transact(db => readSettings(db, overrides))
  log.level = settings.log.level
  const secret = boxSecret(store, random)

  // Sockets open before the appliance exists, since it is told their ports: what comes meanwhile waits here.
  const early: Array<() => void> = []
  let user: TransportUser & Pick<Loop<never, never, never>, 'resolved'> = {
    received: (bytes, flow) => early.push(() => user.received(bytes, flow)),
    connected: (connection, flow) => early.push(() => user.connected(connection, flow)),
    disconnected: (flow, reason) => early.push(() => user.disconnected(flow, reason)),
    resolved: () => {},
  }
  const transports = new Transports({
    limits,
    random,
    credentials: credentialsFor(settings, paths, clock.now()),
    user: {
      received: (bytes, flow) => user.received(bytes, flow),
      connected: (connection, flow) => user.connected(connection, flow),
      disconnected: (flow, reason) => user.disconnected(flow, reason),
    },
    resolved: (query, records) => user.resolved(query, records as never),
  })
  await transports.open(settings)

  const appliance = new Appliance({
    store,
    random,
    settings: () => settings,
    secret,
    listening: transports.listening,
    addresses: [...ownAddresses(), ...ownNames()],
    log,
  })
  const loop = new Loop({
    appliance,
    clock,
    transmit: transports.transmit,
    failed: error => {
      log.fault('the store', error)
      process.exit(1)
    },
  })
  user = loop as typeof user
  appliance.start(clock.now())
  loop.schedule()
  for (const replay of early.splice(0)) replay()

  const certificates = watchCertificate(transports, paths, () => settings, log)
  const context = { appliance, overrides }
  const command = async ({ command: name, arguments: given }: ControlRequest): Promise<unknown> => {
    if (name === 'status') return statusOf({ appliance, settings, transports, log, store, now: clock.now(), startedAt })
    if (name === 'backup') return backUp(store, paths, String(given.directory))
    const result = administer(context, name, given, clock.now())
    // Before the commit: what the command has woken goes by the new settings.
    if (name === 'settings set') settings = store.transact(db => readSettings(db, overrides, settings))
    await loop.settled()
    if (name !== 'settings set') return result
    log.level = settings.log.level
    return { ...(result as object), problem: String(given.name).startsWith('tls.') ? certificates.renew() : undefined }
  }
  const control = await ControlServer.open(paths.controlSocket, limits, request =>
    command(request).then(
      result => ({ result }),
      (error: Error) => {
        if (!(error instanceof AdministrationError)) log.fault(`command ${request.command}`, error)
        return { error: error.message }
      },
    ),
  )

  const lines = [`Porchlight ${version} serves the domain ${settings.domain}; its data is in ${paths.directory}`]
  if (isFirstStart(store, clock.now()) && options.demoUsers && !underJournal())
    lines.push(...demoUsers(context, random, clock))
  await loop.settled()
  if (!settings.auth.required)
    log.warning('auth.required is false: anybody is whoever From says he is; for laboratories only')
  lines.push('', ...whereAndNext(transports.listening, settings, options.data))
  lines.push(`ready ${transports.listening.map(at => `${at.transport}=${hostAndPort(at.address, at.port)}`).join(' ')}`)
  process.stdout.write(`${lines.join('\n')}\n`)

  const signal = await new Promise<string>(resolve => {
    process.once('SIGTERM', () => resolve('SIGTERM'))
    process.once('SIGINT', () => resolve('SIGINT'))
  })
  log.notice(`stopping on ${signal}`)
  certificates.close()
  transports.closeListeners()
  await control.close()
  await loop.stop()
  await transports.close()
  await store.close()
  log.notice('stopped; everything is on disk')
  return 0
}

/** Makes two users to try a new box with, unless it has users already. Returns the lines that tell their passwords. */
function demoUsers(context: AdministrationContext, random: SystemRandom, clock: Clock): string[] {
  const { users } = administer(context, 'count', {}, clock.now()) as Counts
  if (users > 0) return []
  const lines = ['', 'This is its first start. Two users to try it with:']
  for (const name of ['alice', 'bob']) {
    const password = random.token(12)
    const { aor } = administer(context, 'user add', { address: name, password }, clock.now()) as { aor: string }
    lines.push(`  ${aor.padEnd(28)}password ${password}`)
  }
  return lines
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

/** Takes a renewed certificate on SIGHUP and when its files change. `renew` returns what is wrong, if anything is. */
function watchCertificate(transports: Transports, paths: DataPaths, settings: () => Settings, log: Log) {
  let stamp = credentialsStamp(settings())
  const renew = (): string | undefined => {
    stamp = credentialsStamp(settings())
    try {
      transports.renew(credentialsFor(settings(), paths, Date.now()))
      log.notice('TLS certificate read anew')
      return undefined
    } catch (error) {
      log.error(`the certificate in use stays: ${(error as Error).message}`)
      return `the certificate in use stays: ${(error as Error).message}`
    }
  }
  const timer = setInterval(() => {
    if (credentialsStamp(settings()) !== stamp) renew()
  }, certificateLookMs)
  timer.unref()
  process.on('SIGHUP', renew)
  return {
    renew,
    close: () => {
      clearInterval(timer)
      process.off('SIGHUP', renew)
    },
  }
}

/** Where the box listens, for a person, and what to try next. */
function whereAndNext(listening: readonly Listening[], settings: Settings, data: string): string[] {
  const names = { udp: 'SIP over UDP', tcp: 'SIP over TCP', tls: 'SIP over TLS' }
  const seen = (at: Listening): string =>
    at.advertisedHost === at.address ? '' : `  (reached at ${at.advertisedHost})`
  const where = listening.map(
    at => `  ${names[at.transport].padEnd(14)} ${hostAndPort(at.address, at.port)}${seen(at)}`,
  )
  const first = listening[0]
  if (first === undefined) return ['It listens nowhere: see porchlight settings list']
  const option = data === 'data' ? '' : ` DATA=${data}`
  return [
    'It listens on',
    ...where,
    '',
    'Next, in another terminal:',
    `  make demo${option}`,
    `or a SIP client as sip:NAME@${settings.domain} with ${hostAndPort(first.advertisedHost, first.port)} as outbound proxy`,
  ]
}
