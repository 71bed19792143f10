import type { ConnectorErrorCode } from '../../errors.ts'
import type { EpochMs } from '../../../schemas/time.ts'
import type { Table } from './committer.ts'
import type { Flight } from './flight.ts'

/** What the committing thread is given when it starts. */
export interface CommitTask {
  readonly file: string
  /** The table of each slot. */
  readonly tables: readonly Table[]
  /** The stored number of the topic at each index. */
  readonly topicIds: readonly number[]
}

/** What it is asked, answered in this order. */
export type Request =
  | {
      readonly kind: 'write'
      readonly flight: Flight
      readonly time: EpochMs
      /** For tests: run before the transaction. */
      readonly statements: readonly string[]
    }
  /** Say from now on when another connection changed the file. */
  | { readonly kind: 'watch' }
  | { readonly kind: 'close' }

export interface WrittenReply {
  readonly kind: 'written'
  /** For each write why nothing of it was kept; null: all of it was. */
  readonly failures: readonly ({ readonly code: ConnectorErrorCode; readonly message: string } | null)[]
  /** The offsets of all records kept, in order. */
  readonly offsets: Float64Array<ArrayBuffer>
  /** Its memory, to be used again. */
  readonly flight: Flight
}

/** What it says. */
export type Reply = WrittenReply | { readonly kind: 'changed' }
