/** Settings given on the command line: `--set NAME=VALUE`. */

import { type Overrides, parseSetting, SettingError, settingName } from '../settings.ts'
import { UsageError } from './arguments.ts'

/** The later of two for one name holds. Throws UsageError. */
export function overridesOf(given: readonly string[]): Overrides {
  return new Map(
    given.map(text => {
      const equals = text.indexOf('=')
      if (equals < 1) throw new UsageError(`--set takes NAME=VALUE, not '${text}'`)
      try {
        const name = settingName(text.slice(0, equals))
        return [name, parseSetting(name, text.slice(equals + 1))] as const
      } catch (error) {
        if (error instanceof SettingError) throw new UsageError(`--set: ${error.message}`)
        throw error
      }
    }),
  )
}
