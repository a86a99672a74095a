/** What the figures of lists say, with the bars they are held against. */

import type { ListOctets } from './list-octets.ts'
import type { ListChanges, ManyLists } from './lists.ts'
import { barTable } from './report.ts'

export function listChangesReport(changes: ListChanges): string {
  const { publish, watched, inSmall, inLarge, inPartial, wholeNotify, partialNotify } = changes
  const notify = watched - publish
  const micro = (value: number) => `${value.toFixed(1)} µs`
  return (
    `${barTable({ 'list-change': inLarge - notify })}` +
    `a PUBLISH that nobody watches ${micro(publish)}, that one watches alone ${micro(watched)}, so its NOTIFY ${micro(notify)}; of one in a list of 50 ${micro(inSmall)}, ` +
    `of 500 ${micro(inLarge)} (${(inLarge / publish).toFixed(2)} times the PUBLISH, ${(inLarge / watched).toFixed(2)} times the one watched alone), ` +
    `of 50 told of what has changed ${micro(inPartial)}\n` +
    `a NOTIFY of a fan-out to watchers who see the same: whole document ${micro(wholeNotify)}, what has changed ${micro(partialNotify)}`
  )
}

export function manyListsReport(many: ManyLists): string {
  const { among, idlePss, documentsPss, storedPss, putCpu, putSeconds, subscribeCpu, subscribeSeconds } = many
  const [[fewest, least], ...others] = [...among] as [[number, number], ...[number, number][]]
  const flat = Object.fromEntries(others.map(([count, cost]) => [`list-flat-${count}`, (cost / least) * 100]))
  const count = Math.max(...among.keys())
  return (
    `${barTable({ 'lists-pss': storedPss, ...flat })}` +
    `a change in a list of 50 beside other lists of 50: ${[[fewest, least] as const, ...others].map(([beside, cost]) => `${beside}: ${cost.toFixed(1)} µs`).join(', ')}\n` +
    `idle PSS ${idlePss.toFixed(1)} MiB, with ${count} users' lists ${documentsPss.toFixed(1)}, subscribed ${storedPss.toFixed(1)} (${(((storedPss - documentsPss) * 1024 * 1024) / count / 50).toFixed(0)} octets a member); ` +
    `to put the documents of a list ${putCpu.toFixed(0)} µs, ${putSeconds.toFixed(1)} s for all; to subscribe to one ${subscribeCpu.toFixed(0)} µs, ${subscribeSeconds.toFixed(1)} s for all`
  )
}

export function listOctetsReport(octets: ListOctets): string {
  const { alone, list, conditional, deflated } = octets
  const ways: readonly (readonly [string, number])[] = [
    ['each buddy alone, whole documents', alone],
    ['each alone, partial', octets.alonePartial],
    ['each alone, partial and conditional', octets.aloneConditional],
    ['list, whole documents', list],
    ['list, partial', octets.partial],
    ['list, partial and conditional', conditional],
    ['  with compact header names', octets.compact],
    ['  deflated', deflated],
    ['  one NOTIFY in 60 s', octets.everyMinute],
    ['  one in 60 s, refreshed behind a NOTIFY', octets.everyMinuteBehind],
    ['  one NOTIFY in 300 s', octets.everyFiveMinutes],
    ['  one in 300 s, refreshed behind a NOTIFY', octets.everyFiveMinutesBehind],
    ['list, whole documents, by SigComp', octets.compressedList],
    ['list, partial and conditional, by SigComp', octets.compressedConditional],
  ]
  const times = (of: number, octets: number) => `${(of / octets).toFixed(2)}`.padStart(7)
  const rows = ways.map(
    ([way, octets]) =>
      `  ${way.padEnd(42)}${(octets / 1024).toFixed(0).padStart(7)} KiB${times(alone, octets)}${times(list, octets)}\n`,
  )
  return (
    `${barTable({
      'list-octets': (conditional / list) * 100,
      'list-octets-alone': (conditional / alone) * 100,
      'list-octets-deflated': (deflated / list) * 100,
    })}` +
    `a day of 50 buddies with ${octets.changes} changes, both ways, and how many times fewer than each alone and than the list in full state:\n${rows.join('')}` +
    `by SigComp, partial and conditional is ${(octets.compressedList / octets.compressedConditional).toFixed(2)} times fewer than whole documents\n` +
    `what one watcher was told of one member is remembered in ${octets.base.toFixed(0)} octets, beside views that watchers share`
  )
}
