/** Turns the figures of all rounds into medians, and prints them beside the bars. */

import { type Bar, bars, kamailioReference } from './bars.ts'
import type { Figure } from './scenarios.ts'

export type Summary = {
  readonly cpuMicroseconds: number
  readonly lowest: number
  readonly highest: number
  readonly perSecond: number
  readonly medianMs: number
  readonly p99Ms: number
  readonly retransmissions: number
  readonly faults: number
  readonly firstFault?: string
}

/** By server, then by figure. */
export type Summaries = Map<string, Map<string, Summary>>

export function summarize(rounds: ReadonlyArray<{ server: string; figures: readonly Figure[] }>): Summaries {
  const gathered = new Map<string, Map<string, Figure[]>>()
  for (const { server, figures } of rounds) {
    const byName = gathered.get(server) ?? new Map<string, Figure[]>()
    gathered.set(server, byName)
    for (const figure of figures) byName.set(figure.name, [...(byName.get(figure.name) ?? []), figure])
  }
  const summaries: Summaries = new Map()
  for (const [server, byName] of gathered) {
    const of = new Map<string, Summary>()
    for (const [name, figures] of byName) of.set(name, summaryOf(figures))
    summaries.set(server, of)
  }
  return summaries
}

function summaryOf(figures: readonly Figure[]): Summary {
  const cpu = figures.map(figure => figure.cpuMicroseconds)
  const firstFault = figures.find(figure => figure.firstFault !== undefined)?.firstFault
  return {
    cpuMicroseconds: median(cpu),
    lowest: Math.min(...cpu),
    highest: Math.max(...cpu),
    perSecond: median(figures.map(figure => figure.perSecond)),
    medianMs: median(figures.map(figure => figure.medianMs)),
    p99Ms: median(figures.map(figure => figure.p99Ms)),
    retransmissions: figures.reduce((sum, figure) => sum + figure.retransmissions, 0),
    faults: figures.reduce((sum, figure) => sum + figure.faults, 0),
    ...(firstFault === undefined ? {} : { firstFault }),
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const titles: Readonly<Record<string, string>> = {
  'publish-initial': 'PUBLISH, first',
  'publish-modify': 'PUBLISH, modify (700 octets)',
  'publish-refresh': 'PUBLISH, refresh',
  'publish-alone': 'PUBLISH, modify, one at a time',
  subscribe: 'SUBSCRIBE + NOTIFY, new',
  'subscribe-refresh': 'SUBSCRIBE + NOTIFY, refresh',
  unsubscribe: 'SUBSCRIBE + NOTIFY, end',
  'fan-out': 'NOTIFY in a fan-out',
  register: 'REGISTER, first',
  'register-refresh': 'REGISTER, refresh',
  'publish-1000': 'PUBLISH with 1,000 NOTIFYs',
  'publish-1000-rules': 'PUBLISH with 1,000 NOTIFYs, rules of 10 classes',
  'xcap-create': 'PUT, new list of 20',
  'xcap-get': 'GET, list of 20',
  'xcap-get-304': 'GET, not modified',
  'xcap-put': 'PUT, list of 20',
  'xcap-put-element': 'PUT, entry of a list of 20',
  'xcap-get-digest': 'GET, list of 20, with credentials',
  'xcap-put-digest': 'PUT, list of 20, with credentials',
  'xcap-put-alone': 'PUT, list of 20, one at a time',
}

/**
 * Server CPU in µs per operation, a column per server; ours also against its bar, and as a ratio to each of the others.
 * `durable` is the one that shares of Kamailio are meant of; beside the ratio to `inMemory` stands what it would be if both
 * cost what the bar and the reference machine say, since this machine's microseconds may be others.
 */
export function cpuTable(summaries: Summaries, ours: string, durable: string, inMemory: string): string {
  const others = [...summaries.keys()].filter(name => name !== ours)
  const rows: string[][] = [
    [
      'server CPU, µs per operation',
      ours,
      'range',
      'bar',
      '',
      'of Kamailio in memory',
      ...others,
      ...others.map((_, index) => `ratio ${index + 1}`),
    ],
  ]
  const names = [...(summaries.get(ours) ?? summaries.get(others[0] ?? '') ?? new Map<string, Summary>()).keys()]
  for (const name of names) {
    const own = summaries.get(ours)?.get(name)
    const bar = bars[name]
    rows.push([
      titles[name] ?? name,
      own ? own.cpuMicroseconds.toFixed(1) : '-',
      own ? `${own.lowest.toFixed(0)}-${own.highest.toFixed(0)}` : '',
      ...held(own, bar, summaries.get(durable)?.get(name), summaries.get(ours)),
      relativeToMemory(name, own, bar, summaries.get(inMemory)?.get(name)),
      ...others.map(other => summaries.get(other)?.get(name)?.cpuMicroseconds.toFixed(1) ?? '-'),
      ...others.map(other => ratio(own, summaries.get(other)?.get(name))),
    ])
  }
  const notes = others.map((other, index) => `ratio ${index + 1}: ${ours} / ${other}`)
  return `${table(rows)}${notes.join('\n')}\n`
}

/** A bar and whether it is met: as a share of the peer where there is one for it, of another figure, else in microseconds. */
function held(
  own: Summary | undefined,
  bar: Bar | undefined,
  peer: Summary | undefined,
  ours: Map<string, Summary> | undefined,
): [string, string] {
  if (bar === undefined) return ['', '']
  if (bar.ofFigure !== undefined) {
    const other = ours?.get(bar.ofFigure)
    if (own === undefined || other === undefined) return ['', '']
    const share = own.cpuMicroseconds / other.cpuMicroseconds
    return [`≤ ${bar.atMost} × ${bar.ofFigure}`, `${share.toFixed(2)} ${verdict(share, bar.atMost)}`]
  }
  if (bar.ofKamailio === undefined || peer === undefined || own === undefined)
    return [`≤ ${bar.atMost}`, verdict(own?.cpuMicroseconds, bar.atMost)]
  return [`≤ ${bar.ofKamailio} × peer`, verdict(own.cpuMicroseconds / peer.cpuMicroseconds, bar.ofKamailio)]
}

/** For information only: the ratio to a server that stores nothing, and that of the bar to what it cost on the reference machine. */
function relativeToMemory(
  name: string,
  own: Summary | undefined,
  bar: Bar | undefined,
  peer: Summary | undefined,
): string {
  const reference = kamailioReference[name]?.memory
  if (bar === undefined || reference === undefined || own === undefined || peer === undefined) return ''
  return `${ratio(own, peer)} (bar ${(bar.atMost / reference).toFixed(2)})`
}

/** What the users saw: answers per second and latency with the load generator on the same machine. */
export function serviceTable(summaries: Summaries): string {
  const rows: string[][] = [['operations per second; latency median and 99 % in ms', ...summaries.keys()]]
  const names = [...new Set([...summaries.values()].flatMap(of => [...of.keys()]))]
  for (const name of names)
    rows.push([
      titles[name] ?? name,
      ...[...summaries.values()].map(of => {
        const summary = of.get(name)
        return summary
          ? `${summary.perSecond.toFixed(0)}; ${summary.medianMs.toFixed(1)} ${summary.p99Ms.toFixed(1)}`
          : '-'
      }),
    ])
  return table(rows)
}

/** Lines for every fault and retransmission; empty when all was right. */
export function faultLines(summaries: Summaries): string {
  let lines = ''
  for (const [server, of] of summaries)
    for (const [name, { faults, firstFault, retransmissions }] of of) {
      if (faults > 0)
        lines += `${server}: ${name}: ${faults} wrong answers; the first: ${firstFault?.split(/[\r\n]+/, 2).join(' ')}\n`
      if (retransmissions > 0) lines += `${server}: ${name}: ${retransmissions} requests had to be sent again\n`
    }
  return lines
}

export function barTable(figures: Readonly<Record<string, number>>): string {
  const rows: string[][] = [['', 'measured', 'bar', '']]
  for (const [name, value] of Object.entries(figures)) {
    const bar = bars[name]
    if (!bar) continue
    const digits = bar.unit === 's' ? 2 : bar.unit === 'lost' ? 0 : 1
    rows.push([
      bar.what,
      `${value.toFixed(digits)} ${bar.unit}`,
      `≤ ${bar.atMost} ${bar.unit}`,
      verdict(value, bar.atMost),
    ])
  }
  return table(rows)
}

/** How Kamailio did here against the reference machine: tells how far this machine's microseconds can be compared. */
export function referenceLine(summaries: Summaries, server: string, mode: 'memory' | 'durable'): string {
  const parts = Object.entries(kamailioReference).flatMap(([name, reference]) => {
    const here = summaries.get(server)?.get(name)?.cpuMicroseconds
    const there = reference[mode]
    return here === undefined || there === undefined ? [] : [`${titles[name]} ${here.toFixed(0)} here, ${there} there`]
  })
  return parts.length === 0 ? '' : `${server} against the reference machine: ${parts.join('; ')}\n`
}

export function verdict(value: number | undefined, atMost: number | undefined): string {
  if (value === undefined || atMost === undefined) return ''
  if (Number.isNaN(value)) return 'MISS (not measured)'
  if (value <= atMost) return 'pass'
  return atMost === 0 ? `MISS by ${value}` : `MISS by ${((value / atMost - 1) * 100).toFixed(0)} %`
}

function ratio(own: Summary | undefined, other: Summary | undefined): string {
  return own && other ? (own.cpuMicroseconds / other.cpuMicroseconds).toFixed(2) : '-'
}

function table(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)))
  return rows
    .map(row =>
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
    )
    .map((line, index) => (index === 0 ? `${line}\n${'-'.repeat(line.length)}\n` : `${line}\n`))
    .join('')
}
