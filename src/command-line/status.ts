/** `porchlight status`: how the box is doing, gathered in the box that runs and shown here. */

import { memoryUsage } from 'node:process'
import { administer, type Counts } from '../administration.ts'
import type { Appliance } from '../appliance.ts'
import { dataPaths } from '../platform/data-paths.ts'
import type { LastError, Log } from '../platform/log.ts'
import type { LmdbStore } from '../platform/storage/lmdb.ts'
import { hostAndPort, type TransportCounters } from '../platform/transport/transport.ts'
import { udpImplementation } from '../platform/transport/udp.ts'
import type { Transports } from '../platform/transports.ts'
import type { Settings } from '../settings/table.ts'
import type { Instant } from '../turn.ts'
import { runningBox } from './box.ts'
import { version } from './version.ts'

/** What `status --json` prints while the box runs. */
export interface Status extends Counts {
  readonly running: true
  readonly version: string
  readonly pid: number
  readonly uptimeSeconds: number
  readonly domain: string
  readonly listening: readonly string[]
  /** How datagrams are received and sent: in batches where the addon was built. */
  readonly udp: typeof udpImplementation
  readonly connections: number
  readonly memoryOctets: number
  readonly storeOctets: number
  /** Handsets that compress, and state items kept for them. */
  readonly compartments: number
  readonly compressionStates: number
  readonly lastError: LastError | null
  /** Troubles that stand. */
  readonly alarms: readonly string[]
  readonly counters: Readonly<Record<string, number>> & TransportCounters
}

export interface StatusSources {
  readonly appliance: Appliance
  readonly settings: Settings
  readonly transports: Transports
  readonly log: Log
  readonly store: LmdbStore
  readonly now: Instant
  /** On the monotonic clock. */
  readonly startedAt: number
}

export function statusOf({ appliance, settings, transports, log, store, now, startedAt }: StatusSources): Status {
  const counts = administer({ appliance, overrides: new Map() }, 'count', {}, now) as Counts
  return {
    running: true,
    version,
    pid: process.pid,
    uptimeSeconds: Math.floor((performance.now() - startedAt) / 1000),
    domain: settings.domain,
    listening: transports.listening.map(at => `${at.transport}=${hostAndPort(at.address, at.port)}`),
    udp: udpImplementation,
    ...counts,
    connections: transports.connections.size,
    memoryOctets: memoryUsage.rss(),
    storeOctets: store.usage().diskBytes,
    compartments: appliance.compression?.compartments ?? 0,
    compressionStates: appliance.compression?.states ?? 0,
    lastError: log.lastError ?? null,
    counters: {
      ...appliance.counters,
      ...appliance.stack.counters,
      ...transports.counters,
      ...appliance.compression?.counters,
    },
    alarms: [...appliance.alarms].map(([name, text]) => `${name}: ${text}`),
  }
}

/** Prints the status of the box on a data directory; exit status 3 when none runs. */
export async function showStatus(data: string, json: boolean): Promise<number> {
  const box = await runningBox(dataPaths(data))
  if (box === undefined) {
    process.stdout.write(json ? '{"running": false}\n' : `no box runs on ${dataPaths(data).directory}\n`)
    return 3
  }
  const status = (await box.ask('status', {})) as Status
  await box.close()
  process.stdout.write(json ? `${JSON.stringify(status, undefined, 2)}\n` : `${statusLines(status).join('\n')}\n`)
  return 0
}

function statusLines(status: Status): string[] {
  const rows: Array<readonly [string, string | number]> = [
    ['domain', status.domain],
    ['running', `for ${duration(status.uptimeSeconds)}, version ${status.version}, process ${status.pid}`],
    ['listening', `${status.listening.join(' ')}, UDP by ${status.udp}`],
    ['users', status.users],
    ['registrations', status.registrations],
    ['publications', status.publications],
    ['subscriptions', subscriptionsLine(status)],
    ['connections', status.connections],
    ['compression', compressionLine(status)],
    ['memory', size(status.memoryOctets)],
    ['store', `${size(status.storeOctets)} on disk`],
    ...status.alarms.map(alarm => ['alarm', alarm] as const),
    ['last error', status.lastError === null ? 'none' : `${status.lastError.at} ${status.lastError.message}`],
    [
      'counted',
      Object.entries(status.counters)
        .filter(([, count]) => count > 0)
        .map(([name, count]) => `${name} ${count}`)
        .join(', ') || 'nothing yet',
    ],
  ]
  return rows.map(([name, value]) => `${name.padEnd(15)}${value}`)
}

/** `3 handsets; came 1.2 KiB for 8.1 KiB, left 2.0 KiB for 15.3 KiB`. */
function compressionLine({ compartments, counters }: Status): string {
  const { sigcompReceivedOctets = 0, sigcompReceivedText = 0, sigcompSentOctets = 0, sigcompSentText = 0 } = counters
  const came = `came ${size(sigcompReceivedOctets)} for ${size(sigcompReceivedText)}`
  return `${compartments} handsets; ${came}, left ${size(sigcompSentOctets)} for ${size(sigcompSentText)}`
}

/** `12: presence 10, presence.winfo 2`. */
function subscriptionsLine({ subscriptions, subscriptionsByPackage }: Counts): string {
  const used = Object.entries(subscriptionsByPackage).filter(([, count]) => count > 0)
  return `${subscriptions}${used.length > 0 ? `: ${used.map(([name, count]) => `${name} ${count}`).join(', ')}` : ''}`
}

/** `3 d 4 h`, `4 h 12 min`, `12 min 5 s`, `5 s`. */
export function duration(seconds: number): string {
  const units: Array<readonly [string, number]> = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ]
  const first = units.findIndex(([, length]) => seconds >= length)
  if (first < 0) return '0 s'
  let left = seconds
  return units
    .slice(first, first + 2)
    .map(([name, length]) => {
      const count = Math.floor(left / length)
      left -= count * length
      return `${count} ${name}`
    })
    .join(' ')
}

/** `47.3 MiB`, `12 KiB`. */
function size(octets: number): string {
  return octets < 2 ** 20 ? `${Math.ceil(octets / 1024)} KiB` : `${(octets / 2 ** 20).toFixed(1)} MiB`
}
