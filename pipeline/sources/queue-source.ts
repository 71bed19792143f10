import type { Topic } from '../../schemas/topics.ts'
import { topics } from '../../schemas/topics.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { alertId, readAlert } from './alert-row.ts'
import { flowCompletionId, readFlowCompletion } from './flow-completion-row.ts'
import { shortened } from './shortened.ts'
import { mostRowBytes } from '../runtime/record-sizes.ts'

/** A row read as far as collect needs it. */
export interface Identified {
  readonly id: string
  /** Partition key in the raw topic. */
  readonly key: string
  readonly receivedAt: EpochMs
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
  /** Throws an Error whose text is the reason for a reject. */
  identify(org: string, row: unknown, readAt: EpochMs): Identified
  /** The JSON text of an identified row that is too large for the log, without what can be looked up. */
  shorten(row: unknown): string
}

export const flowCompletions: QueueSource = {
  queue: 'System.Flow.Completion',
  topic: topics.rawFlowCompletions,
  isPerClient: true,
  endsFlows: true,
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
  identify(org, row, readAt) {
    const alert = readAlert(row)
    return { id: alertId(org, row, alert), key: `${org}/${alert.name}`, receivedAt: alert.receivedAt ?? readAt }
  },
  shorten: (row) => shortened({ ...(row as Readonly<Record<string, unknown>>), _Shortened: true }, mostRowBytes),
}
