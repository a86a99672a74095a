/** The box itself, started by its command-line contract with a data directory of its own. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { processTree } from './process-cost.ts'
import { Child, domain, freePort, freeTcpPort, passwordOf, type Server } from './server.ts'

/** PORCHLIGHT in the environment names another build to measure. */
const program = process.env.PORCHLIGHT ?? join(import.meta.dirname, '..', '..', 'scripts', 'porchlight')

export class Porchlight implements Server {
  readonly name = 'porchlight'
  /** Soft state is flushed within five seconds of its answer: that work is counted too. */
  readonly settleMs: number
  readonly obeysRules = true
  port = 0
  httpPort = 0
  readonly #directory = mkdtempSync(join(tmpdir(), 'bench-porchlight-'))
  readonly #environment: NodeJS.ProcessEnv
  #child: Child | undefined

  /** `profileDirectory`: the server's CPU profile is written there when it stops. */
  constructor(profileDirectory?: string) {
    // The profiler itself burns CPU while the box waits: under it nobody waits for the flush.
    this.settleMs = profileDirectory ? 200 : 5_500
    this.#environment = profileDirectory
      ? { ...process.env, NODE_OPTIONS: `--cpu-prof --cpu-prof-interval=200 --cpu-prof-dir=${profileDirectory}` }
      : process.env
  }

  /** Adds users `u0@` to `u<count - 1>@` of the domain; works while the box runs and while it does not. */
  importUsers(count: number): void {
    const file = join(this.#directory, 'users.csv')
    let text = ''
    for (let index = 0; index < count; index++) text += `sip:u${index}@${domain},${passwordOf(index)}\n`
    writeFileSync(file, text)
    execFileSync(program, ['user', 'import', file, '--data', this.#dataDirectory])
  }

  async start(): Promise<void> {
    this.port ||= await freePort()
    this.httpPort ||= await freeTcpPort()
    const settings = {
      domain,
      'sip.udp': `127.0.0.1:${this.port}`,
      'sip.tcp': '',
      'sip.tls': '',
      'http.listen': `127.0.0.1:${this.httpPort}`,
      'https.listen': '',
      'presence.defaultHandling': 'allow',
      'presence.minNotifyIntervalSeconds': '0',
    }
    // Kept rather than given, so that it can be changed while the box runs. Once: a restart is not to be charged with it.
    if (this.#child === undefined) this.askForCredentials(false)
    const sets = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`])
    this.#child = new Child(program, ['serve', '--data', this.#dataDirectory, ...sets], this.#environment)
    await this.#child.printed(/^.*\bready\b/m, 30_000)
  }

  get digestPort(): number {
    return this.httpPort
  }

  askForCredentials(asks: boolean): void {
    execFileSync(program, ['settings', 'set', 'auth.required', String(asks), '--data', this.#dataDirectory])
  }

  pids(): number[] {
    return this.#child ? processTree(this.#child.pid) : []
  }

  /** `status --json`, decoded. */
  status(): Record<string, unknown> {
    const text = execFileSync(program, ['status', '--json', '--data', this.#dataDirectory], { encoding: 'utf8' })
    return JSON.parse(text) as Record<string, unknown>
  }

  /** kill -9 of every process of the box. */
  async kill(): Promise<void> {
    const child = this.#child
    if (!child) return
    child.killAll()
    await child.end('SIGKILL')
  }

  /** Stops the process; the data stays for another start. */
  async halt(): Promise<void> {
    await this.#child?.end('SIGTERM')
  }

  async stop(): Promise<void> {
    await this.halt()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  get #dataDirectory(): string {
    return join(this.#directory, 'data')
  }
}
