/**
 * `make bench`: server CPU per operation, memory, and what survives kill -9, with Kamailio beside the box in the same run.
 * Rounds are interleaved (box, peer, box, peer, ...), medians are reported, and all answers are checked.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Kamailio, kamailioMissing } from './kamailio.ts'
import { measureListOctets } from './list-octets.ts'
import { listOf } from './list-owners.ts'
import { listChangesReport, listOctetsReport, manyListsReport } from './list-report.ts'
import { measureListChanges, measureManyLists, usersBeside } from './lists.ts'
import { Porchlight } from './porchlight.ts'
import { profileTable } from './profile.ts'
import { barTable, cpuTable, faultLines, referenceLine, serviceTable, summarize } from './report.ts'
import { type Figure, fullSizes, measureRound, quickSizes, scenarioNames, warmUpSizes } from './scenarios.ts'
import type { Server } from './server.ts'
import type { SigCompFigures } from './sigcomp.ts'
import { fillAndWeigh, killAndRestart, weighDocuments } from './stored.ts'
import { weighValidation } from './validation.ts'

const usage = `usage: bench [--json FILE] [--rounds N] [--quick] [--stored N] [--only NAMES] [--without-kamailio] [--profile]
  --json FILE          also write every figure there
  --rounds N           rounds per server (3)
  --quick              smaller loads: a look, not a result
  --stored N           publications and subscriptions stored for memory and restart (10000; 0 leaves that part out)
  --only NAMES         comma-separated: ${scenarioNames.join(', ')}, sigcomp, validation, stored,
                       lists-octets, lists-change, lists-many, or lists for these three
  --lists N            subscriptions to lists of 50 members (10000; 0 leaves lists out)
  --without-box        only Kamailio
  --without-kamailio   only the box
  --profile            run the box under the CPU profiler and print where the time goes (its figures are then slower)
`

/** Not SQLite with its default of 8 workers: they lock each other out of the file, and PUBLISH is answered 500. */
const kamailioModes = [
  { storage: 'memory', workers: 1 },
  { storage: 'sqlite', workers: 1 },
  { storage: 'memory', workers: undefined },
] as const

const listParts = ['lists-octets', 'lists-change', 'lists-many']

const running = new Set<Server>()

