/** Where things stand below the data directory, which holds everything the box keeps. */

import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Instant } from '../turn.ts'
import { databaseFile, makeDirectory } from './storage/data-directory.ts'

export interface DataPaths {
  /** The directory itself; the store's files stand in it. */
  readonly directory: string
  /** Nothing was kept here before. */
  readonly isNew: boolean
  readonly controlSocket: string
  readonly certificate: string
  readonly key: string
}

/** The paths for the data directory at `path`, which need not exist. Throws an Error of one clear line when it is a file. */
export function dataPaths(path: string): DataPaths {
  const directory = resolve(path)
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new Error(`cannot use the data directory ${directory}: it is a file`)
  return {
    directory,
    isNew: !existsSync(join(directory, databaseFile)),
    controlSocket: join(directory, 'control'),
    certificate: join(directory, 'self-signed-certificate.pem'),
    key: join(directory, 'self-signed-key.pem'),
  }
}

/** Makes the data directory, for its owner only. Throws an Error of one clear line. */
export function makeDataDirectory({ directory }: DataPaths): void {
  try {
    makeDirectory(directory)
    if (!statSync(directory).isDirectory()) throw new Error('it is a file')
  } catch (error) {
    throw new Error(`cannot use the data directory ${directory}: ${(error as Error).message}`)
  }
}

/** When anything in the data directory was written last; 0 for an empty one. */
export function lastWritten({ directory }: DataPaths): Instant {
  const times = readdirSync(directory).map(
    name => statSync(join(directory, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
  )
  return Math.floor(Math.max(0, ...times))
}
