/** What is logged. */

import { oneOf, type RowsOf } from './row.ts'

export interface LogSettings {
  readonly level: 'error' | 'warning' | 'notice' | 'info' | 'debug'
}

export const logRows: RowsOf<'log', LogSettings> = {
  'log.level': {
    path: ['Vendor', 'Porchlight', 'Log', 'Level'],
    default: 'notice',
    meaning: 'least important kind of line that is logged',
    ...oneOf('error', 'warning', 'notice', 'info', 'debug'),
    effect: 'at once',
  },
}
