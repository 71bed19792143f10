import type { EpochMs } from '../../../schemas/time.ts'
import { clientRow, listOf, rolesAllow, type Plain } from './defaults.ts'
import { openDelivery } from './delivery.ts'
import {
  clientOf,
  isCompletion,
  isOfServerArtifact,
  logRow,
  plainEvent,
  reread,
  verbatimEvent,
  writerOf,
  type StandInLogLine,
} from './event-rows.ts'
import { openFaultInjection, type FaultInjection } from './fault-injection.ts'
import { lastingFaults, type Faults, type LastingFaults } from './faults.ts'
import {
  append,
  dropClient,
  flowOf,
  keeperOf,
  learnQueue,
  queueKey,
  typeOf,
  type StandInOrg,
  type StoredRow,
  type Watcher,
} from './organisation.ts'
import type { Row, Value } from './vql/values.ts'
import { describeWorld, type WorldDescription } from './world-description.ts'

/** An in-app message that somebody sent. */
export interface StandInMessage {
  readonly at: EpochMs
  readonly from: string
  readonly to: string
  readonly message: Value
}

/** A Velociraptor server's state, to be played with. */
export interface StandInWorld {
  /** T. */
  readonly t0: EpochMs
  readonly version: string
  readonly faults: Faults
  readonly messages: readonly StandInMessage[]
  /** How long stored rows cannot be read back, ms; default 0. */
  readDelayMs: number
  /** As a server before 0.76.4: completions of clients are kept under `server`, rows do not say where they come from, and there is no `user_message()`; default false. */
  keepsUnderServer: boolean
  /** Adds to the world or replaces: an item takes the place of the one of the same identity. */
  set(description: WorldDescription): void
  /**
   * An event comes at `at`: stored (unless the queue is INTERNAL) and given to whoever watches. `row` is an object, or JSON text
   * whose columns stay verbatim. The row's own time and the `Flow` of a completion are filled in where left out. It is an event of
   * `client`, left out: of the row's `ClientId`, or else of the server.
   */
  emit(org: string, queue: string, row: Plain | string, at: EpochMs, client?: string): void
  /** A line that the server stores at `at`: of a server event artifact (`server`) or of a client, from which it has heard then. */
  log(org: string, client: string, artifact: string, line: StandInLogLine, at: EpochMs): void
  /** Lets the server know an artifact by name alone: an event artifact, if it does not know it already. */
  knowQueue(org: string, queue: string): void
}

/** What the evaluator and the server see of a world. */
export interface WorldInside extends StandInWorld, Omit<FaultInjection, 'commands'> {
  /** An organisation by its id, '' being `root`. */
  org(id: string): StandInOrg | undefined
  readonly orgs: readonly StandInOrg[]
  /** A row for each user and organisation, as `gui_users()` gives them. */
  readonly users: readonly Plain[]
  readonly lasting: LastingFaults
  /** Whether a user's roles in an organisation grant a permission that nobody has taken away. */
  allows(principal: string, org: string, permission: string): boolean
  /** Whether a user's `publish_queues` names the queue: no role is enough. */
  mayPublish(principal: string, org: string, queue: string): boolean
  /** Whether a user was given any role in an organisation. */
  isMember(principal: string, org: string): boolean
  knowsUser(principal: string): boolean
  /** Calls with every live row of a queue. Returns what ends that. */
  watch(org: StandInOrg, queue: string, watcher: Watcher): () => void
  /** The rows of a queue as they stand in the server's files, without the two fields that say when and by whom. */
  written(org: StandInOrg, queue: string, client: string, now: EpochMs): readonly StoredRow[]
  /** The same rows as they are read back. */
  stored(
    org: StandInOrg,
    queue: string,
    client: string,
    now: EpochMs,
  ): readonly { readonly at: EpochMs; readonly row: Row }[]
  /** The lines that an artifact has logged of a client. */
  logged(
    org: StandInOrg,
    client: string,
    artifact: string,
    now: EpochMs,
  ): readonly { readonly at: EpochMs; readonly row: Row }[]
  /** A flow as `flows()` gives it. */
  flow(org: StandInOrg, client: string, flow: string): Plain | undefined
  /** Keeps an in-app message for its reader. */
  send(message: StandInMessage): void
}

/** The user of the certificate unless another is named; role `api` in every organisation. */
export const standInPrincipal = 'connector'

/** A server with what the description says. */
export const createWorld = (description: WorldDescription = {}): StandInWorld => openWorld(description)

const insides = new WeakMap<StandInWorld, WorldInside>()

/** What the evaluator and the server see of a world made by `createWorld`. */
export const insideOf = (world: StandInWorld): WorldInside => {
  const inside = insides.get(world)
  if (inside === undefined) throw new Error('a world is made by createWorld')
  return inside
}

