import type { EpochMs } from '../../schemas/time.ts'
import { idOf, receivedAtOf, rowFields, timeOf } from './row-values.ts'

/** What identifies a row of System.Flow.Completion. */
export interface FlowCompletionRow {
  readonly client: string
  readonly flow: string
  /** Epoch ms of the completion by the row; null when it has none. */
  readonly timestamp: EpochMs | null
  /** Epoch ms at which the server received it; null when the row does not say. */
  readonly receivedAt: EpochMs | null
}

/** Reads a parsed row. Throws an Error whose text is the reason for a reject. */
export const readFlowCompletion = (row: unknown): FlowCompletionRow => {
  const fields = rowFields(row)
  return {
    client: idOf(fields, 'ClientId'),
    flow: idOf(fields, 'FlowId'),
    timestamp: timeOf(fields, 'Timestamp', (s) => Math.floor(s) * 1000),
    receivedAt: receivedAtOf(fields),
  }
}

/** The natural key: what comes from the source twice has the same. */
export const flowCompletionId = (org: string, row: FlowCompletionRow, receivedAt: EpochMs): string =>
  `${org}/${row.client}/${row.flow}/${Math.floor((row.timestamp ?? receivedAt) / 1000)}`
