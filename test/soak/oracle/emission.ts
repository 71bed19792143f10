import { Observable } from 'rxjs'
import type { NewRecord } from '../../../connectors/log/event-log.ts'
import type { QueryMessage, QueryRequest, Velociraptor } from '../../../connectors/velociraptor/velociraptor.ts'
import type { Random } from '../../../pipeline/runtime/backoff.ts'
import { alertId, readAlert } from '../../../pipeline/sources/alert-row.ts'
import { flowCompletionId, readFlowCompletion } from '../../../pipeline/sources/flow-completion-row.ts'
import { encode } from '../../../schemas/codec.ts'
import type { RawEvent } from '../../../schemas/generated.ts'
import type { EpochMs } from '../../../schemas/time.ts'
import { topics } from '../../../schemas/topics.ts'

interface Emitted {
  /** Its natural key. */
  readonly id: string
  readonly receivedAt: EpochMs
  /** What the server says to its stream. */
  readonly row: string
}

/** A completion that the server told of. */
export interface EmittedFlow extends Emitted {
  readonly kind: 'flow'
  readonly client: string
  readonly flow: string
  readonly artifact: string
  readonly creator: string
  /** sound; late: the server knows its record only later; missing: never. */
  readonly record: 'sound' | 'late' | 'missing'
}

/** An alert that the server told of. */
export interface EmittedAlert extends Emitted {
  readonly kind: 'alert'
  readonly name: string
}

export type EmittedEvent = EmittedFlow | EmittedAlert

const artifacts = ['Linux.Sys.Users', 'Windows.Sys.Users', 'Linux.Search.FileFinder'] as const
const creators = ['analyst1', 'analyst2', 'admin'] as const
const clients = 4
const severities = ['low', 'medium', 'high', 'critical'] as const
/** How long after its completion the server knows a late record. */
export const lateMs = 9000

const pick = <T>(items: readonly T[], random: Random): T => items[Math.floor(random() * items.length)] as T
const clientId = (n: number): string => `C.${String(n).padStart(16, '0')}`

/** Makes what a server emits, numbered. */
export interface Emitter {
  flow(at: EpochMs): EmittedFlow
  /** The same flow completes a second time. */
  again(flow: EmittedFlow, at: EpochMs): EmittedFlow
  alert(at: EpochMs): EmittedAlert
}

const completion = (
  given: Pick<EmittedFlow, 'client' | 'flow' | 'artifact' | 'creator' | 'record'>,
  at: EpochMs,
): EmittedFlow => {
  const Timestamp = Math.floor(at / 1000)
  const row = JSON.stringify({
    Timestamp,
    ClientId: given.client,
    FlowId: given.flow,
    Flow: { state: 2 },
    _ts: Timestamp,
  })
  const read = readFlowCompletion(JSON.parse(row))
  const receivedAt = read.receivedAt as number
  return { kind: 'flow', ...given, row, receivedAt, id: flowCompletionId('root', read, receivedAt) }
}

export const openEmitter = (random: Random): Emitter => {
  let n = 0
  return {
    flow(at) {
      const number = n++
      const record = random() < 0.1 ? pick(['late', 'missing'] as const, random) : 'sound'
      return completion(
        {
          // What is completed later overtakes: it shares its client with nothing else.
          client: clientId(record === 'sound' ? Math.floor(random() * clients) : 1000 + number),
          flow: `F.N${String(number).padStart(6, '0')}`,
          artifact: pick(artifacts, random),
          creator: pick(creators, random),
          record,
        },
        at,
      )
    },
    again: (flow, at) => completion(flow, at),
    alert(at) {
      const number = n++
      const name = `AL-${String(number).padStart(6, '0')}`
      const row = {
        name,
        client_id: 'server',
        artifact: 'Server.Alerts.Test',
        artifact_type: 'SERVER_EVENT',
        timestamp: `${new Date(at).toISOString().slice(0, 19)}.${String(number + 1).padStart(9, '0')}Z`,
        event_data: { severity: pick(severities, random) },
        _ts: Math.floor(at / 1000),
      }
      const read = readAlert(row)
      return {
        kind: 'alert',
        name,
        row: JSON.stringify(row),
        receivedAt: read.receivedAt as number,
        id: alertId('root', row, read),
      }
    },
  }
}

/** An event as collect writes it. */
export const rawRecordOf = (event: EmittedEvent): NewRecord => {
  const raw: RawEvent = {
    org: 'root',
    queue: event.kind === 'flow' ? 'System.Flow.Completion' : 'Server.Internal.Alerts',
    id: event.id,
    received_at: event.receivedAt,
    read_at: event.receivedAt,
    origin: 'live',
    row: event.row,
  }
  return event.kind === 'flow'
    ? { topic: topics.rawFlowCompletions.name, key: `root/${event.client}`, value: encode('RawEvent', raw) }
    : { topic: topics.rawAlerts.name, key: `root/${event.name}`, value: encode('RawEvent', raw) }
}

/** What the server knows of a flow at a time. */
export const flowRecordOf = (
  { client, flow, artifact, creator, record, receivedAt }: EmittedFlow,
  now: EpochMs,
): object | null =>
  record === 'missing' || (record === 'late' && now < receivedAt + lateMs)
    ? null
    : {
        session_id: flow,
        client_id: client,
        // The same for every completion of the flow.
        create_time: 1_700_000_000_000_000,
        state: 'FINISHED',
        request: { creator, artifacts: [artifact] },
      }

const answerOf = (
  { vql, env }: QueryRequest,
  flows: ReadonlyMap<string, EmittedFlow>,
  now: EpochMs,
): readonly object[] => {
  if (!vql.includes('flows(client_id=')) return vql.includes('orgs()') ? [{ OrgId: 'root', Name: '<root>' }] : []
  return (JSON.parse(env?.['Keys'] ?? '[]') as { readonly CId: string; readonly FId: string }[]).map(({ CId, FId }) => {
    const flow = flows.get(FId)
    return {
      CId,
      FId,
      Flow: flow === undefined ? null : flowRecordOf(flow, now),
      Client: { client_id: CId, os_info: { fqdn: CId } },
      Metadata: {},
    }
  })
}

/** A server that knows these flows; each question goes through `cross` first. */
export const knowingServer = (
  flows: ReadonlyMap<string, EmittedFlow>,
  now: () => EpochMs,
  cross: () => Promise<void>,
): Velociraptor => ({
  query: (request) =>
    new Observable<QueryMessage>((subscriber) => {
      cross().then(
        () => {
          const rows = answerOf(request, flows, now()).map((row) => JSON.stringify(row))
          subscriber.next({ kind: 'rows', rows })
          subscriber.complete()
        },
        (cause: unknown) => subscriber.error(cause),
      )
    }),
  close: () => Promise.resolve(),
})
