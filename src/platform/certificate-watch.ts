/** Takes a renewed certificate while the box runs: on SIGHUP, and by itself when the files have changed. */

import type { Settings } from '../settings.ts'
import { credentialsFor, credentialsStamp } from './credentials.ts'
import type { DataPaths } from './data-paths.ts'
import type { Log } from './log.ts'
import type { Transports } from './transports.ts'

/** How often the certificate's files are looked at. */
const lookMs = 60_000

export interface CertificateWatch {
  /** Reads the files now. Returns what is wrong, in one line; the certificate in use then stays. */
  renew(): string | undefined
  close(): void
}

export function watchCertificate(options: {
  readonly transports: Transports
  readonly paths: DataPaths
  readonly settings: () => Settings
  readonly log: Log
}): CertificateWatch {
  const { transports, paths, settings, log } = options
  let stamp = credentialsStamp(settings())
  const renew = (): string | undefined => {
    stamp = credentialsStamp(settings())
    try {
      transports.renew(credentialsFor(settings(), paths, Date.now()))
    } catch (error) {
      const problem = `the certificate in use stays: ${(error as Error).message}`
      log.error(problem)
      return problem
    }
    log.notice('TLS certificate read anew')
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