const openWorld = (description: WorldDescription): WorldInside => {
  const { t0, orgs, users, org, orgOf, set } = describeWorld(description)
  const revoked = new Set<string>()
  const lasting = lastingFaults()
  const delivery = openDelivery(lasting)
  const injection = openFaultInjection(lasting, delivery)
  const messages: StandInMessage[] = []

  const readable = (now: EpochMs, rows: readonly StoredRow[] = []): readonly StoredRow[] =>
    rows.filter(({ at }) => at + self.readDelayMs <= now || self.readDelayMs === 0)

  const emit = (orgId: string, queue: string, given: Plain | string, at: EpochMs, of?: string): void => {
    const org = orgOf(orgId)
    learnQueue(org, queue)
    const event = typeof given === 'string' ? verbatimEvent(given, at) : plainEvent(org, queue, given, at, t0)
    if (isOfServerArtifact(org, queue, event.row) && lasting.hits('begun anew', at)) return
    const type = typeOf(org, queue)
    const client = of ?? clientOf(event.row)
    if (type !== 'internal' && !(isCompletion(queue) && lasting.hits('unstored', at))) {
      const isOldLayout = self.keepsUnderServer && isCompletion(queue)
      append(org.history, queueKey(queue, isOldLayout ? 'server' : keeperOf(org, queue, client)), {
        at: event.at,
        writer: self.keepsUnderServer ? null : (event.source ?? writerOf(queue, type, event.row, client)),
        row: event.row,
      })
    }
    const live = new Map(event.row)
    live.set('_ts', Math.floor(event.at / 1000))
    if (!self.keepsUnderServer) live.set('_Source', queue)
    delivery.give(live, () => org.watchers.get(queue) ?? [], at)
  }

  const self: WorldInside = {
    t0,
    version: '0.77.2',
    messages,
    readDelayMs: 0,
    keepsUnderServer: false,
    users,
    lasting,
    set,
    emit,
    knowQueue: (orgId, queue) => learnQueue(orgOf(orgId), queue),
    get slowMs() {
      return injection.slowMs
    },
    get frozen() {
      return injection.frozen
    },
    whenFault: injection.whenFault,
    org,
    get orgs() {
      return [...orgs.values()]
    },
    log: (orgId, client, artifact, line, at) => {
      const org = orgOf(orgId)
      append(org.logs, queueKey(artifact, client), logRow(client, line, at, t0))
      if (client === 'server') return
      const known = org.clients.get(client) ?? clientRow({ client_id: client }, t0)
      org.clients.set(client, { ...known, last_seen_at: Math.max(Number(known['last_seen_at']), at * 1000) })
    },
    allows: (principal, org, permission) => {
      if (revoked.has(`${org} ${permission}`)) return false
      const rows = users.filter((user) => user['name'] === principal)
      if (rows.length === 0) return principal === standInPrincipal && rolesAllow(['api'], permission)
      return rows.some((user) => user['org_id'] === org && rolesAllow(listOf(user['roles']), permission))
    },
    mayPublish: (principal, org, queue) =>
      users.some(
        (user) =>
          user['name'] === principal && user['org_id'] === org && listOf(user['publish_queues']).includes(queue),
      ),
    isMember: (principal, org) =>
      users.some((user) => user['name'] === principal && user['org_id'] === org) ||
      (principal === standInPrincipal && !users.some((user) => user['name'] === principal)),
    knowsUser: (principal) => principal === standInPrincipal || users.some((user) => user['name'] === principal),
    watch: (org, queue, watcher) => {
      const watchers = org.watchers.get(queue) ?? new Set()
      org.watchers.set(queue, watchers)
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    written: (org, queue, client, now) => readable(now, org.history.get(queueKey(queue, keeperOf(org, queue, client)))),
    stored: (org, queue, client, now) =>
      self
        .written(org, queue, client, now)
        .map((stored) => ({ at: stored.at, row: (stored.reread ??= reread(stored)) })),
    logged: (org, client, artifact, now) => readable(now, org.logs.get(queueKey(artifact, client))),
    flow: (org, client, flow) => flowOf(org, client, flow, t0),
    send: (message) => messages.push(message),
    faults: {
      ...injection.commands,
      revoke: (org, permission) => revoked.add(`${org} ${permission}`),
      grant: (org, permission) => revoked.delete(`${org} ${permission}`),
      deleteArtifact: (org, name) => orgOf(org).artifacts.delete(name),
      deleteClient: (org, id) => dropClient(orgOf(org), id),
    },
  }
  insides.set(self, self)
  return self
}
