/** Tables as text (CSV, RFC 4180): quotes may hold separators, line breaks and doubled quotes. Spreadsheets begin with a mark, some write semicolons. */

/** A text that is no CSV; the message begins with the number of the line. */
export class CsvError extends Error {
  override readonly name = 'CsvError'
}

/**
 * The records of a text, without empty ones, each with the number of the line it begins at. Space around a field without quotes
 * does not count. Throws CsvError.
 */
export function* csvRecords(
  text: string,
  separator: ',' | ';' = ',',
): Iterable<{ readonly line: number; readonly fields: string[] }> {
  let line = 1
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0
  while (at < text.length) {
    const start = line
    const fields: string[] = []
    for (;;) {
      let field = ''
      if (text[at] === '"') {
        const from = line
        for (at++; ; at++) {
          if (at >= text.length) throw new CsvError(`line ${from}: a quote is not closed`)
          if (text[at] === '"') {
            if (text[at + 1] !== '"') break
            at++
          }
          if (text[at] === '\n') line++
          field += text[at]
        }
        at++
        if (at < text.length && text[at] !== separator && text[at] !== '\r' && text[at] !== '\n')
          throw new CsvError(`line ${from}: text follows a closing quote`)
      } else {
        const end = endOfField(text, at, separator)
        field = text.slice(at, end).trim()
        at = end
      }
      fields.push(field)
      if (text[at] !== separator) break
      at++
    }
    if (text[at] === '\r') at++
    if (text[at] === '\n') at++
    line++
    if (fields.length > 1 || fields[0] !== '') yield { line: start, fields }
  }
}

function endOfField(text: string, start: number, separator: string): number {
  let at = start
  while (at < text.length && text[at] !== separator && text[at] !== '\n' && text[at] !== '\r') at++
  return at
}
