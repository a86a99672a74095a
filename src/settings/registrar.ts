/** Lifetimes of registrations (RFC 3261 §10), and what a registration may ask for. */

import { type RowsOf, seconds, wholeNumber } from './row.ts'

export interface RegistrarSettings {
  readonly defaultSeconds: number
  readonly minSeconds: number
  readonly maxSeconds: number
  readonly pathMustBeSupported: boolean
}

export const registrarRows: RowsOf<'registrar', RegistrarSettings> = {
  'registrar.defaultSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Registrar', 'DefaultExpires'],
    default: 3600,
    meaning: 'lifetime of a registration that asks for none',
    ...wholeNumber(1, 2_147_483),
  },
  'registrar.minSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Registrar', 'MinExpires'],
    default: 60,
    meaning: 'shortest lifetime of a registration; a shorter one is refused with 423',
    ...wholeNumber(0, 3600),
  },
  'registrar.maxSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Registrar', 'MaxExpires'],
    default: 86_400,
    meaning: 'longest lifetime granted to a registration',
    ...wholeNumber(1, 2_147_483),
  },
  'registrar.pathMustBeSupported': {
    path: ['Vendor', 'Porchlight', 'Registrar', 'PathMustBeSupported'],
    format: 'bool',
    default: true,
    meaning: 'whether a registration with a Path is refused with 420 when its client does not support path',
    allowed: 'true or false',
    effect: 'at once',
  },
}
