import type { EpochMs } from '../../schemas/time.ts'
import { checkedQueueName, type PreparedQuery } from './watch-query.ts'

export interface HistoryRange {
  readonly queue: string
  /** Inclusive; the server's time of writing. */
  readonly fromMs: EpochMs
}

export interface ClientsHistoryRange extends HistoryRange {
  /** Client ids; `server`: the server's own collections, and on a server older than 0.76.4 those of all clients. */
  readonly clients: readonly string[]
}

const hour = 3_600_000

/** A time as an argument of a query: the server reads one written with a decimal point as "from the beginning". */
export const wholeMs = (at: EpochMs): string => String(Math.max(1, Math.floor(at)))

/** The stored rows of a server queue since `fromMs`; rows carry `_ts` in ms. */
export const serverHistoryQuery = ({ queue, fromMs }: HistoryRange): PreparedQuery => ({
  vql: "SELECT * FROM monitoring(client_id='server', artifact=QueueName, start_time=FromMs)",
  env: { QueueName: checkedQueueName(queue), FromMs: wholeMs(fromMs) },
})

/** `client_id` of each client that the server has seen since an hour before `fromMs`. */
export const seenClientsQuery = ({ fromMs }: Pick<HistoryRange, 'fromMs'>): PreparedQuery => ({
  vql: 'SELECT client_id FROM clients() WHERE last_seen_at > int(int=SeenSinceUs)',
  env: { SeenSinceUs: `${wholeMs(fromMs - hour)}000` },
})

/** The stored rows of clients, of a queue that is kept for each. Rows carry `_ts` in ms and `_Client`, the id they are stored under. */
export const clientsHistoryQuery = ({ queue, fromMs, clients }: ClientsHistoryRange): PreparedQuery => ({
  vql:
    'SELECT * FROM foreach(row=parse_json_array(data=Clients), ' +
    'query={SELECT *, CId AS _Client FROM monitoring(client_id=CId, artifact=QueueName, start_time=FromMs)}, workers=10)',
  env: {
    QueueName: checkedQueueName(queue),
    FromMs: wholeMs(fromMs),
    Clients: JSON.stringify(clients.map((CId) => ({ CId }))),
  },
})

/**
 * The flows of the server and of clients seen lately that have ended since `fromMs` by their client's clock: `client_id`, `session_id`, `active_time` (us),
 * `state`. The server loads every flow of these clients, one client after the other.
 */
export const endedFlowsQuery = ({ fromMs }: Pick<HistoryRange, 'fromMs'>): PreparedQuery => ({
  vql:
    "SELECT * FROM foreach(row={SELECT * FROM chain(a={SELECT 'server' AS CId FROM scope()}, " +
    'b={SELECT client_id AS CId FROM clients() WHERE last_seen_at > int(int=SeenSinceUs)})}, ' +
    "query={SELECT client_id, session_id, active_time, state FROM flows(client_id=CId) WHERE active_time > int(int=FromUs) AND state IN ('FINISHED', 'ERROR')})",
  env: { FromUs: `${wholeMs(fromMs)}000`, SeenSinceUs: `${wholeMs(fromMs - hour)}000` },
})
