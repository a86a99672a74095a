/** Every way in for HTTP: what the settings say is opened, with TLS and without. */

import { type ListeningAddress, listeningAddresses } from '../settings/addresses.ts'
import type { SettingName, Settings } from '../settings/table.ts'
import {
  type HttpHandler,
  type HttpLimits,
  HttpListener,
  type HttpListenerOptions,
  HttpService,
} from './transport/http.ts'
import type { Credentials } from './transport/tls.ts'
import { listenError } from './transports.ts'

export interface HttpListening extends ListeningAddress {
  readonly transport: 'http' | 'https'
  /** For which servers elsewhere; undefined: for clients. */
  readonly listener: HttpListenerOptions['listener']
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
  async open({ http, https, xdms, content }: Settings, credentials: Credentials): Promise<void> {
    await this.#openAll('http.listen', http.listen, {})
    await this.#openAll('https.listen', https.listen, { credentials })
    await this.#openAll('xdms.listen', xdms.listen, { listener: 'xdms' })
    await this.#openAll('xdms.listenTls', xdms.listenTls, { listener: 'xdms', credentials })
    await this.#openAll('content.listen', content.listen, { listener: 'content' })
    await this.#openAll('content.listenTls', content.listenTls, { listener: 'content', credentials })
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

  async #openAll(setting: SettingName, addresses: string, options: HttpListenerOptions): Promise<void> {
    const isSecure = options.credentials !== undefined
    const transport = isSecure ? 'https' : 'http'
    for (const where of listeningAddresses(addresses) ?? []) {
      try {
        const opened = await HttpListener.open(where, this.#service, options)
        if (isSecure) this.#secure.push(opened)
        else this.#plain.push(opened)
        const { address, port } = opened
        this.listening.push({ transport, address, port, listener: options.listener })
      } catch (error) {
        throw listenError(transport, where, setting, error)
      }
    }
  }
}
