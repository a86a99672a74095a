/** Takes a renewed certificate while the box runs: on SIGHUP, and by itself when the files have changed. */

import type { Settings } from '../settings/table.ts'
import { credentialsFor, credentialsStamp, missingHalf } from './credentials.ts'
import type { DataPaths } from './data-paths.ts'
import type { Log } from './log.ts'
import type { Credentials } from './transport/tls.ts'

/** How often the certificate's files are looked at. */
const lookMs = 60_000

export interface CertificateWatch {
  /** Reads the files now. Returns what is wrong, in one line; the certificate in use then stays. */
  renew(): string | undefined
  close(): void
}

export function watchCertificate(options: {
  /** Those who use the certificate; each throws when it cannot. */
  readonly users: ReadonlyArray<{ renew(credentials: Credentials): void }>
  readonly paths: DataPaths
  readonly settings: () => Settings
  readonly log: Log
}): CertificateWatch {
  const { users, paths, settings, log } = options
  let stamp = credentialsStamp(settings())
  const renew = (): string | undefined => {
    stamp = credentialsStamp(settings())
    try {
      const credentials = credentialsFor(settings(), paths, Date.now())
      for (const user of users) user.renew(credentials)
    } catch (error) {
      const problem = `the certificate in use stays: ${(error as Error).message}`
      log.error(problem)
      return problem
    }
    const missing = missingHalf(settings())
    if (missing === undefined) log.notice('TLS certificate read anew')
    else log.warning(missing)
    return undefined
  }
  const timer = setInterval(() => {
    if (credentialsStamp(settings()) !== stamp) renew()
  }, lookMs)
  timer.unref()
  process.on('SIGHUP', renew)
  return {
    renew,
    close: () => {
      clearInterval(timer)
      process.off('SIGHUP', renew)
    },
  }
}
