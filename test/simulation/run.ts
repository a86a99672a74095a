/**
 * Runs hours of seeded traffic for a time, or one seed: `run.ts [--seconds N] [--seed N] [--minutes N]`. A failure prints
 * its seed, which reproduces it.
 */

import { parseArgs } from 'node:util'
import { simulate } from './hour.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string' }, seed: { type: 'string' }, minutes: { type: 'string' } },
})
const minutes = Number(values.minutes ?? 60)
const started = performance.now()
const budgetMs = Number(values.seconds ?? 60) * 1000
let seed = Number(values.seed ?? 1)
let [hours, requests, notifications, restarts, failures] = [0, 0, 0, 0, 0]

do {
  const hour = await simulate(seed, minutes)
  hours += minutes / 60
  requests += hour.requests
  notifications += hour.notifications
  restarts += hour.restarts
  if (hour.violations.length > 0) {
    failures++
    process.stdout.write(`seed ${seed} (make sim SEED=${seed}):\n`)
    for (const violation of hour.violations.slice(0, 10)) process.stdout.write(`  ${violation}\n`)
    if (hour.violations.length > 10) process.stdout.write(`  and ${hour.violations.length - 10} more\n`)
  }
  seed++
} while (values.seed === undefined && performance.now() - started < budgetMs && failures < 5)

process.stdout.write(
  `simulated ${hours.toFixed(1)} h of traffic in ${((performance.now() - started) / 1000).toFixed(1)} s: ` +
    `${requests} requests, ${notifications} notifications, ${restarts} restarts, ${failures} failing seeds\n`,
)
process.exitCode = failures > 0 ? 1 : 0
