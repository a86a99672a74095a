/** What users of the library import. */

export { applyStateRequests, Decompressor } from './decompressor.ts'
export { presenceDictionary, sipDictionary } from './dictionaries.ts'
export { DecompressionFailure } from './failure.ts'
export { isSigComp } from './message.ts'
export { isNack, readNack, writeNack } from './nack.ts'
export { markRecord, RecordMarking } from './record-marking.ts'
