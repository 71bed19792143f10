import { credentials, type ClientReadableStream, type ServiceError, type Client } from '@grpc/grpc-js'
import { Observable } from 'rxjs'
import type { ApiConfig } from '../../connectors/velociraptor/api-config.ts'
import { apiService, type QueryArguments, type QueryResponse } from '../../connectors/velociraptor/api-messages.ts'
import {
  clientsHistoryQuery,
  endedFlowsQuery,
  seenClientsQuery,
  serverHistoryQuery,
} from '../../connectors/velociraptor/history-query.ts'
import {
  clientMonitoring,
  lookUpClients,
  lookUpDefinitions,
  lookUpFlows,
  lookUpHunts,
  orgs,
  serverMonitoring,
  serverVersion,
} from '../../connectors/velociraptor/lookups.ts'
import type { QueryRequest, Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import { watchQuery } from '../../connectors/velociraptor/watch-query.ts'

/** What a server has that is asked about. */
export interface Subject {
  readonly client: string
  readonly flow: string
  readonly hunt: string
  /** Epoch ms before the flow completed. */
  readonly since: number
}

const completion = 'System.Flow.Completion'

/** What a function of the relay asks first. */
const asked = async (ask: (velociraptor: Velociraptor) => Promise<unknown>): Promise<QueryRequest> => {
  const found = Promise.withResolvers<QueryRequest>()
  const query = (request: QueryRequest): Observable<never> => {
    found.resolve(request)
    return new Observable((subscriber) => subscriber.complete())
  }
  // What it makes of no answer is its own affair.
  ask({ query, close: () => Promise.resolve() }).catch(() => undefined)
  return await found.promise
}

/** What the relay asks a server, by name; the event stream has no end of its own. */
export const conversationsWith = async ({
  client,
  flow,
  hunt,
  since,
}: Subject): Promise<Readonly<Record<string, QueryRequest>>> => {
  const root = { org: 'root', timeoutS: 30 }
  const range = { queue: completion, fromMs: since }
  const keys = [
    { client, flow },
    { client, flow: 'F.UNKNOWN' },
    { client: 'C.0000000000000000', flow },
  ]
  return {
    stream: { org: 'root', ...watchQuery([completion, 'Server.Internal.Alerts']), longestWaitS: 1 },
    'stream of an unknown queue': { org: 'root', ...watchQuery(['No.Such.Queue']), longestWaitS: 1 },
    'clients seen lately': { ...root, ...seenClientsQuery({ fromMs: since }) },
    'history by client': {
      ...root,
      ...clientsHistoryQuery({ ...range, clients: ['server', client, 'C.0000000000000000'] }),
    },
    'history of the server': { ...root, ...serverHistoryQuery({ ...range, queue: 'Server.Internal.Alerts' }) },
    'history of a live-only queue': {
      ...root,
      ...serverHistoryQuery({ ...range, queue: 'Server.Internal.Interrogation' }),
    },
    'history of an unknown queue': { ...root, ...serverHistoryQuery({ ...range, queue: 'No.Such.Queue' }) },
    'ended flows': { ...root, ...endedFlowsQuery({ fromMs: since }) },
    flows: await asked((velociraptor) => lookUpFlows(velociraptor, 'root', keys)),
    clients: await asked((velociraptor) => lookUpClients(velociraptor, 'root', [client])),
    hunts: await asked((velociraptor) => lookUpHunts(velociraptor, 'root', [hunt, 'H.UNKNOWN'])),
    definitions: await asked((velociraptor) =>
      lookUpDefinitions(velociraptor, 'root', [completion, 'Server.Internal.Interrogation', 'No.Such.Queue']),
    ),
    version: await asked(serverVersion),
    organisations: await asked(orgs),
    'server event table': await asked((velociraptor) => serverMonitoring(velociraptor, 'root')),
    'client event table': await asked((velociraptor) => clientMonitoring(velociraptor, 'root')),
    'no VQL': { ...root, vql: 'SELEC nothing' },
    'unknown organisation': { ...root, org: 'O.UNKNOWN', vql: 'SELECT * FROM scope()' },
  }
}

/** A conversation's shape: nothing of what it was about. */
export interface Shape {
  /** What came one after the other, what repeats said once. */
  readonly steps: readonly string[]
  /** Types of each value of the rows by its path; `!`: wherever its object is, it is. */
  readonly values: Readonly<Record<string, readonly string[]>>
}

interface Said {
  readonly messages: readonly QueryResponse[]
  readonly end: string
}

/** Asks a server as the relay does, and listens to the end, or for a time. */
export const converse = (config: ApiConfig, request: QueryRequest, longestMs: number): Promise<Said> => {
  const Api = apiService()
  const trust = credentials.createSsl(
    ...([config.ca, config.privateKey, config.certificate].map((pem) => Buffer.from(pem)) as [Buffer, Buffer, Buffer]),
  )
  const api = new Api(config.address, trust, {
    'grpc.ssl_target_name_override': config.serverName,
  }) as unknown as Client & { Query(given: QueryArguments): ClientReadableStream<QueryResponse> }
  const call = api.Query({
    Query: [{ Name: 'relay', VQL: request.vql }],
    env: Object.entries(request.env ?? {}).map(([key, value]) => ({ key, value })),
    max_row: '100',
    max_wait: '1',
    timeout: String(request.timeoutS ?? 0),
    org_id: request.org,
  })
  const messages: QueryResponse[] = []
  const ended = Promise.withResolvers<string>()
  const timer = setTimeout(() => {
    ended.resolve('goes on')
    call.cancel()
  }, longestMs)
  call.on('data', (message: QueryResponse) => messages.push(message))
  call.on('error', ({ code }: ServiceError) => ended.resolve(`ends with ${code}`))
  call.on('end', () => ended.resolve('ends with 0'))
  return ended.promise.then((end) => {
    clearTimeout(timer)
    api.close()
    return { messages, end }
  })
}

/** A line of the log without what it is about. */
const template = (log: string): string =>
  log
    .replace(/^(VQL Error:) .*/s, '$1 …')
    .replace(/\b[CFH]\.[0-9A-Z]{6,}\b/gi, '…')
    .replace(/\d+(\.\d+)?( [kM]?B)?/g, '#')
    .trim()

const typeOf = (value: unknown): string => {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'list'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'fraction'
  return typeof value
}

const deepest = 3

/** The shape of what was said. */
export const shapeOf = ({ messages, end }: Said): Shape => {
  const steps: string[] = []
  const add = (step: string): void => {
    // A batch and the line before it may come any number of times.
    if (!(steps.at(-1) === step || (steps.at(-2) === step && step !== steps.at(-1)))) steps.push(step)
  }
  const types = new Map<string, Set<string>>()
  const counts = new Map<string, number>()
  const look = (value: unknown, path: string, depth: number): void => {
    types.set(path, (types.get(path) ?? new Set()).add(typeOf(value)))
    counts.set(path, (counts.get(path) ?? 0) + 1)
    if (depth === deepest || typeof value !== 'object' || value === null) return
    if (Array.isArray(value)) return value.forEach((item: unknown) => look(item, `${path}[]`, depth + 1))
    for (const [key, item] of Object.entries(value)) look(item, path === '' ? key : `${path}.${key}`, depth + 1)
  }
  for (const { log, Response, Columns, Query, query_id } of messages) {
    if (log !== '') add(`log: ${template(log)}`)
    if (Response === '') continue
    const rows = JSON.parse(Response) as readonly unknown[]
    const kind = rows.length === 0 ? 'no rows' : 'rows'
    add(
      `${kind}, columns ${Columns.length > 0 ? 'named' : 'not named'}, query ${Query === null ? 'missing' : 'echoed'}, statement ${query_id}`,
    )
    for (const row of rows) look(row, '', 0)
  }
  steps.push(end)
  const parentOf = (path: string): string =>
    path.slice(0, Math.max(0, path.lastIndexOf(path.endsWith('[]') ? '[]' : '.')))
  const isAlways = (path: string): boolean => !path.endsWith('[]') && counts.get(path) === counts.get(parentOf(path))
  const values = [...types]
    .filter(([path]) => path !== '')
    .map(([path, found]) => [isAlways(path) ? `${path}!` : path, [...found].toSorted()] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  return { steps, values: Object.fromEntries(values) }
}