await main().catch(async error => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  for (const server of running) await server.stop().catch(() => {})
  process.exitCode = 1
})

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      json: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      quick: { type: 'boolean', default: false },
      stored: { type: 'string', default: '10000' },
      lists: { type: 'string', default: '10000' },
      only: { type: 'string' },
      'without-box': { type: 'boolean', default: false },
      'without-kamailio': { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (options.help) {
    process.stdout.write(usage)
    return
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      void Promise.allSettled([...running].map(server => server.stop())).then(() => process.exit(130))
    })

  const sizes = options.quick ? quickSizes : fullSizes
  const only = options.only?.split(',').flatMap(name => (name === 'lists' ? listParts : [name]))
  const isWanted = (name: string) => only?.includes(name) ?? true
  const scenarios = scenarioNames.some(isWanted)
  const stored = Number(options.stored)
  const profileDirectory = options.profile ? mkdtempSync(join(tmpdir(), 'bench-profile-')) : undefined
  const missing = options['without-kamailio'] ? 'left out as asked' : kamailioMissing()
  if (missing) print(`Kamailio is not measured: ${missing}.`)
  print(
    `${cpus()[0]?.model ?? 'unknown CPU'} × ${cpus().length}; SIP over UDP and HTTP over ${sizes.window} open connections, on loopback; ${sizes.window} operations under way at once; no authentication but where credentials are said, no throttle; documents are on disk before they are answered for, checked against their schema by the box, for being well-formed by Kamailio`,
  )

  const sigcomp = options['without-box'] || !isWanted('sigcomp') ? undefined : measureSigComp()
  if (sigcomp !== undefined) print(`\n${barTable(sigcomp)}`)
  const box = options['without-box'] ? undefined : new Porchlight(profileDirectory)
  const peers = missing ? [] : kamailioModes.map(mode => new Kamailio(mode))
  const servers: Server[] = scenarios ? (box ? [box, ...peers] : [...peers]) : []
  if (scenarios) box?.importUsers(Math.max(sizes.presentities, sizes.watchers, sizes.ruledWatchers + 1))
  for (const server of servers) {
    running.add(server)
    await server.start()
  }
  const rounds: Array<{ server: string; figures: readonly Figure[] }> = []
  // A server runs for months: its first seconds are not measured, in which a compiler still learns what is hot.
  if (scenarios) print('warming up')
  for (const server of servers) await measureRound(server, warmUpSizes, `w${Date.now()}`, [], only)
  const gaveUp = new Map<Server, string>()
  for (let round = 1; round <= Number(options.rounds); round++)
    for (const server of servers) {
      if (gaveUp.has(server)) continue
      print(`round ${round}: ${server.name}`)
      const figures: Figure[] = []
      rounds.push({ server: server.name, figures })
      try {
        await measureRound(server, sizes, `${round}x${Date.now()}`, figures, only)
      } catch (error) {
        gaveUp.set(server, error instanceof Error ? error.message : String(error))
      }
    }
  for (const server of servers) {
    await server.stop()
    running.delete(server)
  }

  const summaries = summarize(rounds)
  const [durable, inMemory] = (['sqlite', 'memory'] as const).map(
    storage => peers.find(peer => peer.storage === storage && peer.workers === 1)?.name ?? '',
  )
  if (scenarios) {
    print(`\n${cpuTable(summaries, box?.name ?? '', durable!, inMemory!)}`)
    print(serviceTable(summaries))
  }
  for (const peer of peers)
    if (peer.workers === 1)
      print(referenceLine(summaries, peer.name, peer.storage === 'memory' ? 'memory' : 'durable').trimEnd())
  for (const [server, why] of gaveUp) print(`${server.name} was given up: ${why}`)
  const faults = faultLines(summaries)
  if (faults) print(faults)
  const validation = isWanted('validation') ? validationMemory() : undefined
  const isStored = stored > 0 && isWanted('stored')
  const memory = isStored ? await memoryAndRestart(stored, box !== undefined, missing === undefined) : undefined
  const lists =
    box && options.lists !== '0' ? await listsOfResources(Number(options.lists), isWanted, profileDirectory) : undefined
  if (profileDirectory) {
    print(profileTable(profileDirectory))
    rmSync(profileDirectory, { recursive: true, force: true })
  }
  const wrong =
    (box !== undefined && gaveUp.has(box)) ||
    (lists?.faults ?? 0) > 0 ||
    [...(box ? (summaries.get(box.name)?.values() ?? []) : [])].some(summary => summary.faults > 0)
  if (options.json !== undefined) {
    const plain = Object.fromEntries([...summaries].map(([server, of]) => [server, Object.fromEntries(of)]))
    writeFileSync(
      options.json,
      `${JSON.stringify({ machine: cpus()[0]?.model, date: new Date().toISOString(), sizes, rounds, medians: plain, validation, memory, lists, sigcomp }, null, 2)}\n`,
    )
    print(`all figures: ${options.json}`)
  }
  if (wrong || (memory?.restart && memory.restart.lost > 0)) {
    print('FAILED: the box gave wrong answers or lost something, see above.')
    process.exitCode = 1
  }
}

/** In a process of its own, which collects garbage when it is told. */
function measureSigComp(): SigCompFigures {
  const program = join(import.meta.dirname, 'sigcomp.ts')
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', program, '--json'], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`sigcomp.ts ended with ${status}: ${stderr}`)
  return JSON.parse(stdout) as SigCompFigures
}

/** What grammars weigh after 20,000 documents, and whether that grows. */
function validationMemory() {
  const weighed = weighValidation()
  const { without, with: checked } = weighed
  print(barTable({ 'validation-mebibytes': checked.atEnd - without.atEnd }))
  print(
    `living heap after 10,000 and 20,000 documents of all application usages, read only: ${without.halfWay.toFixed(1)} and ${without.atEnd.toFixed(1)} MiB; ` +
      `checked too: ${checked.halfWay.toFixed(1)} and ${checked.atEnd.toFixed(1)} MiB; RSS ${without.rss.toFixed(0)} and ${checked.rss.toFixed(0)} MiB`,
  )
  return weighed
}

