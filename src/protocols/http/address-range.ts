/** Ranges of IP addresses, as operators write them: one address, or a prefix with its length (RFC 4632 §3.1, RFC 4291 §2.3). */

interface Bits {
  readonly value: bigint
  readonly width: 32 | 128
}

/** Whether a numeric address is in a range. An address of IPv4 in the form mapped to IPv6 is that of IPv4. */
export function isWithin(address: string, range: string): boolean {
  const [network = '', length] = range.split('/')
  const [a, b] = [bitsOf(address), bitsOf(network)]
  if (a === undefined || b === undefined || a.width !== b.width) return false
  const shift = BigInt(b.width - (length === undefined ? b.width : Number(length)))
  return a.value >> shift === b.value >> shift
}

function bitsOf(address: string): Bits | undefined {
  const v4 = ipv4(address)
  if (v4 !== undefined) return { value: v4, width: 32 }
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return bitsOf(mapped)
  const value = ipv6(address)
  return value === undefined ? undefined : { value, width: 128 }
}

function ipv4(text: string): bigint | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number)
  if (parts === undefined || parts.some(part => part > 255)) return undefined
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n)
}

function ipv6(text: string): bigint | undefined {
  if (!URL.canParse(`http://[${text}]`)) return undefined
  // In the one form that there is of it: groups in hexadecimal, the longest run of zeros left out.
  const [head = '', tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::')
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const [first, last] = [groups(head), groups(tail ?? '')]
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => '0'), ...last]
  return all.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n)
}
