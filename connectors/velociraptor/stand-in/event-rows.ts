import type { EpochMs } from '../../../schemas/time.ts'
import { splitMembers } from '../split-rows.ts'
import { completionFlow, isPlain, textOf, type Plain } from './defaults.ts'
import { goTime, momentNs, timeField } from './moments.ts'
import { flowOf, splitQueue, type StandInOrg, type StoredRow } from './organisation.ts'
import { fromPlain, integer, reparsed, toJson, writeMoment, type Row, type Value } from './vql/values.ts'

/** A row that comes into a queue. */
export interface EventRow {
  /** Without `_ts` and `_Source`. */
  readonly row: Row
  /** What its `_ts` says, or else when it came. */
  readonly at: EpochMs
  /** Its `_Source`, if it has one. */
  readonly source?: string
}

/** A line of a log as a scenario writes it. */
export interface StandInLogLine {
  readonly level: string
  readonly message: string
  /** Client clock, s; default: when it is stored. */
  readonly client_time?: unknown
}

const ownTimes = ['create_time', 'start_time', 'active_time']

/** A row given as plain data that comes at `at`. Its own time, and the `Flow` of a completion, are filled in where left out. */
export const plainEvent = (org: StandInOrg, queue: string, given: Plain, at: EpochMs, t0: EpochMs): EventRow => {
  const { _ts, _Source, ...row } = withOwnTime(queue, given, at, t0)
  const flow =
    queue === 'System.Flow.Completion' && !('Flow' in row)
      ? flowOf(org, textOf(row['ClientId']), textOf(row['FlowId']), t0)
      : undefined
  const columns = Object.entries(flow === undefined ? row : withFlow(row, flow))
  return {
    row: new Map(columns.map(([key, value]) => [key, { kind: 'json', text: columnJson(queue, key, value) }])),
    at: ownTime(timeField(_ts, 's', t0), at),
    ...(typeof _Source === 'string' ? { source: _Source } : {}),
  }
}

/** A row given as the text of a JSON object, each column's text untouched, that comes at `at`. */
export const verbatimEvent = (text: string, at: EpochMs): EventRow => {
  const row = new Map<string, Value>()
  for (const [key, json] of splitMembers(text)) row.set(key, { kind: 'json', text: json })
  const own = row.get('_ts')
  const source = row.get('_Source')
  row.delete('_ts')
  row.delete('_Source')
  return {
    row,
    at: own === undefined ? at : ownTime(JSON.parse(toJson(own)), at),
    ...(source === undefined ? {} : { source: String(JSON.parse(toJson(source))) }),
  }
}

const withFlow = (row: Plain, flow: Plain): Plain => {
  const { Timestamp, ...rest } = row
  return { Timestamp, Flow: completionFlow(flow), ...rest }
}

/** The row's own time, from `at` where left out, and moments read where the row's shape has times. */
const withOwnTime = (queue: string, given: Plain, at: EpochMs, t0: EpochMs): Plain => {
  const row: Record<string, unknown> = {}
  const stamped = isCompletion(queue) || queue === 'System.Hunt.Creation'
  if (stamped && !('Timestamp' in given)) row['Timestamp'] = Math.floor(at / 1000)
  for (const [key, value] of Object.entries(given)) {
    if (key === 'Timestamp') row[key] = stamped ? timeField(value, 's', t0) : value
    else if (key === 'Flow' && isPlain(value))
      row[key] = Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, ownTimes.includes(name) ? timeField(item, 'us', t0) : item]),
      )
    else row[key] = value
  }
  if (queue !== 'Server.Internal.Alerts') return row
  const moment = 'timestamp' in row ? row['timestamp'] : 'T'
  const ns = typeof moment === 'string' ? momentNs(moment, moment === 'T' && !('timestamp' in row) ? at : t0) : null
  return ns === null
    ? row
    : { ...row, timestamp: typeof moment === 'string' && !moment.startsWith('T') ? moment : writeMoment(ns) }
}

// The server's encoder for hunts alone leaves <, > and & as they are.
const columnJson = (queue: string, key: string, value: unknown): string => {
  const text = toJson(fromPlain(value))
  return queue === 'System.Hunt.Creation' && key === 'Hunt'
    ? text.replace(/\\u00(3c|3e|26)/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    : text
}

/** What a row's `_ts` means: seconds, or milliseconds when it is too large for seconds; `at` when it says nothing, or no more than `at` in whole seconds. */
const ownTime = (own: unknown, at: EpochMs): EpochMs => {
  const seconds = Number(own)
  if (own === undefined || own === null || !Number.isFinite(seconds)) return at
  return seconds > 20_000_000_000 ? seconds : Math.floor(at / 1000) === seconds ? at : seconds * 1000
}

/** The client that a row names, or else `server`. */
export const clientOf = (row: Row): string => {
  const found = row.get('ClientId')
  return found === undefined ? 'server' : textOf(JSON.parse(toJson(found)))
}

/** Whether a query of a server event artifact made a row: of its own queue, or an alert. */
export const isOfServerArtifact = (org: StandInOrg, queue: string, row: Row): boolean => {
  if (queue === 'Server.Internal.Alerts') return toJson(row.get('artifact_type') ?? null) === '"SERVER_MONITORING"'
  const artifact = org.artifacts.get(splitQueue(queue)[0])
  return artifact?.['type'] === 'server_event' && artifact['built_in'] !== true
}

/** Queues whose rows a minion passes on without storing them, and which older servers keep elsewhere. */
export const isCompletion = (queue: string): boolean => /^System\.(Flow|Upload)\.Completion$/.test(queue)

/** Who writes a queue whose artifact has the type, as `_Source` says when it is read back. */
export const writerOf = (queue: string, type: string, row: Row, client: string): string => {
  if (queue === 'Server.Internal.Alerts') return ''
  if (queue === 'Server.Audit.Logs') return textOf(JSON.parse(toJson(row.get('principal') ?? '')))
  if (queue.startsWith('System.')) return 'server'
  return type === 'client_event' ? client : 'VelociraptorServer'
}

/** What was stored, as it is read back: parsed, and behind its columns `_Source` (where the row says it) and `_ts` in ms. */
export const reread = ({ row, writer, at }: StoredRow): Row => {
  const read = new Map(reparsed(row))
  if (writer !== null) read.set('_Source', writer)
  return read.set('_ts', at)
}

/** A line of a log as it is stored at `at`: of the server with its time as text, of a client with the client's in s; `_ts` in ms. */
export const logRow = (
  client: string,
  { level, message, client_time }: StandInLogLine,
  at: EpochMs,
  t0: EpochMs,
): StoredRow => ({
  at,
  writer: '',
  row: new Map<string, Value>(
    client === 'server'
      ? [
          ['Timestamp', goTime(at)],
          ['Level', level],
          ['Message', message],
          ['_ts', at],
        ]
      : [
          ['client_time', fromPlain(timeField(client_time ?? integer(BigInt(Math.floor(at / 1000))), 's', t0))],
          ['level', level],
          ['message', message],
          ['_ts', at],
        ],
  ),
})
