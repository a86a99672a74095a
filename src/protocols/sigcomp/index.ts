/** What users of the library import. */

export { presenceDictionary, sipDictionary } from './dictionaries.ts'
export { type EndpointOptions, type Reception, SigCompEndpoint, sipOptions } from './endpoint.ts'
export { DecompressionFailure, type Reason } from './failure.ts'
export { isSigComp, uncompressedMessage } from './message.ts'
export type { Nack } from './nack.ts'
export { markRecord, RecordMarking } from './record-marking.ts'
