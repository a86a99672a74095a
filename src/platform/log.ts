/**
 * The log: one line per event, for a technician on a terminal or, under systemd, JSON behind the `<priority>` prefix that
 * the journal understands (sd-daemon(3)).
 */

import { fstatSync } from 'node:fs'

export type LogLevel = 'error' | 'warning' | 'notice' | 'info' | 'debug'
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/** Priorities of syslog (RFC 5424 §6.2.1). */
const priorities: Readonly<Record<LogLevel, number>> = { error: 3, warning: 4, notice: 5, info: 6, debug: 7 }

export interface LastError {
  readonly at: string
  readonly message: string
}

export class Log {
  /** The latest line of level error, for `status`. */
  lastError: LastError | undefined
  #least: number
  readonly #write: (line: string) => void
  readonly #journal: boolean

  constructor(options: { level: LogLevel; journal?: boolean; write?: (line: string) => void }) {
    this.#least = priorities[options.level]
    this.#journal = options.journal ?? underJournal()
    this.#write = options.write ?? (line => process.stderr.write(line))
  }

  set level(level: LogLevel) {
    this.#least = priorities[level]
  }

  error(message: string, fields?: LogFields): void {
    this.lastError = { at: new Date().toISOString(), message: format(message, fields) }
    this.#line('error', message, fields)
  }

  warning(message: string, fields?: LogFields): void {
    this.#line('warning', message, fields)
  }

  notice(message: string, fields?: LogFields): void {
    this.#line('notice', message, fields)
  }

  info(message: string, fields?: LogFields): void {
    this.#line('info', message, fields)
  }

  debug(message: string, fields?: LogFields): void {
    this.#line('debug', message, fields)
  }

  /** A fault of our own: `where` it happened and what was thrown, with its stack at level debug. */
  fault(where: string, error: unknown): void {
    this.error(`fault in ${where}: ${error instanceof Error ? error.message : String(error)}`, {
      at: error instanceof Error ? error.stack?.split('\n')[1]?.trim() : undefined,
    })
    if (error instanceof Error && error.stack) this.debug(error.stack)
  }

  /** A trouble that the operator should know of has begun, or with `text` undefined is over. */
  alarm(name: string, text: string | undefined): void {
    if (text === undefined) this.notice(`alarm cleared: ${name}`)
    else this.warning(`alarm: ${name}: ${text}`)
  }

  #line(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (priorities[level] > this.#least) return
    this.#write(
      this.#journal
        ? `<${priorities[level]}>${JSON.stringify({ message, ...fields })}\n`
        : `${new Date().toTimeString().slice(0, 8)} ${level.padEnd(7)} ${format(message, fields)}\n`,
    )
  }
}

/** `message name=value name="two words"`, on one line: what peers sent cannot forge a line of its own. */
function format(message: string, fields: LogFields = {}): string {
  let text = printable(message)
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    const written = String(value)
    text += ` ${name}=${/^[^\s"=\x00-\x1f\x7f-\x9f]+$/.test(written) ? written : JSON.stringify(printable(written))}`
  }
  return text
}

function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, character => (character === '\n' ? ' | ' : ' '))
}

/** True when standard error is the journal's socket (systemd.exec(5), JOURNAL_STREAM). */
export function underJournal(): boolean {
  const stream = process.env.JOURNAL_STREAM
  if (stream === undefined) return false
  const { dev, ino } = fstatSync(2)
  return stream === `${dev}:${ino}`
}
