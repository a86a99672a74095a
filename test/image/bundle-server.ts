/** An HTTPS server of bundles that breaks its first download off in the middle, and remembers what was asked of it. */

import { once } from 'node:events'
import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { selfSigned } from '../../src/platform/certificate.ts'

/** How the emulator's network calls this machine. */
const host = '10.0.2.2'

export class BundleServer {
  /** PEM, of an authority nobody knows. */
  readonly certificate: string
  /** Of every request, the octet it begins at. */
  readonly asked: number[] = []
  url = ''
  readonly #key: string

  constructor() {
    const { certificate, key } = selfSigned('bundles.example', [host], Date.now())
    this.certificate = certificate
    this.#key = key
  }

  /** Serves this file until the test is over. */
  async serve(t: TestContext, path: string): Promise<void> {
    const { size } = statSync(path)
    const server = createServer({ cert: this.certificate, key: this.#key }, (request, response) => {
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
      this.asked.push(start)
      const range = start === 0 ? {} : { 'Content-Range': `bytes ${start}-${size - 1}/${size}` }
      response.writeHead(start === 0 ? 200 : 206, { 'Content-Length': size - start, ...range })
      if (this.asked.length > 1) createReadStream(path, { start }).pipe(response)
      else
        createReadStream(path, { end: Math.floor(size / 2) })
          .on('end', () => response.destroy())
          .pipe(response, { end: false })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close().closeAllConnections())
    this.url = `https://${host}:${(server.address() as AddressInfo).port}/porchlight.bundle`
  }
}
