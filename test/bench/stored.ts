/**
 * What a full box weighs and whether it survives: everything stored, kill -9, started again, and then every publication
 * refreshed by its entity-tag and every subscription refreshed in its dialog.
 */

import { createSocket } from 'node:dgram'
import { HttpLoadClient } from './http-load.ts'
import { ListOwner } from './list-owners.ts'
import { closedLoop, LoadClient } from './load.ts'
import type { Porchlight } from './porchlight.ts'
import { memoryMebibytes, writtenBytes } from './process-cost.ts'
import { domain, type Server } from './server.ts'
import { PresenceSource, Watcher } from './users.ts'

export type StoredFigures = {
  readonly idleRss: number
  readonly idlePss: number
  /** Just after the load, with the transactions of the last 32 s. */
  readonly loadedPss: number
  /** At rest, when these have ended (RFC 3261 §17.2.2, Timer J) and only what is stored is left. */
  readonly storedRss: number
  readonly storedPss: number
  readonly writtenMebibytes: number
}

export type RestartFigures = {
  /** From the start of the new process to its `ready` line, and to its first answer over UDP. */
  readonly readySeconds: number
  readonly servingSeconds: number
  /** Publications and subscriptions that did not answer as before, by behaviour. */
  readonly lost: number
  readonly firstFault?: string
  /** The counts that `status --json` gave after the restart. */
  readonly counted: { readonly publications: number; readonly subscriptions: number }
  readonly restartedPss: number
}

const window = 64
const restMs = 3_000
const transactionsEndMs = 40_000

export type StoredLoad = {
  readonly client: LoadClient
  readonly sources: PresenceSource[]
  readonly watchers: Watcher[]
}

/** Starts the server, weighs it idle, stores `count` publications and as many subscriptions, and weighs it again. */
export async function fillAndWeigh(
  server: Server,
  count: number,
  run: string,
): Promise<{ figures: StoredFigures; load: StoredLoad }> {
  await rest(restMs)
  const idle = memoryMebibytes(server.pids())
  const client = await LoadClient.open({ address: '127.0.0.1', port: server.port })
  const sources = Array.from({ length: count }, (_, user) => new PresenceSource(client, user, run))
  // Each presentity is watched by its neighbour.
  const watchers = sources.map(({ user }) => new Watcher(client, user, (user + 1) % count, run))
  const published = await closedLoop(count, window, index => sources[index]!.publish())
  const subscribed = await closedLoop(count, window, index => watchers[index]!.subscribe())
  const fault = published.faults[0] ?? subscribed.faults[0]
  if (fault !== undefined) throw new Error(fault)
  await rest(Math.max(restMs, server.settleMs))
  const loaded = memoryMebibytes(server.pids())
  await rest(transactionsEndMs)
  const stored = memoryMebibytes(server.pids())
  const figures = {
    idleRss: idle.rss,
    idlePss: idle.pss,
    loadedPss: loaded.pss,
    storedRss: stored.rss,
    storedPss: stored.pss,
    writtenMebibytes: writtenBytes(server.pids()) / (1 << 20),
  }
  return { figures, load: { client, sources, watchers } }
}

/** Publishes and subscribes a little more, kills the box at once, starts it again and asks for everything. */
export async function killAndRestart(server: Porchlight, { sources, watchers }: StoredLoad): Promise<RestartFigures> {
  // The last answers are milliseconds old when the process dies: nothing of them may be lost.
  await closedLoop(200, window, index => sources[index % sources.length]!.publish())
  await server.kill()
  const startedAt = performance.now()
  const serving = firstAnswer(server.port).then(() => (performance.now() - startedAt) / 1000)
  await server.start()
  const readySeconds = (performance.now() - startedAt) / 1000
  const servingSeconds = await serving
  const status = server.status()
  const refreshed = await closedLoop(sources.length, window, index => sources[index]!.refresh())
  const resubscribed = await closedLoop(watchers.length, window, index => watchers[index]!.subscribe())
  const faults = [...refreshed.faults, ...resubscribed.faults]
  return {
    readySeconds,
    servingSeconds,
    lost: faults.length,
    ...(faults[0] === undefined ? {} : { firstFault: faults[0] }),
    counted: {
      publications: countNamed(status, 'publications'),
      subscriptions: countNamed(status, 'subscriptions'),
    },
    restartedPss: memoryMebibytes(server.pids()).pss,
  }
}

/** Stores a contact list of 20 for each of `count` users. Returns what each takes, in memory at rest and on disk. */
export async function weighDocuments(
  server: Porchlight,
  count: number,
): Promise<{ readonly memoryOctets: number; readonly diskOctets: number }> {
  const weigh = () => ({
    memory: memoryMebibytes(server.pids()).pss * (1 << 20),
    disk: countNamed(server.status(), 'storeOctets'),
  })
  const before = weigh()
  const client = await HttpLoadClient.open(server.httpPort, window)
  const { faults } = await closedLoop(count, window, index => new ListOwner(client, index).put())
  client.close()
  if (faults[0] !== undefined) throw new Error(faults[0])
  await rest(server.settleMs + restMs)
  const after = weigh()
  return { memoryOctets: (after.memory - before.memory) / count, diskOctets: (after.disk - before.disk) / count }
}

/** Asks with OPTIONS every 10 ms until something answers. */
async function firstAnswer(port: number): Promise<void> {
  const socket = createSocket('udp4')
  await new Promise<void>(bound => socket.bind(0, '127.0.0.1', bound))
  let serial = 0
  const ask = () => {
    const lines =
      `OPTIONS sip:${domain} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${socket.address().port};branch=z9hG4bKa${port}${serial};rport\r\n` +
      `Max-Forwards: 70\r\nFrom: <sip:u0@${domain}>;tag=a\r\nTo: <sip:${domain}>\r\nCall-ID: alive-${port}-${serial++}\r\n` +
      `CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`
    socket.send(lines, port, '127.0.0.1', () => {})
  }
  const asking = setInterval(ask, 10)
  await new Promise<void>(answered => socket.once('message', () => answered()))
  clearInterval(asking)
  socket.close()
}

/** The first number under that name, however deep it stands. */
function countNamed(value: unknown, name: string): number {
  if (typeof value !== 'object' || value === null) return Number.NaN
  for (const [key, inner] of Object.entries(value)) {
    if (key === name && typeof inner === 'number') return inner
    const found = countNamed(inner, name)
    if (!Number.isNaN(found)) return found
  }
  return Number.NaN
}

function rest(ms: number): Promise<void> {
  return new Promise(rested => setTimeout(rested, ms))
}
