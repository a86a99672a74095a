/** Addresses, names and roots as settings are written. */

export interface ListeningAddress {
  readonly address: string
  readonly port: number
}

/** Reads `ADDRESS:PORT`, several separated by commas; IPv6 addresses in brackets, which are taken off. Undefined if malformed. */
export function listeningAddresses(text: string): ListeningAddress[] | undefined {
  const found: ListeningAddress[] = []
  for (const part of text.split(',').map(part => part.trim())) {
    if (part === '') continue
    const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(part)
    if (match === null) return undefined
    const [, v6, v4, port] = match
    if (v6 === undefined ? !isIPv4(v4!) : !isIPv6(v6)) return undefined
    if (Number(port) > 65_535) return undefined
    found.push({ address: v6 ?? v4!, port: Number(port) })
  }
  return found
}

/** One address, or a prefix with its length. */
export function isAddressRange(text: string): boolean {
  const [, address = '', length = '0'] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  return isIPv4(address) ? Number(length) <= 32 : isIPv6(address) && Number(length) <= 128
}

export function isXcapRoot(text: string): boolean {
  return /^https?:\/\/[^\s/?#,"]+(?:\/[^\s?#,"]*[^\s/?#,"])?$/.test(text) && URL.canParse(text)
}

export function isDomainName(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(text)
}

export function isHost(text: string): boolean {
  return isDomainName(text.toLowerCase()) || isIPv6(text)
}

function isIPv4(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split('.').every(part => Number(part) <= 255)
}

function isIPv6(text: string): boolean {
  return /^[0-9A-Fa-f:.]+(%[\w.-]+)?$/.test(text) && URL.canParse(`http://[${text.replace(/%.*/, '')}]`)
}
