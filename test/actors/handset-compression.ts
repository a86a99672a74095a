/** How much a handset of these tests gives for compression: the least that RFC 5049 §4 allows, but for its state memory. */

import { limits } from '../../src/limits.ts'
import { sipOptions } from '../../src/protocols/sigcomp/index.ts'
import type { CompressionOptions } from '../../src/protocols/sip-sigcomp/compression.ts'

export const handsetCompression: CompressionOptions = {
  endpoint: { ...sipOptions, stateMemorySize: 8192 },
  limits: { ...limits.sigcomp, compartments: 4 },
}
