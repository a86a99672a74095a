/** How a unit is locked down at this moment, as its kernel and systemd say it: a part of the support bundle. */

import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'

/** What describes one thing of the unit. Each may throw an Error, as where this is no unit. */
export const unitState: Readonly<Record<string, () => unknown>> = {
  lockdown: () => read('/sys/kernel/security/lockdown'),
  secureBoot: () => secureBoot(),
  tainted: () => Number(read('/proc/sys/kernel/tainted')),
  verity: () => run('dmsetup', ['status', 'root']),
  mounts: () => lines(read('/proc/self/mounts')),
  sysctl: () => kernelParameters(),
  modules: () => lines(read('/proc/modules')).map(line => line.split(' ')[0]),
  watchdogs: () => watchdogs(),
  listening: () => lines(run('ss', ['-Hlntup'])),
  firewall: () => lines(run('nft', ['list', 'ruleset'])),
  processes: () => processes(),
  services: () => services(),
  exposure: () => JSON.parse(run('systemd-analyze', ['security', '--no-pager', '--json=short'])),
}

function read(path: string): string {
  return readFileSync(path, 'utf8').trim()
}

function run(program: string, words: readonly string[]): string {
  return execFileSync(program, words, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 120_000,
  }).trim()
}

function lines(text: string): string[] {
  return text.split('\n')
}

/** UEFI 2.10 §3.3: a variable of one octet, behind four of attributes. Undefined where the firmware has none. */
function secureBoot(): boolean | undefined {
  const [path] = globSync('/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c')
  return path === undefined ? undefined : readFileSync(path)[4] === 1
}

/** What sysctl.d(5) of the image sets, as it is. */
function kernelParameters(): Record<string, string> {
  const names = lines(read('/usr/lib/sysctl.d/60-porchlight.conf')).flatMap(
    line => /^([a-z][\w.]+) *=/.exec(line)?.[1] ?? [],
  )
  const at = (name: string): string => `/proc/sys/${name.replaceAll('.', '/')}`
  return Object.fromEntries(names.map(name => [name, existsSync(at(name)) ? read(at(name)) : 'not there']))
}

function watchdogs(): unknown[] {
  return globSync('/sys/class/watchdog/watchdog*')
    .sort()
    .map(folder => ({
      identity: read(`${folder}/identity`),
      state: read(`${folder}/state`),
      timeout: read(`${folder}/timeout`),
    }))
}

/** Of every process: its name, its user's number, and what it may do (proc(5)). */
function processes(): unknown[] {
  return globSync('/proc/[0-9]*/status').flatMap(path => {
    if (!existsSync(path)) return []
    const fields = new Map(lines(read(path)).map(line => line.split(/:\s*/, 2) as [string, string]))
    // A thread of the kernel has no memory of its own.
    if (!fields.has('VmSize')) return []
    const [user] = (fields.get('Uid') ?? '').split('\t')
    return [
      {
        name: fields.get('Name'),
        user: Number(user),
        capabilities: fields.get('CapEff'),
        noNewPrivileges: fields.get('NoNewPrivs') === '1',
        seccomp: fields.get('Seccomp') === '2',
        memory: fields.get('VmRSS'),
      },
    ]
  })
}

/** When services began to start and had started, in microseconds since the kernel did, and which have failed. */
function services(): unknown {
  const wanted = ['Id', 'ActiveState', 'Result', 'InactiveExitTimestampMonotonic', 'ActiveEnterTimestampMonotonic']
  return run('systemctl', ['show', '--no-pager', ...wanted.map(name => `--property=${name}`), '*.service'])
    .split('\n\n')
    .map(paragraph => {
      const fields = new Map(lines(paragraph).map(line => line.split('=', 2) as [string, string]))
      const [name, state, result, began, ready] = wanted.map(field => fields.get(field) ?? '')
      return { name, state, result, began: Number(began), ready: Number(ready) }
    })
}
