/** AttValue of XML 1.0 §2.3 as XCAP carries it: in node selectors, and quoted as the body of an attribute (RFC 4825 §6.3, §7.7). */

/** What an attribute value without its quotes means, normalized (XML 1.0 §3.3.3); undefined when it is none. */
export function attributeText(written: string): string | undefined {
  if (/[<\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(written)) return undefined
  const normal = written.replace(/\r\n|[\t\n\r]/g, ' ')
  if (!normal.includes('&')) return normal
  let isWrong = false
  const text = normal.replace(/&(?:([a-z]+)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));|&/g, (_, entity, decimal, hex) => {
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    const character = entity === undefined ? characterOf(code) : entities[entity as string]
    if (character === undefined) isWrong = true
    return character ?? ''
  })
  return isWrong ? undefined : text
}

const entities: Readonly<Record<string, string | undefined>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

/** XML 1.0 §2.2. */
function characterOf(code: number): string | undefined {
  const isCharacter =
    code === 0x9 ||
    code === 0xa ||
    code === 0xd ||
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x10000 && code <= 0x10ffff)
  return isCharacter ? String.fromCodePoint(code) : undefined
}
