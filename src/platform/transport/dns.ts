/**
 * Answers the stack's DNS questions (RFC 3263) through the system's resolvers, and the hosts file for addresses: a
 * laboratory's names often stand only there. Not getaddrinfo: it would wait in the threads that the store writes with.
 */

import { Resolver } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import type { DnsRecord, DnsType } from '../../protocols/sip/locate.ts'

export interface DnsQuestion {
  readonly name: string
  readonly type: DnsType
  readonly query: string
}

export class Dns {
  readonly #resolver = new Resolver({ timeout: 2000, tries: 2 })
  readonly #limit: number
  readonly #hostsFile: string
  readonly #answered: (query: string, records: DnsRecord[] | undefined) => void
  #inProgress = 0

  /** At most `limit` questions at once; a further one has no records. */
  constructor(
    limit: number,
    answered: (query: string, records: DnsRecord[] | undefined) => void,
    hostsFile = '/etc/hosts',
  ) {
    this.#limit = limit
    this.#answered = answered
    this.#hostsFile = hostsFile
  }

  /** Answers later, never at once; undefined stands for every failure. */
  resolve(question: DnsQuestion): void {
    if (this.#inProgress >= this.#limit) {
      setImmediate(() => this.#answered(question.query, undefined))
      return
    }
    this.#inProgress++
    this.#records(question)
      .catch(() => undefined)
      .then(records => {
        this.#inProgress--
        this.#answered(question.query, records)
      })
  }

  /** Ends the questions in progress; they are answered with nothing. */
  close(): void {
    this.#resolver.cancel()
  }

  async #records({ name, type }: DnsQuestion): Promise<DnsRecord[]> {
    switch (type) {
      case 'A':
      case 'AAAA':
        return (await addressesOf(this.#resolver, this.#hostsFile, name, type)).map(address => ({ type, address }))
      case 'SRV':
        return (await this.#resolver.resolveSrv(name)).map(({ priority, weight, port, name: target }) => ({
          type,
          priority,
          weight,
          port,
          target,
        }))
      case 'NAPTR':
        return (await this.#resolver.resolveNaptr(name)).map(record => ({ type, ...record }))
    }
  }
}

/** Where a name leads to in one family. Rejects when it leads nowhere. */
async function addressesOf(
  resolver: Resolver,
  hostsFile: string,
  name: string,
  type: 'A' | 'AAAA',
): Promise<readonly string[]> {
  const known = addressesInHosts(await readFile(hostsFile, 'utf8').catch(() => ''), name, type)
  if (known.length > 0) return known
  return type === 'A' ? resolver.resolve4(name) : resolver.resolve6(name)
}

/** The same for connections that Node.js opens: all addresses of a name, those of IPv4 first. Rejects when there are none. */
export async function hostAddresses(resolver: Resolver, name: string, hostsFile = '/etc/hosts'): Promise<string[]> {
  const found = await Promise.allSettled([
    addressesOf(resolver, hostsFile, name, 'A'),
    addressesOf(resolver, hostsFile, name, 'AAAA'),
  ])
  const addresses = found.flatMap(result => (result.status === 'fulfilled' ? result.value : []))
  if (addresses.length === 0) throw new Error(`${name} leads nowhere`)
  return addresses
}

/** The addresses of one family that a hosts file (hosts(5)) gives a name. */
export function addressesInHosts(text: string, name: string, type: 'A' | 'AAAA'): string[] {
  const wanted = name.toLowerCase().replace(/\.$/, '')
  return text.split('\n').flatMap(line => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    const fits = isIP(address) === (type === 'A' ? 4 : 6)
    return fits && names.some(known => known.toLowerCase() === wanted) ? [address] : []
  })
}
