import { ConnectorError } from '../errors.ts'
import { isDictionary, parseExact, type Dictionary } from './exact-json.ts'
import { failureOf, type LogLine } from './failures.ts'
import type { QueryRequest, Velociraptor } from './velociraptor.ts'

export type { Dictionary } from './exact-json.ts'

export interface FlowKey {
  readonly client: string
  readonly flow: string
}

/** What the server knows of a flow and its client; null: nothing. `metadata` is null for the client `server`. */
export interface FlowLookup {
  readonly flow: Dictionary | null
  readonly client: Dictionary | null
  readonly metadata: Dictionary | null
}

/** Keys in one query at most: the request must stay small, and one slow flow must not hold up many. */
const keysAtOnce = 50
const timeoutS = 30

/** Names a flow in the answer of `lookUpFlows`. */
export const flowKey = ({ client, flow }: FlowKey): string => `${client} ${flow}`

/** Flow, client and client metadata of each key, by `flowKey`. A key is never missing in the answer. */
export const lookUpFlows = async (
  velociraptor: Velociraptor,
  org: string,
  keys: readonly FlowKey[],
): Promise<ReadonlyMap<string, FlowLookup>> => {
  const unique = new Map(keys.map((key) => [flowKey(key), key]))
  const found = new Map<string, FlowLookup>(
    [...unique.keys()].map((key) => [key, { flow: null, client: null, metadata: null }]),
  )
  for (const some of slices([...unique.values()])) {
    const rows = await askRows(velociraptor, {
      org,
      vql:
        'SELECT CId, FId, { SELECT * FROM flows(client_id=CId, flow_id=FId) } AS Flow, client_info(client_id=CId) AS Client, ' +
        "if(condition=CId != 'server', then=client_metadata(client_id=CId)) AS Metadata FROM foreach(row=parse_json_array(data=Keys))",
      env: { Keys: JSON.stringify(some.map(({ client, flow }) => ({ CId: client, FId: flow }))) },
    })
    for (const { CId, FId, Flow, Client, Metadata } of rows)
      found.set(flowKey({ client: String(CId), flow: String(FId) }), {
        flow: onlyRow(Flow),
        client: dictionaryOrNull(Client),
        metadata: dictionaryOrNull(Metadata),
      })
  }
  return found
}

/** A client and its metadata; null: nothing. */
export type ClientLookup = Pick<FlowLookup, 'client' | 'metadata'>

