/** Where the TLS certificate comes from: the files that the settings name, else one the box has signed itself and keeps. */

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { createSecureContext } from 'node:tls'
import type { Settings } from '../settings/table.ts'
import type { Instant } from '../turn.ts'
import { isUsableFor, selfSigned } from './certificate.ts'
import type { DataPaths } from './data-paths.ts'
import type { Credentials } from './transport/tls.ts'

/**
 * The credentials for these settings. A self-signed certificate is made when there is none yet, or when it has ended or
 * names another domain. Throws an Error of one clear line when files cannot be read or do not belong together.
 */
export function credentialsFor(settings: Settings, paths: DataPaths, now: Instant): Credentials {
  const { certificate, key, authorities } = settings.tls
  const own = certificate === '' || key === ''
  if (own) makeSelfSigned(settings, paths, now)
  const credentials: Credentials = {
    certificate: read('tls.certificate', own ? paths.certificate : certificate),
    key: read('tls.key', own ? paths.key : key),
    authorities: authorities === '' ? undefined : read('tls.authorities', authorities),
  }
  try {
    createSecureContext({ cert: credentials.certificate, key: credentials.key })
  } catch (error) {
    throw new Error(`tls.certificate and tls.key cannot be used: ${(error as Error).message}`)
  }
  return credentials
}

/** What to tell the operator who has named only one of the two files; undefined when there is nothing to tell. */
export function missingHalf({ tls }: Settings): string | undefined {
  if ((tls.certificate === '') === (tls.key === '')) return undefined
  const [given, missing] = tls.key === '' ? ['tls.certificate', 'tls.key'] : ['tls.key', 'tls.certificate']
  return `${given} is not used while ${missing} is empty: the box shows the certificate it has signed itself`
}

/** Changes when one of the files the settings name has changed: a renewed certificate is taken without a restart. */
export function credentialsStamp({ tls }: Settings): string {
  return [tls.certificate, tls.key, tls.authorities]
    .map(file => (file !== '' && existsSync(file) ? `${file} ${statSync(file).mtimeMs}` : file))
    .join(' ')
}

function makeSelfSigned({ domain, sip }: Settings, paths: DataPaths, now: Instant): void {
  if (existsSync(paths.key) && existsSync(paths.certificate)) {
    if (isUsableFor(readFileSync(paths.certificate, 'utf8'), domain, now)) return
  }
  const names = [...ownNames(), ...(sip.advertisedHost ? [sip.advertisedHost] : []), ...ownAddresses()]
  const { certificate, key } = selfSigned(domain, names, now)
  writeFileSync(paths.key, key, { mode: 0o600 })
  writeFileSync(paths.certificate, certificate)
}

/** What this machine is called, by itself and by others. */
export function ownNames(): string[] {
  return ['localhost', hostname().toLowerCase()]
}

/** The addresses of this machine, those others can reach first, without link-local ones. */
export function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  return all
    .filter(({ address }) => !address.startsWith('fe80:'))
    .sort((a, b) => Number(a.internal) - Number(b.internal) || a.family.localeCompare(b.family))
    .map(({ address }) => address)
}

function read(setting: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`${setting}: cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`)
  }
}
