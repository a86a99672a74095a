/** The one kind of error the storage layer throws; `code` says what an operator or the caller can do about it. */

export type StoreErrorCode =
  /** The database was written by a newer version than this one. */
  | 'newer-version'
  /** Another process has the data directory open. */
  | 'in-use'
  /** There is no database where one was asked for. */
  | 'missing'
  /** The database could not be opened, read or written. */
  | 'failed'
  /** A key, a value or a range that cannot be stored: a mistake of the caller. */
  | 'unsupported'

export class StoreError extends Error {
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'StoreError'
    this.code = code
  }
}
