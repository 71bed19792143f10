import type { EpochMs } from '../../schemas/time.ts'
import type { TableEntry } from './event-tables.ts'
import { wholeMs } from './history-query.ts'
import type { PreparedQuery } from './watch-query.ts'

export interface LogsRange {
  /** Artifacts with their sources, and the label that a client must carry; empty: any. */
  readonly entries: readonly TableEntry[]
  /** Inclusive; the server's time of storing. */
  readonly fromMs: EpochMs
  /** Pattern of the levels that are wanted; null: all. */
  readonly levels: string | null
}

const hour = 3_600_000

const envOf = ({ entries, fromMs, levels }: LogsRange): Readonly<Record<string, string>> => ({
  Wanted: JSON.stringify(entries.map(({ artifact, label }) => ({ Name: artifact, Label: label }))),
  FromMs: wholeMs(fromMs),
  ...(levels === null ? {} : { Levels: levels }),
})

/** The lines that server event artifacts logged since `fromMs`; rows carry `_ts` in ms, `_Client` and `_Queue`, the artifact with its source. */
export const serverLogsQuery = (range: LogsRange): PreparedQuery => ({
  vql:
    'SELECT * FROM foreach(row={ SELECT Name FROM parse_json_array(data=Wanted) }, ' +
    "query={ SELECT *, 'server' AS _Client, Name AS _Queue FROM monitoring_logs(client_id='server', artifact=Name, start_time=FromMs)" +
    `${range.levels === null ? '' : ' WHERE Level =~ Levels'} })`,
  env: envOf(range),
})

// The server writes down with delay when it heard from whom.
const heardOf = 'SELECT client_id AS CId, labels AS Labels FROM clients() WHERE last_seen_at > int(int=SeenSinceUs)'
const heardEnv = (fromMs: EpochMs): Readonly<Record<string, string>> => ({
  SeenSinceUs: `${wholeMs(fromMs - hour)}000`,
})

/** A client that lines may be of, as `heardClientsQuery` gives it. */
export interface HeardClient {
  readonly CId: string
  readonly Labels: unknown
}

/** The clients that may have stored lines since `fromMs`: one that the server has not heard of since has stored none. */
export const heardClientsQuery = ({ fromMs }: Pick<LogsRange, 'fromMs'>): PreparedQuery => ({
  vql: heardOf,
  env: heardEnv(fromMs),
})

const clientLines = ({ entries, levels }: LogsRange): string => {
  const isByLabel = entries.some(({ label }) => label !== '')
  const wanted = `SELECT Name, Label FROM parse_json_array(data=Wanted)${isByLabel ? " WHERE Label = '' OR Label IN Labels" : ''}`
  const lines =
    'SELECT *, CId AS _Client, Name AS _Queue FROM monitoring_logs(client_id=CId, artifact=Name, start_time=FromMs)' +
    (levels === null ? '' : ' WHERE level =~ Levels')
  return `SELECT * FROM foreach(row={ ${wanted} }, query={ ${lines} })`
}

/** The lines that client event artifacts logged since `fromMs`, of every client that may have stored one, in one query: the server knows them. */
export const clientLogsQuery = (range: LogsRange): PreparedQuery => ({
  vql: `SELECT * FROM foreach(row={ ${heardOf} }, query={ ${clientLines(range)} }, workers=2)`,
  env: { ...envOf(range), ...heardEnv(range.fromMs) },
})

/** The same of some clients: what has gathered for long is read so, no faster than it can be taken. */
export const someClientsLogsQuery = (range: LogsRange, clients: readonly HeardClient[]): PreparedQuery => ({
  vql: `SELECT * FROM foreach(row=parse_json_array(data=Clients), query={ ${clientLines(range)} }, workers=2)`,
  env: { ...envOf(range), Clients: JSON.stringify(clients) },
})
