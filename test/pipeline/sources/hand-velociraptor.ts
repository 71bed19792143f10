import { Observable, type Subscriber } from 'rxjs'
import { ConnectorError } from '../../../connectors/errors.ts'
import type { QueryMessage, QueryRequest, Velociraptor } from '../../../connectors/velociraptor/velociraptor.ts'

type Row = Readonly<Record<string, unknown>>

/** What the server of a test knows; everything may be changed while it is asked. */
export interface HandVelociraptor extends Velociraptor {
  /** By `client flow`. */
  readonly flows: Map<string, Row>
  /** By client id. */
  readonly clients: Map<string, Row>
  readonly metadata: Map<string, Row>
  readonly hunts: Map<string, Row>
  readonly definitions: Map<string, Row>
  readonly orgs: Row[]
  /** Uploads and results, whatever the flow; by `Artifact/Source`. */
  readonly uploads: Row[]
  readonly results: Map<string, readonly Row[]>
  /** Stored rows of the event queue, verbatim, oldest first, with the server's time of writing. */
  readonly history: { readonly at: number; readonly json: string }[]
  /** Clients that the server has seen lately; the history is of them all together. */
  readonly seen: Set<string>
  /** What `flows()` says of each flow that has ended; told to whoever looks through all. */
  readonly ended: Row[]
  /** Instead of answers, while it is there. */
  failure: ConnectorError | null
  /** Of single queries: their failure, or null. */
  failureFor: (request: QueryRequest) => ConnectorError | null
  /** Queries that are never answered. */
  isMute: (request: QueryRequest) => boolean
  readonly asked: QueryRequest[]
  /** Event streams that are open. */
  readonly streams: readonly Stream[]
}

/** An open event stream. */
export interface Stream {
  readonly request: QueryRequest
  row(row: Row): void
  /** A row as text, JSON or not. */
  text(text: string): void
  /** The heartbeat of a server at this time, ms. */
  beat(at: number): void
  log(text: string): void
  fail(error: ConnectorError): void
  end(): void
}

export const away = new ConnectorError('VELOCIRAPTOR_UNAVAILABLE', 'nothing listens')
export const denied = new ConnectorError('VELOCIRAPTOR_DENIED', 'permission is missing')

/** A Velociraptor that answers the queries of the stages from maps. */
export const openHandVelociraptor = (): HandVelociraptor => {
  const streams: Stream[] = []
  const env = (request: QueryRequest, name: string): string => request.env?.[name] ?? ''
  const keys = (request: QueryRequest): readonly Row[] => JSON.parse(env(request, 'Keys')) as readonly Row[]
  const server: HandVelociraptor = {
    flows: new Map(),
    clients: new Map(),
    metadata: new Map(),
    hunts: new Map(),
    definitions: new Map(),
    orgs: [],
    uploads: [],
    results: new Map(),
    history: [],
    seen: new Set(),
    ended: [],
    failure: null,
    failureFor: () => null,
    isMute: () => false,
    asked: [],
    streams,
    query: (request) =>
      new Observable<QueryMessage>((subscriber) => {
        server.asked.push(request)
        const failure = server.failure ?? server.failureFor(request)
        if (failure !== null) return subscriber.error(failure)
        if (server.isMute(request)) return undefined
        if (request.vql.includes('watch_monitoring')) return open(request, subscriber)
        for (const row of answer(request)) subscriber.next({ kind: 'rows', rows: [row] })
        subscriber.complete()
        return undefined
      }),
    close: () => Promise.resolve(),
  }
  const open = (request: QueryRequest, subscriber: Subscriber<QueryMessage>): (() => void) => {
    const text = (json: string): void => subscriber.next({ kind: 'rows', rows: [json] })
    const stream: Stream = {
      request,
      text,
      row: (row) => text(JSON.stringify({ ...row, _Queue: 'System.Flow.Completion' })),
      beat: (at) => text(JSON.stringify({ _Queue: '', _Beat: Math.floor(at / 1000) })),
      log: (line) => subscriber.next({ kind: 'log', level: 'ERROR', text: line }),
      fail: (error) => subscriber.error(error),
      end: () => subscriber.complete(),
    }
    streams.push(stream)
    return () => void streams.splice(streams.indexOf(stream), 1)
  }
  const answer = (request: QueryRequest): readonly string[] => {
    const { vql } = request
    if (vql.includes('monitoring(client_id')) {
      const from = Number(env(request, 'FromMs'))
      return server.history.filter(({ at }) => at >= from).map(({ json }) => json)
    }
    return rowsOf(request, vql).map((row) => JSON.stringify(row))
  }
  const rowsOf = (request: QueryRequest, vql: string): readonly Row[] => {
    if (vql.startsWith('SELECT client_id FROM clients(')) return [...server.seen].map((client_id) => ({ client_id }))
    if (vql.includes('FROM flows(client_id=CId) WHERE'))
      return server.ended.filter(({ active_time }) => Number(active_time) > Number(env(request, 'FromUs')))
    if (vql.includes('FROM flows('))
      return keys(request).map(({ CId, FId }) => ({
        CId,
        FId,
        Flow: server.flows.get(`${String(CId)} ${String(FId)}`) ?? null,
        Client: server.clients.get(String(CId)) ?? null,
        Metadata: server.metadata.get(String(CId)) ?? null,
      }))
    if (vql.includes('hunt_info('))
      return keys(request).map(({ HId }) => ({ HId, Hunt: server.hunts.get(String(HId)) ?? null }))
    if (vql.includes('artifact_definitions('))
      return env(request, 'Names')
        .split('\n')
        .map((name) => server.definitions.get(name))
        .filter((row) => row !== undefined)
    if (vql.includes('FROM orgs(')) return server.orgs
    if (vql.includes('FROM uploads(')) return server.uploads
    if (vql.includes('FROM flow_results(')) return server.results.get(env(request, 'SourceName')) ?? []
    throw new Error(`this server knows no answer to ${vql}`)
  }
  return server
}

/** A completion row as the queue has it, `s` seconds after the epoch second `at`. */
export const completionRow = (flow: string, atS: number, client = 'C.1'): Row => ({
  Timestamp: atS,
  ClientId: client,
  FlowId: flow,
  _ts: atS,
  _Source: 'System.Flow.Completion',
})

/** A flow's record as `flows()` gives it. */
export const flowRecord = (more: Row = {}): Row => ({
  state: 'FINISHED',
  status: '',
  create_time: 1_776_868_947_000_000,
  start_time: 1_776_868_997_000_000,
  execution_duration: 2_500_000_000,
  total_collected_rows: 0,
  total_uploaded_files: 0,
  total_uploaded_bytes: 0,
  artifacts_with_results: [],
  query_stats: [],
  request: { creator: 'analyst1', artifacts: ['Linux.Search.FileFinder'], specs: [] },
  ...more,
})
