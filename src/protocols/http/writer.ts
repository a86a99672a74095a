/** Writes HTTP/1.1 responses (RFC 9112 §4). */

import type { HttpResponse } from './message.ts'

const reasons: Readonly<Record<number, string | undefined>> = {
  100: 'Continue',
  200: 'OK',
  201: 'Created',
  206: 'Partial Content',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  507: 'Insufficient Storage',
  508: 'Loop Detected',
}

export interface ResponseContext {
  /** The Date field's value (RFC 9110 §6.6.1). */
  readonly date: string
  /** Whether the request was HEAD, whose answer has no body. */
  readonly isHead: boolean
  /** Whether the connection stays. */
  readonly keepsConnection: boolean
}

/**
 * A response as it goes out, header and body together so that one write sends them; a header alone as a text of Latin-1, which
 * a socket writes without a buffer around it.
 */
export function writeResponse({ status, headers, body }: HttpResponse, context: ResponseContext): Buffer | string {
  let text = `HTTP/1.1 ${status} ${reasons[status] ?? 'Unknown'}\r\nDate: ${context.date}\r\n`
  for (const name in headers) {
    const value = headers[name]!
    if (typeof value === 'string') text += `${name}: ${fieldValue(value)}\r\n`
    else for (const each of value) text += `${name}: ${fieldValue(each)}\r\n`
  }
  const octets = body?.length ?? 0
  if (status !== 304) text += `Content-Length: ${octets}\r\n`
  text += context.keepsConnection ? '\r\n' : 'Connection: close\r\n\r\n'
  if (octets === 0 || context.isHead || status === 304) return text
  const response = Buffer.allocUnsafe(text.length + octets)
  response.write(text, 0, 'latin1')
  response.set(body!, text.length)
  return response
}

/** RFC 9110 §5.5: whoever has written a value, it ends no line, also not when its characters are cut down to those of Latin-1. */
function fieldValue(value: string): string {
  return /[^\t\x20-\x7e\x80-\xff]/.test(value) ? value.replace(/[^\t\x20-\x7e\x80-\xff]/g, '?') : value
}

export const continueResponse = 'HTTP/1.1 100 Continue\r\n\r\n'
