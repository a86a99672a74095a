/**
 * What a server costs its machine, read from Linux's /proc: CPU time and memory of a process and all its descendants,
 * every thread included.
 */

import { readdirSync, readFileSync } from 'node:fs'

/** `/proc/PID/stat` counts in clock ticks of 1/100 s on every Linux architecture Node.js runs on. */
const nanosecondsPerTick = 10_000_000

/** The process and all its living descendants, parents first. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    const parent = Number(statFields(pid)?.[1])
    children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  const tree = [root]
  for (const pid of tree) tree.push(...(children.get(pid) ?? []))
  return tree.filter(pid => statFields(pid) !== undefined)
}

/** CPU time of some processes at one moment, by both of the kernel's counts. */
export type CpuReading = {
  readonly scheduledNanoseconds: number
  readonly tickNanoseconds: number
  readonly slack: number
}

export function readCpu(pids: readonly number[]): CpuReading {
  let [scheduled, ticks] = [0, 0]
  for (const pid of pids) {
    scheduled += scheduledNanoseconds(pid)
    ticks += tickNanoseconds(pid)
  }
  return { scheduledNanoseconds: scheduled, tickNanoseconds: ticks, slack: 2 * nanosecondsPerTick * pids.length }
}

/**
 * CPU time between two readings, in nanoseconds: the scheduler's exact count per living thread, unless threads have ended
 * meanwhile and taken theirs along; then the ticks of the process, which remember them.
 */
export function cpuNanoseconds(from: CpuReading, to: CpuReading): number {
  const scheduled = to.scheduledNanoseconds - from.scheduledNanoseconds
  const ticks = to.tickNanoseconds - from.tickNanoseconds
  return ticks - scheduled > to.slack ? ticks : scheduled
}

/** Memory of these processes in MiB: resident, and proportional (pages shared by n processes count 1/n). */
export function memoryMebibytes(pids: readonly number[]): { rss: number; pss: number } {
  const sum = { rss: 0, pss: 0 }
  for (const pid of pids) {
    const rollup = readProc(`${pid}/smaps_rollup`) ?? ''
    sum.rss += Number(/^Rss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024
    sum.pss += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024
  }
  return sum
}

/** Bytes these processes have caused to be written to disk so far, where the kernel counts them. */
export function writtenBytes(pids: readonly number[]): number {
  let sum = 0
  for (const pid of pids) sum += Number(/^write_bytes: (\d+)/m.exec(readProc(`${pid}/io`) ?? '')?.[1] ?? 0)
  return sum
}

function scheduledNanoseconds(pid: number): number {
  let sum = 0
  try {
    for (const task of readdirSync(`/proc/${pid}/task`))
      sum += Number(readProc(`${pid}/task/${task}/schedstat`)?.split(' ')[0] ?? 0)
  } catch {
    return 0
  }
  return sum
}

function tickNanoseconds(pid: number): number {
  const fields = statFields(pid)
  return fields === undefined ? 0 : (Number(fields[11]) + Number(fields[12])) * nanosecondsPerTick
}

/** The fields of `/proc/PID/stat` that follow the command's name: state, parent, ...; utime and stime are at 11 and 12. */
function statFields(pid: number): string[] | undefined {
  const text = readProc(`${pid}/stat`)
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'utf8')
  } catch {
    return undefined
  }
}
