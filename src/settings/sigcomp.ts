/** Compression of SIP (RFC 5049): what a handset may cost. */

import type { RowsOf } from './row.ts'

const sigcompMemory = {
  format: 'int',
  unit: 'octets',
  allowed: '8192, 16384, 32768, 65536 or 131072',
  isAllowed: (octets: number): boolean => isPowerOf2(octets, 8192, 131_072),
  effect: 'at the next start',
} as const

function isPowerOf2(value: number, least: number, most: number): boolean {
  return value >= least && value <= most && Number.isInteger(Math.log2(value))
}

export interface SigcompSettings {
  readonly enabled: boolean
  readonly decompressionMemory: number
  readonly stateMemory: number
  readonly cyclesPerBit: number
  readonly compartments: number
}

export const sigcompRows: RowsOf<'sigcomp', SigcompSettings> = {
  'sigcomp.enabled': {
    path: ['Vendor', 'Porchlight', 'SigComp', 'Enabled'],
    format: 'bool',
    default: true,
    meaning: 'whether SIP is compressed with those who ask for it (SigComp)',
    allowed: 'true or false',
    effect: 'at the next start',
  },
  'sigcomp.decompressionMemory': {
    ...sigcompMemory,
    path: ['Vendor', 'Porchlight', 'SigComp', 'DecompressionMemory'],
    default: 8192,
    meaning: 'decompression memory that handsets are offered',
  },
  'sigcomp.stateMemory': {
    ...sigcompMemory,
    path: ['Vendor', 'Porchlight', 'SigComp', 'StateMemory'],
    default: 8192,
    meaning: 'memory kept for each handset that compresses, which makes its next messages shorter',
    allowed: '2048, 4096, 8192, 16384, 32768, 65536 or 131072',
    isAllowed: octets => isPowerOf2(octets, 2048, 131_072),
  },
  'sigcomp.cyclesPerBit': {
    path: ['Vendor', 'Porchlight', 'SigComp', 'CyclesPerBit'],
    format: 'int',
    default: 16,
    meaning: 'how much work one bit of a compressed message may cause',
    allowed: '16, 32, 64 or 128',
    isAllowed: cycles => isPowerOf2(cycles, 16, 128),
    effect: 'at the next start',
  },
  'sigcomp.compartments': {
    path: ['Vendor', 'Porchlight', 'SigComp', 'Compartments'],
    format: 'int',
    default: 1000,
    meaning: 'handsets that state memory is kept for; the one not heard of for longest gives way to another',
    allowed: 'a number from 1 to 100000',
    isAllowed: count => count >= 1 && count <= 100_000,
    effect: 'at the next start',
  },
}
