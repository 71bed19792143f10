import { isDictionary, parseExact, type Dictionary } from './exact-json.ts'
import { failureOf, type LogLine } from './failures.ts'
import { askRows, type FlowKey } from './lookups.ts'
import type { Velociraptor } from './velociraptor.ts'

/** Stored rows of one source of a flow. */
export interface ResultSource {
  readonly org: string
  readonly client: string
  readonly flow: string
  /** `Artifact` or `Artifact/Source`. */
  readonly source: string
}

/** A stored row: its columns, and its own JSON text, in which every digit and the order of the columns is as the server wrote it. */
export interface ResultRow {
  readonly columns: Dictionary
  readonly text: string
}

const timeoutS = 300
/** Rows in one message: few, for one row may have 20 MiB. */
const mostRows = 4

// Values go into the environment, never into the text; a limit is a number of ours.
const storedRows = 'FROM flow_results(client_id=CId, flow_id=FId, artifact=SourceName)'
const envOf = ({ client, flow, source }: ResultSource): Readonly<Record<string, string>> => ({
  CId: client,
  FId: flow,
  SourceName: source,
})

/**
 * Reads a flow's stored rows in order, `most` of them at most, until `take` answers false; holds one message at a time. Rejects with
 * ConnectorError, also when the query ended well but its log says that it failed, and with what `take` throws.
 */
export const readResults = (
  velociraptor: Velociraptor,
  source: ResultSource,
  most: number,
  take: (row: ResultRow) => boolean,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const log: LogLine[] = []
    const vql = `SELECT * ${storedRows}${Number.isSafeInteger(most) ? ` LIMIT ${most}` : ''}`
    const leave = (): void => queueMicrotask(() => reading.unsubscribe())
    const reading = velociraptor.query({ org: source.org, vql, env: envOf(source), mostRows, timeoutS }).subscribe({
      next(message) {
        if (message.kind === 'log') return void log.push(message)
        try {
          for (const text of message.rows) {
            const columns = parseExact(text)
            if (!isDictionary(columns) || take({ columns, text })) continue
            // A stream that answers at once calls back before `reading` is there.
            leave()
            return resolve()
          }
        } catch (cause) {
          leave()
          reject(cause)
        }
      },
      error: reject,
      complete() {
        const failure = failureOf(log, vql)
        if (failure === null) resolve()
        else reject(failure)
      },
    })
  })

/**
 * How many rows each source of a flow has, as the flow's record counts them: known at once, however many they are. A source is
 * missing where the record does not tell it from others.
 */
export const recordedRowCounts = async (
  velociraptor: Velociraptor,
  org: string,
  { client, flow }: FlowKey,
): Promise<ReadonlyMap<string, number>> => {
  const vql = 'SELECT query_stats FROM flows(client_id=CId, flow_id=FId)'
  const [row] = await askRows(velociraptor, { org, vql, env: { CId: client, FId: flow } })
  const counts = new Map<string, number>()
  const unclear = new Set<unknown>()
  const stats: readonly unknown[] = Array.isArray(row?.['query_stats']) ? row['query_stats'] : []
  for (const { names_with_response: names, result_rows: rows } of stats.filter(isDictionary)) {
    const [name, ...others] = Array.isArray(names) ? (names as readonly unknown[]) : []
    if (typeof name === 'string' && others.length === 0 && typeof rows === 'number')
      counts.set(name, (counts.get(name) ?? 0) + rows)
    else for (const one of [name, ...others]) unclear.add(one)
  }
  return new Map([...counts].filter(([name]) => !unclear.has(name)))
}

/** Lets the server count the stored rows of one source: it reads them all, and sends only their number. */
export const countResults = async (velociraptor: Velociraptor, source: ResultSource): Promise<number> => {
  const vql = `SELECT count() AS Total ${storedRows} GROUP BY 1`
  const [row] = await askRows(velociraptor, { org: source.org, vql, env: envOf(source), timeoutS })
  return Number(row?.['Total'] ?? 0)
}

/** The first uploads of a flow, in the server's order, without the indexes of sparse files, and how many there are. */
export const firstUploads = async (
  velociraptor: Velociraptor,
  org: string,
  { client, flow }: FlowKey,
  most: number,
): Promise<{ readonly rows: readonly Dictionary[]; readonly total: number }> => {
  const files = "FROM uploads(client_id=CId, flow_id=FId) WHERE Type != 'idx'"
  const ask = (vql: string): Promise<readonly Dictionary[]> =>
    askRows(velociraptor, { org, vql, env: { CId: client, FId: flow } })
  const rows = await ask(`SELECT * ${files} LIMIT ${most + 1}`)
  if (rows.length <= most) return { rows, total: rows.length }
  const [counted] = await ask(`SELECT count() AS Total ${files} GROUP BY 1`)
  return { rows: rows.slice(0, most), total: Number(counted?.['Total'] ?? rows.length) }
}
