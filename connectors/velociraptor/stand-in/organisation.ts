import type { EpochMs } from '../../../schemas/time.ts'
import {
  artifactRow,
  builtInArtifacts,
  flowRow,
  isPlain,
  listOf,
  plainOf,
  serverClientRow,
  textOf,
  type FlowResults,
  type Plain,
} from './defaults.ts'
import type { KeptFile } from './uploads.ts'
import type { Row } from './vql/values.ts'

/** A row of a queue or of a log as the server stored it. */
export interface StoredRow {
  /** When it was stored. */
  readonly at: EpochMs
  /** What `_Source` says when it is read back; null: the row does not say. */
  readonly writer: string | null
  readonly row: Row
  /** `row` as it is read back, once somebody has. */
  reread?: Row
}

/** Is called with every live row of a queue. */
export type Watcher = (row: Row) => void

/** What one organisation holds. Keys of two parts and more are made by `flowKey`, `resultsKey` and `queueKey`. */
export interface StandInOrg {
  readonly id: string
  readonly name: string
  /** By client id; `server` is one of them. */
  readonly clients: Map<string, Plain>
  /** By client id. */
  readonly metadata: Map<string, unknown>
  /** As described, without defaults, by `flowKey`. */
  readonly flows: Map<string, Plain>
  /** By hunt id. */
  readonly hunts: Map<string, Plain>
  /** By name. */
  readonly artifacts: Map<string, Plain>
  /** Rows of flows, by `resultsKey`. */
  readonly results: Map<string, readonly unknown[]>
  /** Rows as `uploads()` gives them, by `flowKey`. */
  readonly uploads: Map<string, readonly unknown[]>
  /** Files of which the bytes are kept, by their components as JSON. */
  readonly files: Map<string, KeptFile>
  /** undefined: nobody has described it. */
  serverMonitoring: unknown
  /** undefined: nobody has described it. */
  clientMonitoring: unknown
  /** What queues have stored, by `queueKey`. */
  readonly history: Map<string, StoredRow[]>
  /** What artifacts have logged, by `queueKey`. */
  readonly logs: Map<string, StoredRow[]>
  /** By queue. */
  readonly watchers: Map<string, Set<Watcher>>
}

/** An organisation with what every one has: the client `server` and the built-in artifacts. */
export const emptyOrg = (id: string, name: string): StandInOrg => ({
  id,
  name,
  clients: new Map([['server', serverClientRow]]),
  metadata: new Map(),
  flows: new Map(),
  hunts: new Map(),
  artifacts: new Map(builtInArtifacts.map((row) => [textOf(row['name']), row])),
  results: new Map(),
  uploads: new Map(),
  files: new Map(),
  serverMonitoring: undefined,
  clientMonitoring: undefined,
  history: new Map(),
  logs: new Map(),
  watchers: new Map(),
})

/** The key of a flow: its client, a space, its id. */
export const flowKey = (client: unknown, flow: unknown): string => `${textOf(client)} ${textOf(flow)}`

/** The key of what a flow gave for an artifact or one of its sources (`Artifact/Source`): that of the flow, a space, the name. */
export const resultsKey = (client: unknown, flow: unknown, artifact: string): string =>
  `${flowKey(client, flow)} ${artifact}`

/** The key of what a queue or a log keeps of a client (or of `server`): the client, a space, the name. */
export const queueKey = (queue: string, client: string): string => `${client} ${queue}`

/** The first part of a key, and all that follows it. */
export const splitKey = (key: string): readonly [first: string, rest: string] => {
  const at = key.indexOf(' ')
  return [key.slice(0, at), key.slice(at + 1)]
}

/** Stores a row behind those that are stored under the same key. */
export const append = (stored: Map<string, StoredRow[]>, key: string, row: StoredRow): void => {
  const rows = stored.get(key)
  if (rows === undefined) stored.set(key, [row])
  else rows.push(row)
}

/** Drops the files below a folder. */
export const dropFiles = (files: Map<string, KeptFile>, folder: readonly string[]): void => {
  for (const [key, { components }] of files) if (folder.every((name, n) => components[n] === name)) files.delete(key)
}

/** Deletes a client, its files, and what queues and logs have stored of it; its flows stay. */
export const dropClient = ({ clients, logs, history, files }: StandInOrg, id: string): void => {
  clients.delete(id)
  dropFiles(files, ['clients', id])
  for (const kept of [logs, history]) for (const key of kept.keys()) if (key.startsWith(`${id} `)) kept.delete(key)
}

/** A flow as `flows()` gives it, defaults from T; undefined: there is none. */
export const flowOf = (org: StandInOrg, client: string, flow: string, t0: EpochMs): Plain | undefined => {
  const found = org.flows.get(flowKey(client, flow))
  return found === undefined ? undefined : flowRow(found, t0, resultsOf(org, client, flow))
}

const resultsOf = (org: StandInOrg, client: string, flow: string): FlowResults => {
  const prefix = resultsKey(client, flow, '')
  const results = [...org.results].filter(([key, rows]) => key.startsWith(prefix) && rows.length > 0)
  const files = (org.uploads.get(flowKey(client, flow)) ?? []).map(plainOf).filter((row) => row['Type'] !== 'idx')
  return {
    sources: results.map(([key]) => key.slice(prefix.length)),
    rows: results.reduce((sum, [, rows]) => sum + rows.length, 0),
    files: files.length,
    bytes: files.reduce((sum, row) => sum + Number(row['uploaded_size'] ?? row['file_size'] ?? 0), 0),
  }
}

/** Artifact and source of a queue's name, which is `Artifact` or `Artifact/Source`. */
export const splitQueue = (queue: string): readonly [artifact: string, source: string | undefined] => {
  const at = queue.indexOf('/')
  return at === -1 ? [queue, undefined] : [queue.slice(0, at), queue.slice(at + 1)]
}

/** Whether an organisation knows a queue's artifact, and the named source in it. */
export const knowsArtifact = (org: StandInOrg, queue: string): boolean => {
  const [artifact, source] = splitQueue(queue)
  const row = org.artifacts.get(artifact)
  return (
    row !== undefined &&
    (source === undefined || listOf(row['sources']).some((one) => isPlain(one) && one['name'] === source))
  )
}

/** Lets an organisation know a queue's artifact, as a client event artifact with that one source, if it does not know it already. */
export const learnQueue = (org: StandInOrg, queue: string): void => {
  const [name, source = ''] = splitQueue(queue)
  if (org.artifacts.has(name)) return
  org.artifacts.set(name, artifactRow({ name, type: 'CLIENT_EVENT', sources: [{ name: source }] }))
}

/** The type of a queue's artifact, in lower case; '' when the organisation does not know it. */
export const typeOf = (org: StandInOrg, queue: string): string =>
  textOf(org.artifacts.get(splitQueue(queue)[0])?.['type'])

/** The client under which a queue's rows are stored: those of a server event artifact are the server's, whoever they speak of. */
export const keeperOf = (org: StandInOrg, queue: string, client: string): string =>
  typeOf(org, queue) === 'server_event' ? 'server' : client