/** Record and metadata of each client, by id. A client is never missing in the answer. */
export const lookUpClients = async (
  velociraptor: Velociraptor,
  org: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, ClientLookup>> => {
  const found = new Map<string, ClientLookup>(ids.map((id) => [id, { client: null, metadata: null }]))
  for (const some of slices([...found.keys()])) {
    const rows = await askRows(velociraptor, {
      org,
      vql:
        'SELECT CId, client_info(client_id=CId) AS Client, client_metadata(client_id=CId) AS Metadata ' +
        'FROM foreach(row=parse_json_array(data=Keys))',
      env: { Keys: JSON.stringify(some.map((CId) => ({ CId }))) },
    })
    for (const { CId, Client, Metadata } of rows)
      found.set(String(CId), { client: dictionaryOrNull(Client), metadata: dictionaryOrNull(Metadata) })
  }
  return found
}

/** The full record of each hunt, by id; null: unknown. */
export const lookUpHunts = async (
  velociraptor: Velociraptor,
  org: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Dictionary | null>> => {
  const found = new Map<string, Dictionary | null>(ids.map((id) => [id, null]))
  for (const some of slices([...found.keys()])) {
    const rows = await askRows(velociraptor, {
      org,
      vql: 'SELECT HId, hunt_info(hunt_id=HId) AS Hunt FROM foreach(row=parse_json_array(data=Keys))',
      env: { Keys: JSON.stringify(some.map((HId) => ({ HId }))) },
    })
    for (const { HId, Hunt } of rows) found.set(String(HId), dictionaryOrNull(Hunt))
  }
  return found
}

/**
 * Of each artifact by name: `name`, `type` (lower case), `required_permissions`, `implied_permissions`, `sources` ({ name }) and
 * `parameters` ({ name, type }); null: unknown.
 */
export const lookUpDefinitions = async (
  velociraptor: Velociraptor,
  org: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, Dictionary | null>> => {
  const found = new Map<string, Dictionary | null>(names.map((name) => [name, null]))
  for (const some of slices([...found.keys()])) {
    const rows = await askRows(velociraptor, {
      org,
      vql:
        // A subquery alone would give one row bare and none as null.
        'SELECT name, type, required_permissions, implied_permissions, array(_={ SELECT name FROM sources }) AS sources, ' +
        'array(_={ SELECT name, type FROM parameters }) AS parameters ' +
        "FROM artifact_definitions(names=split(string=Names, sep_string='\n'))",
      env: { Names: some.join('\n') },
    })
    for (const row of rows) found.set(String(row['name']), row)
  }
  return found
}

/** The version of the running server, such as 0.77.2; null when it hides it. */
export const serverVersion = async (velociraptor: Velociraptor): Promise<string | null> => {
  const [row] = await askRows(velociraptor, {
    org: 'root',
    vql: 'SELECT config.server_version.version AS Version FROM scope()',
  })
  return typeof row?.['Version'] === 'string' ? row['Version'] : null
}

export interface Org {
  /** `root` for the root organisation. */
  readonly id: string
  readonly name: string
}

/** The organisations that the certificate's user may see; asked in one of them, in which that user may query. */
export const orgs = async (velociraptor: Velociraptor, org = 'root'): Promise<readonly Org[]> => {
  const rows = await askRows(velociraptor, { org, vql: 'SELECT OrgId, Name FROM orgs()' })
  return rows.map(({ OrgId, Name }) => ({ id: String(OrgId), name: typeof Name === 'string' ? Name : '' }))
}

/** The table of server event artifacts, as `get_server_monitoring()` gives it; null: never configured. */
export const serverMonitoring = (velociraptor: Velociraptor, org: string): Promise<Dictionary | null> =>
  askOne(velociraptor, org, 'SELECT get_server_monitoring() AS Found FROM scope()')

/** The table of client event artifacts, as `get_client_monitoring()` gives it; null: never configured. */
export const clientMonitoring = (velociraptor: Velociraptor, org: string): Promise<Dictionary | null> =>
  askOne(velociraptor, org, 'SELECT get_client_monitoring() AS Found FROM scope()')

const askOne = async (velociraptor: Velociraptor, org: string, vql: string): Promise<Dictionary | null> => {
  const [row] = await askRows(velociraptor, { org, vql })
  return dictionaryOrNull(row?.['Found'])
}

/** All rows of a query that ends, parsed. Rejects with ConnectorError, also when the query ended well but its log says that it failed. */
export const askRows = (velociraptor: Velociraptor, request: QueryRequest): Promise<readonly Dictionary[]> =>
  new Promise((resolve, reject) => {
    const rows: Dictionary[] = []
    const log: LogLine[] = []
    velociraptor.query({ timeoutS, ...request }).subscribe({
      next: (message) => {
        if (message.kind === 'log') return void log.push(message)
        try {
          for (const row of message.rows) rows.push(readRow(row))
        } catch (cause) {
          reject(cause)
        }
      },
      error: reject,
      complete: () => {
        const failure = failureOf(log, request.vql)
        if (failure === null) resolve(rows)
        else reject(failure)
      },
    })
  })

const readRow = (text: string): Dictionary => {
  let problem: unknown
  try {
    const row = parseExact(text)
    if (isDictionary(row)) return row
  } catch (cause) {
    problem = cause
  }
  throw new ConnectorError('VELOCIRAPTOR_UNAVAILABLE', 'the server sent a row that is no object', { cause: problem })
}

const dictionaryOrNull = (value: unknown): Dictionary | null => (isDictionary(value) ? value : null)

/** A subquery gives its only row bare, and several as a list. */
const onlyRow = (value: unknown): Dictionary | null =>
  dictionaryOrNull(Array.isArray(value) ? (value[0] ?? null) : value)

const slices = function* <T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += keysAtOnce) yield items.slice(at, at + keysAtOnce)
}
