/** Every way in for HTTP: what the settings say is opened, with TLS and without. */

import { type ListeningAddress, listeningAddresses, type Settings } from '../settings.ts'
import { type HttpHandler, type HttpLimits, HttpListener, HttpService } from './transport/http.ts'
import type { Credentials } from './transport/tls.ts'
import { listenError } from './transports.ts'

export interface HttpListening extends ListeningAddress {
  readonly transport: 'http' | 'https'
}

export class HttpListeners {
  readonly listening: HttpListening[] = []
  readonly #service: HttpService
  readonly #plain: HttpListener[] = []
  readonly #secure: HttpListener[] = []

  constructor(limits: HttpLimits, handler: HttpHandler) {
    this.#service = new HttpService(limits, handler)
  }

  /** Opens what the settings name. Rejects with an Error of one clear line at the first that cannot be. */
  async open({ http, https }: Settings, credentials: Credentials): Promise<void> {
    for (const where of listeningAddresses(http.listen) ?? []) this.#plain.push(await this.#open('http', where))
    for (const where of listeningAddresses(https.listen) ?? [])
      this.#secure.push(await this.#open('https', where, credentials))
  }

  /** New handshakes use these. Throws when they cannot be used. */
  renew(credentials: Credentials): void {
    for (const listener of this.#secure) listener.renew(credentials)
  }

  /** Takes nothing new. */
  closeListeners(): void {
    for (const listener of [...this.#plain, ...this.#secure]) listener.close()
  }

  /** Cuts off whoever is still there. */
  close(): void {
    this.#service.closeAll()
  }

  async #open(
    transport: HttpListening['transport'],
    where: ListeningAddress,
    credentials?: Credentials,
  ): Promise<HttpListener> {
    try {
      const listener = await HttpListener.open(where, this.#service, credentials)
      this.listening.push({ transport, address: listener.address, port: listener.port })
      return listener
    } catch (error) {
      throw listenError(transport, where, `${transport}.listen`, error)
    }
  }
}
