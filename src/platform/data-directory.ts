/**
 * The data directory: everything the box keeps. One process at a time may have it; the others learn who has it.
 */

import { existsSync, mkdirSync, realpathSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join, resolve } from 'node:path'

/** Where things stand below the data directory. */
export interface DataDirectory {
  readonly path: string
  /** Nothing was kept here before. */
  readonly isNew: boolean
  readonly store: string
  readonly controlSocket: string
  readonly certificate: string
  readonly key: string
}

/** The data directory at `path`; made, for its owner only, unless `mustExist`. Throws an Error of one clear line. */
export function dataDirectory(path: string, mustExist = false): DataDirectory {
  const full = resolve(path)
  if (mustExist && !existsSync(full)) throw new Error(`there is no data directory ${full}`)
  try {
    mkdirSync(full, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new Error(`cannot make the data directory ${full}: ${(error as Error).message}`)
  }
  if (!statSync(full).isDirectory()) throw new Error(`${full} is not a directory`)
  const store = join(full, 'store')
  return {
    path: full,
    isNew: !existsSync(store),
    store,
    controlSocket: join(full, 'control'),
    certificate: join(full, 'self-signed-certificate.pem'),
    key: join(full, 'self-signed-key.pem'),
  }
}

/** Another process has the data directory. */
export class InUseError extends Error {
  override readonly name = 'InUseError'
}

export interface Lock {
  release(): Promise<void>
}

/**
 * Takes the data directory for this process, waiting up to `patienceMs` for another one to let it go. The lock is an
 * abstract socket (unix(7)) named after the directory's inode: taking it is atomic, and the system frees it with the
 * process, however that ends. Throws InUseError.
 */
export async function lock(directory: DataDirectory, patienceMs = 0): Promise<Lock> {
  const { dev, ino } = statSync(realpathSync(directory.path))
  const giveUp = performance.now() + patienceMs
  for (;;) {
    const server = createServer(socket => socket.destroy())
    const taken = await tryListen(server, `\0porchlight/${dev}/${ino}`)
    if (taken) return { release: () => new Promise(released => server.close(() => released())) }
    if (performance.now() >= giveUp)
      throw new InUseError(`another porchlight process uses the data directory ${directory.path}`)
    await new Promise(passed => setTimeout(passed, 50))
  }
}

function tryListen(server: Server, name: string): Promise<boolean> {
  return new Promise((done, reject) => {
    server.once('error', error => {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') done(false)
      else reject(error)
    })
    server.listen(name, () => done(true))
  })
}
