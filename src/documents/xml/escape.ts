/** Text as it stands in XML 1.0: §2.2 characters, §2.4 markup, §3.3.3 white space in attributes. */

/** `text` as character data. What is no XML character becomes U+FFFD. */
export function escapeText(text: string): string {
  return /[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]/.test(text) ? escapeCharacters(text, false) : text
}

/** `text` as an attribute value, between quotes of either kind. White space other than blanks is kept by references. */
export function escapeAttribute(text: string): string {
  return /[&<>"'\x00-\x1f\ud800-\udfff\ufffe\uffff]/.test(text) ? escapeCharacters(text, true) : text
}

/** The same between double quotes, where apostrophes may stay: selectors have many. */
export function escapeQuoted(text: string): string {
  return /[&<>"\x00-\x1f\ud800-\udfff\ufffe\uffff]/.test(text) ? escapeAttribute(text).replaceAll('&#39;', "'") : text
}

function escapeCharacters(text: string, inAttribute: boolean): string {
  let escaped = ''
  // By code points, so that only a surrogate without its other half is seen as one.
  for (const character of text) escaped += escapeCharacter(character, inAttribute)
  return escaped
}

function escapeCharacter(character: string, inAttribute: boolean): string {
  switch (character) {
    case '&':
      return '&amp;'
    case '<':
      return '&lt;'
    case '>':
      return '&gt;'
    case '"':
      return inAttribute ? '&quot;' : character
    case "'":
      return inAttribute ? '&#39;' : character
    case '\r':
      return '&#13;'
    case '\n':
      return inAttribute ? '&#10;' : character
    case '\t':
      return inAttribute ? '&#9;' : character
  }
  const code = character.codePointAt(0)!
  const allowed = code >= 0x20 && !(code >= 0xd800 && code <= 0xdfff) && code !== 0xfffe && code !== 0xffff
  return allowed ? character : '\ufffd'
}
