import {
  Client,
  credentials,
  status as codes,
  type ChannelOptions,
  type ClientReadableStream,
  type ServiceError,
} from '@grpc/grpc-js'
import { Observable, type Subscriber } from 'rxjs'
import type { Tell } from '../../schemas/happenings.ts'
import { ConnectorError } from '../errors.ts'
import type { ApiConfig } from './api-config.ts'
import { apiService, type QueryArguments, type QueryResponse } from './api-messages.ts'
import { failureOfStatus, logLine, type Place } from './failures.ts'
import { queryDeadlineMs } from './query-deadline.ts'
import { splitRows } from './split-rows.ts'
import type { QueryMessage, QueryRequest, Velociraptor } from './velociraptor.ts'

export interface VelociraptorOptions {
  readonly config: ApiConfig
  /** Told the configuration's warnings, once. */
  readonly tell?: Tell
}

const windowBytes = 4 * 2 ** 20

const channelOptions = (config: ApiConfig): ChannelOptions => ({
  'grpc.ssl_target_name_override': config.serverName,
  'grpc.default_authority': config.serverName,
  // One row can be larger than gRPC's usual bound; the server sets none.
  'grpc.max_receive_message_length': -1,
  // The server closes connections that are pinged more often than every 5 min: death shows by the query's own heartbeat.
  'grpc.keepalive_time_ms': 2_147_483_647,
  // Else clients of one process share one connection, whatever they are for.
  'grpc.use_local_subchannel_pool': 1,
  // What may be on its way unheard of: with the usual 64 kB a server 10 ms away brings some 500 rows a second.
  'grpc-node.flow_control_window': windowBytes,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.min_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 2000,
})

interface ApiClient extends Client {
  Query(request: QueryArguments, options: { deadline?: number }): ClientReadableStream<QueryResponse>
}

/** One use of a connection. */
interface Use {
  readonly client: ApiClient
  /** `isDead`: nobody answered, so that the next use gets a connection of its own; what else runs on this one goes on. */
  end(isDead: boolean): void
}

interface Connection {
  use(): Use
  close(): void
}

const openConnection = (connect: () => ApiClient): Connection => {
  let current = { client: connect(), uses: 0 }
  return {
    use() {
      const used = current
      used.uses++
      return {
        client: used.client,
        end(isDead) {
          used.uses--
          if (isDead && current === used) current = { client: connect(), uses: 0 }
          if (current !== used && used.uses === 0) used.client.close()
        },
      }
    },
    close: () => current.client.close(),
  }
}

/**
 * A Velociraptor server over gRPC with mutual TLS. Queries with `timeoutS` (lookups, history) share one connection, those
 * without (event streams) another, so that neither waits behind the other. Connects at the first query, again after each loss.
 */
export const openVelociraptor = ({ config, tell }: VelociraptorOptions): Velociraptor => {
  for (const warning of config.warnings) tell?.(asHappening(warning))
  const trust = credentials.createSsl(
    Buffer.from(config.ca),
    Buffer.from(config.privateKey),
    Buffer.from(config.certificate),
  )
  const Api = apiService()
  const connect = (): ApiClient => new Api(config.address, trust, channelOptions(config)) as unknown as ApiClient
  const streams = openConnection(connect)
  const lookups = openConnection(connect)
  const running = new Set<() => void>()
  let closed = false

  const query = (request: QueryRequest): Observable<QueryMessage> =>
    new Observable((subscriber) => {
      if (closed) {
        subscriber.error(closedError())
        return undefined
      }
      const use = (request.timeoutS === undefined ? streams : lookups).use()
      const place = {
        address: config.address,
        serverName: config.serverName,
        principal: config.principal,
        org: request.org,
      }
      const call = use.client.Query(argumentsOf(request), deadlineOf(request))
      let isHeard = false
      call.once('metadata', () => {
        isHeard = true
      })
      forward(call, subscriber, place)
      const stop = (): void => {
        subscriber.error(closedError())
      }
      running.add(stop)
      return () => {
        running.delete(stop)
        call.cancel()
        // A peer that is gone without a word, or that never answers while connecting, would hold every later query too.
        use.end(!isHeard)
      }
    })

  return {
    query,
    close: () => {
      closed = true
      for (const stop of [...running]) stop()
      streams.close()
      lookups.close()
      return Promise.resolve()
    },
  }
}

const closedError = (): ConnectorError => new ConnectorError('CLOSED', 'the connection to Velociraptor was closed')

const argumentsOf = ({
  org,
  vql,
  env = {},
  mostRows = 1000,
  longestWaitS = 1,
  timeoutS = 0,
}: QueryRequest): QueryArguments => ({
  Query: [{ Name: 'relay', VQL: vql }],
  env: Object.entries(env).map(([key, value]) => ({ key, value })),
  max_row: String(Math.max(1, Math.floor(mostRows))),
  max_wait: String(Math.max(1, Math.ceil(longestWaitS))),
  timeout: String(Math.ceil(timeoutS)),
  org_id: org,
})

const deadlineOf = (request: QueryRequest): { deadline?: number } => {
  const ms = queryDeadlineMs(request)
  return ms === undefined ? {} : { deadline: Date.now() + ms }
}

/** Passes a call's messages on. It reads on after the subscriber has gone: the server must not be held back. */
const forward = (
  call: ClientReadableStream<QueryResponse>,
  subscriber: Subscriber<QueryMessage>,
  place: Place,
): void => {
  call.on('data', (response: QueryResponse) => {
    if (subscriber.closed) return
    if (response.log !== '') subscriber.next({ kind: 'log', ...logLine(response.log) })
    if (response.Response === '' || response.Response === '[]') return
    try {
      subscriber.next({ kind: 'rows', rows: splitRows(response.Response) })
    } catch (cause) {
      subscriber.error(
        new ConnectorError('VELOCIRAPTOR_UNAVAILABLE', `${place.address} sent rows that are no JSON array`, { cause }),
      )
    }
  })
  let failure: ConnectorError | undefined
  const end = (): void => {
    if (failure === undefined) subscriber.complete()
    else subscriber.error(failure)
  }
  call.on('end', end)
  call.on('error', (error: ServiceError) => {
    failure = failureOfStatus(
      { code: error.code ?? codes.UNKNOWN, details: error.details ?? error.message },
      place,
      error,
    )
    // What arrived before the failure is still to be passed on.
    if (call.readableLength === 0) end()
  })
}

const asHappening = (warning: ApiConfig['warnings'][number]): Parameters<Tell>[0] =>
  warning.kind === 'readable by others'
    ? { name: 'api config readable by others', file: warning.file, mode: warning.mode }
    : { name: 'api certificate ends soon', file: warning.file, daysLeft: warning.daysLeft }