/** Lists: what a change costs in them, what they weigh, and what a small link is spared. */
async function listsOfResources(count: number, isWanted: (part: string) => boolean, profileDirectory?: string) {
  const measured = async <T>(users: number, measure: (box: Porchlight) => Promise<T>): Promise<T> => {
    const box = new Porchlight(profileDirectory)
    running.add(box)
    box.importUsers(users)
    await box.start()
    const figures = await measure(box)
    await box.stop()
    running.delete(box)
    return figures
  }
  const changes = isWanted('lists-change')
    ? await measured(usersBeside, async box => measureListChanges(box, 0))
    : undefined
  if (changes !== undefined) print(listChangesReport(changes))
  const many = isWanted('lists-many')
    ? await measured(count + usersBeside, async box => measureManyLists(box, count))
    : undefined
  if (many !== undefined) print(manyListsReport(many))
  const octets = isWanted('lists-octets') ? await measureListOctets() : undefined
  if (octets !== undefined) print(listOctetsReport(octets))
  const faults = [...(changes?.faults ?? []), ...(many?.faults ?? [])]
  for (const fault of faults.slice(0, 3)) print(`lists: ${fault}`)
  return { changes, many: many && { ...many, among: Object.fromEntries(many.among) }, octets, faults: faults.length }
}

/** Memory idle and full, in fresh processes; then the box is killed and must come back with everything. */
async function memoryAndRestart(count: number, withBox: boolean, withKamailio: boolean) {
  const weighed: Record<string, unknown> = {}
  let restart: Awaited<ReturnType<typeof killAndRestart>> | undefined
  let document: Awaited<ReturnType<typeof weighDocuments>> | undefined
  if (withKamailio) {
    const peer = new Kamailio({ storage: 'memory', workers: 1 })
    running.add(peer)
    await peer.start()
    const { figures, load } = await fillAndWeigh(peer, count, `m${Date.now()}`)
    load.client.close()
    await peer.stop()
    running.delete(peer)
    weighed[peer.name] = figures
    print(
      `${peer.name}: idle PSS ${figures.idlePss.toFixed(1)} MiB, with ${count} + ${count} stored ${figures.storedPss.toFixed(1)} MiB (${figures.loadedPss.toFixed(1)} just after the load)`,
    )
  }
  if (withBox) {
    const box = new Porchlight()
    running.add(box)
    box.importUsers(count)
    await box.start()
    const { figures, load } = await fillAndWeigh(box, count, `m${Date.now()}`)
    weighed[box.name] = figures
    restart = await killAndRestart(box, load)
    load.client.close()
    document = await weighDocuments(box, count)
    await box.stop()
    running.delete(box)
    print(
      barTable({
        'idle-rss': figures.idleRss,
        'stored-pss': figures.storedPss,
        'restart-seconds': Math.max(restart.servingSeconds, restart.readySeconds),
        'restart-lost': restart.lost,
      }),
    )
    print(
      `idle PSS ${figures.idlePss.toFixed(1)} MiB; just after the load PSS ${figures.loadedPss.toFixed(1)} MiB; 40 s later RSS with ${count} + ${count} stored ${figures.storedRss.toFixed(1)} MiB; ` +
        `${figures.writtenMebibytes.toFixed(1)} MiB written for them; after the restart ` +
        `first answer in ${restart.servingSeconds.toFixed(2)} s, ready in ${restart.readySeconds.toFixed(2)} s, ` +
        `status counts ${restart.counted.publications} publications and ${restart.counted.subscriptions} subscriptions, ` +
        `PSS ${restart.restartedPss.toFixed(1)} MiB`,
    )
    print(
      `a stored list of 20 with ${listOf(0, 1).length} octets takes ${document.memoryOctets.toFixed(0)} octets of PSS at rest, the pages of the database that were touched included, and ${document.diskOctets.toFixed(0)} on disk`,
    )
    if (restart.firstFault) print(`lost ${restart.lost}; the first: ${restart.firstFault}`)
  }
  return { weighed, restart, document }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
