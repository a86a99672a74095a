/**
 * The box under test, in a data directory of its own on ports of its own. With `INTEROP_BOX=kamailio` in the environment
 * the same tests run against Kamailio instead: whether a test or the box is wrong is then easier to tell.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child, domain, freePort } from '../bench/server.ts'
import { startReference } from './reference.ts'

export { domain }

const program = join(import.meta.dirname, '..', '..', 'scripts', 'porchlight')

export const users = ['alice', 'bob', 'carol', 'dave'] as const

export function passwordOf(user: string): string {
  return `secret-${user}`
}

export type Box = {
  readonly isReference: boolean
  /** Ports on 127.0.0.1. UDP and TCP have the same number. */
  readonly port: number
  readonly tlsPort: number
  /** A PEM file that a client may trust; the name in the certificate is `localhost`. */
  readonly certificate: string
  /** For whatever the test wants to keep; removed with the box. */
  readonly directory: string
  /** What it has logged so far. */
  log(): string
  /** `status --json`; an empty record for the reference. */
  status(): Record<string, unknown>
  stop(): Promise<void>
}

export type BoxOptions = {
  readonly authRequired?: boolean
  readonly settings?: Readonly<Record<string, string>>
}

export async function startBox({ authRequired = true, settings = {} }: BoxOptions = {}): Promise<Box> {
  const directory = mkdtempSync(join(tmpdir(), 'interop-'))
  const [port, tlsPort] = [await freePortOfBoth(), await freePortOfBoth()]
  const certificate = join(directory, 'certificate.pem')
  const key = join(directory, 'key.pem')
  makeCertificate(certificate, key)
  if (process.env.INTEROP_BOX === 'kamailio')
    return startReference({ directory, port, tlsPort, certificate, key, authRequired })

  const data = join(directory, 'data')
  mkdirSync(data)
  for (const user of users)
    execFileSync(program, ['user', 'add', `sip:${user}@${domain}`, '--password-stdin', '--data', data], {
      input: `${passwordOf(user)}\n`,
    })
  const wanted: Record<string, string> = {
    domain,
    'sip.udp': `127.0.0.1:${port}`,
    'sip.tcp': `127.0.0.1:${port}`,
    'sip.tls': `127.0.0.1:${tlsPort}`,
    'http.listen': '',
    'https.listen': '',
    'tls.certificate': certificate,
    'tls.key': key,
    'auth.required': String(authRequired),
    'presence.minNotifyIntervalSeconds': '0',
    // Whoever has no account has no rules either.
    ...(authRequired ? {} : { 'presence.defaultHandling': 'allow' }),
    ...settings,
  }
  const sets = Object.entries(wanted).flatMap(([name, value]) => ['--set', `${name}=${value}`])
  const child = new Child(program, ['serve', '--data', data, ...sets])
  await child.printed(/^.*\bready\b/m, 30_000)
  return {
    isReference: false,
    port,
    tlsPort,
    certificate,
    directory,
    log: () => child.output,
    status: () =>
      JSON.parse(execFileSync(program, ['status', '--json', '--data', data], { encoding: 'utf8' })) as Record<
        string,
        unknown
      >,
    stop: async () => {
      await child.end('SIGTERM')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function makeCertificate(certificate: string, key: string): void {
  const names = `subjectAltName=DNS:localhost,DNS:${domain}`
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync(
    'openssl',
    [...request, '-subj', '/CN=localhost', '-addext', names, '-keyout', key, '-out', certificate],
    {
      stdio: 'ignore',
    },
  )
}

/** A port that is free for UDP and for TCP. */
export async function freePortOfBoth(): Promise<number> {
  for (;;) {
    const port = await freePort()
    const server = createServer()
    const isFree = await new Promise<boolean>(decided => {
      server.once('error', () => decided(false))
      server.listen(port, '127.0.0.1', () => decided(true))
    })
    if (!isFree) continue
    await new Promise<void>(closed => server.close(() => closed()))
    return port
  }
}
