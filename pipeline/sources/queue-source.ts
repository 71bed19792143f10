import type { Topic } from '../../schemas/topics.ts'
import { topics } from '../../schemas/topics.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { alertId, readAlert } from './alert-row.ts'
import { flowCompletionId, readFlowCompletion } from './flow-completion-row.ts'
import { queueRowId, readQueueRow } from './queue-row.ts'
import { shortened } from './shortened.ts'
import { contentHash } from './substance.ts'
import { mostRowBytes } from '../runtime/record-sizes.ts'

/** A row read as far as collect needs it. */
export interface Identified {
  readonly id: string
  /** Partition key in the raw topic. */
  readonly key: string
  readonly receivedAt: EpochMs
  /** Of a row without a natural key. */
  readonly equal?: {
    /** Which of equal rows it is, from 0. */
    readonly copy: number
    /** The id that an equal row has some seconds later, by its number. */
    readonly idOf: (copy: number, seconds: number) => string
  }
}

/** An event queue that collect reads. */
export interface QueueSource {
  /** Full artifact name. */
  readonly queue: string
  readonly topic: Topic
  /** Stored per client, so that history is read client by client. */
  readonly isPerClient: boolean
  /** Its rows say that flows have ended, so that a flow without one can be found. */
  readonly endsFlows?: true
  /** The server keeps none of its rows: what is not heard live is lost. Known once the server was asked. */
  readonly isLiveOnly?: true
  /** The server may have no such queue: it is looked for again and again, in a stream of its own. */
  readonly mayBeMissing: boolean
  /** Its rows have no natural key: equal ones are told apart by their number. */
  readonly hasEqualRows: boolean
  /** `copy`: which of equal rows it is, from 0. Throws an Error whose text is the reason for a reject. */
  identify(org: string, row: unknown, readAt: EpochMs, copy?: number): Identified
  /** The JSON text of an identified row that is too large for the log, without what can be looked up. */
  shorten(row: unknown): string
}

export const flowCompletions: QueueSource = {
  queue: 'System.Flow.Completion',
  topic: topics.rawFlowCompletions,
  isPerClient: true,
  endsFlows: true,
  mayBeMissing: false,
  hasEqualRows: false,
  identify(org, row, readAt) {
    const completion = readFlowCompletion(row)
    const receivedAt = completion.receivedAt ?? readAt
    return { id: flowCompletionId(org, completion, receivedAt), key: `${org}/${completion.client}`, receivedAt }
  },
  shorten(row) {
    const { ClientId, FlowId, Timestamp, _ts } = row as Readonly<Record<string, unknown>>
    return JSON.stringify({ ClientId, FlowId, Timestamp, _ts })
  },
}

export const alerts: QueueSource = {
  queue: 'Server.Internal.Alerts',
  topic: topics.rawAlerts,
  isPerClient: false,
  mayBeMissing: false,
  hasEqualRows: false,
  identify(org, row, readAt) {
    const alert = readAlert(row)
    return { id: alertId(org, row, alert), key: `${org}/${alert.name}`, receivedAt: alert.receivedAt ?? readAt }
  },
  shorten: (row) => shortened({ ...(row as Readonly<Record<string, unknown>>), _Shortened: true }, mostRowBytes),
}

/** Any other queue. Whether it is kept by client is the server's knowledge, so its history is read in both places. */
export const anyQueue = (queue: string): QueueSource => ({
  queue,
  topic: topics.rawQueueEvents,
  isPerClient: true,
  mayBeMissing: true,
  hasEqualRows: true,
  identify(org, row, readAt, copy = 0) {
    const { client, receivedAt: said } = readQueueRow(row)
    const receivedAt = said ?? readAt
    const substance = contentHash(row)
    const idOf = (number: number, seconds: number): string =>
      queueRowId(org, { client, queue, substance, copy: number, receivedAt: receivedAt + seconds * 1000 })
    return { id: idOf(copy, 0), key: `${org}/${queue}`, receivedAt, equal: { copy, idOf } }
  },
  shorten: (row) => shortened({ ...(row as Readonly<Record<string, unknown>>), _Shortened: true }, mostRowBytes),
})
