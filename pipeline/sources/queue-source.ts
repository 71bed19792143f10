import { exactJson } from '../../connectors/velociraptor/exact-json.ts'
import type { LogLine } from '../../operators/log-table.ts'
import type { Pattern } from '../../schemas/pattern.ts'
import type { Topic } from '../../schemas/topics.ts'
import { topics } from '../../schemas/topics.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { alertId, alertKey, readAlert } from './alert-row.ts'
import { flowCompletionId, readFlowCompletion } from './flow-completion-row.ts'
import { logRowId, readLogRow } from './log-row.ts'
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
  /** Full artifact name of a row of logs, which hold those of many. */
  readonly queue?: string
  /** Of a row that says that a flow has ended. */
  readonly ended?: FlowEnd
  /** Of a row without a natural key. */
  readonly equal?: {
    /** Which of equal rows it is, from 0. */
    readonly copy: number
    /** The id that an equal row has some seconds later, by its number. */
    readonly idOf: (copy: number, seconds: number) => string
  }
}

/** That a flow has ended, by the time of its completion. */
export interface FlowEnd {
  readonly client: string
  readonly flow: string
  readonly at: EpochMs
}

/** Whether a monitor looks for a line, as far as can be said of it before it is an event. */
export interface LogSelection {
  /** Whether any row of its table may be of this artifact, named with its source. */
  concerns(artifact: string): boolean
  /** Patterns of levels; a line of another level is not looked for. */
  readonly levels: readonly Pattern[]
  selects(line: LogLine): boolean
}

/** How logs are read: nobody can watch them, so in rounds. */
export interface LogReading {
  readonly of: 'server' | 'client'
  /** Least time from the begin of a round to that of the next, ms. */
  readonly periodMs: number
  /** What monitors look for: no other line becomes an event. */
  readonly selections: readonly LogSelection[]
}

/** An event queue that collect reads, or the logs of event artifacts. */
export interface QueueSource {
  /** Full artifact name; of logs their own. */
  readonly queue: string
  /** They are logs. */
  readonly logs?: LogReading
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
    const { client, flow, timestamp } = completion
    const receivedAt = completion.receivedAt ?? readAt
    const id = flowCompletionId(org, completion, receivedAt)
    return { id, key: `${org}/${client}`, receivedAt, ended: { client, flow, at: timestamp ?? receivedAt } }
  },
  shorten(row) {
    const { ClientId, FlowId, Timestamp, _ts } = row as Readonly<Record<string, unknown>>
    return exactJson({ ClientId, FlowId, Timestamp, _ts })
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
    return { id: alertId(org, row, alert), key: alertKey(org, alert.name), receivedAt: alert.receivedAt ?? readAt }
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

/** A source that reads logs. */
export type LogSource = QueueSource & { readonly logs: LogReading }

const logTopics = { server: topics.rawServerLogs, client: topics.rawClientLogs }

/** The logs of event artifacts, of those that run on the server or of those that run on clients. */
export const logSource = (logs: LogReading): LogSource => ({
  queue: `${logs.of} logs`,
  logs,
  topic: logTopics[logs.of],
  isPerClient: logs.of === 'client',
  mayBeMissing: false,
  hasEqualRows: true,
  identify(org, row, _readAt, copy = 0) {
    const line = readLogRow(row)
    const { artifact, storedAt } = line
    return { id: logRowId(org, row, line, copy), key: `${org}/${artifact}`, receivedAt: storedAt, queue: artifact }
  },
  shorten: (row) => shortened({ ...(row as Readonly<Record<string, unknown>>), _Shortened: true }, mostRowBytes),
})

/** Several monitors read the same logs in the same rounds: as often as the most impatient one asks. */
export const logsTogether = (all: readonly LogSource[]): readonly LogSource[] =>
  [...Map.groupBy(all, ({ logs }) => logs.of)].map(([of, sources]) =>
    logSource({
      of,
      periodMs: Math.min(...sources.map(({ logs }) => logs.periodMs)),
      selections: sources.flatMap(({ logs }) => logs.selections),
    }),
  )
