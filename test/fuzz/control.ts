/** The control socket's framing and requests, and what a person may type as settings. */

import { LineReader, parseRequest } from '../../src/platform/control-socket.ts'
import { parseSetting, SettingError, settingName, settingNames } from '../../src/settings.ts'
import type { FuzzTarget } from './run.ts'

export const targets: readonly FuzzTarget[] = [
  {
    name: 'control socket',
    seeds: [Buffer.from('{"command":"user add","arguments":{"address":"alice","password":"x"}}\n{"command":')],
    run(bytes) {
      const whole = new LineReader(1000).push(Buffer.from(bytes))
      for (const line of whole ?? []) parseRequest(line)
      // Octet by octet the same lines come out, until one is too long.
      const reader = new LineReader(1000)
      const lines: string[] = []
      for (const octet of bytes) {
        const more = reader.push(Buffer.from([octet]))
        if (more === undefined) break
        lines.push(...more)
      }
      if (whole !== undefined && whole.join('\n') !== lines.join('\n')) throw new Error('cut elsewhere, read otherwise')
    },
  },
  {
    name: 'settings',
    seeds: ['0.0.0.0:5060,[::1]:5061', 'box.example', '3600', 'true', 'polite-block', 'sip.udp'].map(text =>
      Buffer.from(text),
    ),
    run(bytes) {
      const text = Buffer.from(bytes).toString('utf8')
      for (const name of settingNames) refusing(() => parseSetting(name, text))
      refusing(() => settingName(text))
    },
  },
]

function refusing(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof SettingError)) throw error
  }
}
