import type { EpochMs } from '../../../schemas/time.ts'
import { splitMembers } from '../split-rows.ts'
import {
  artifactRow,
  builtInArtifacts,
  clientRow,
  completionFlow,
  flowRow,
  huntRow,
  isPlain,
  plainOf,
  rolesAllow,
  serverClientRow,
  userRow,
  type FlowResults,
  type Plain,
} from './defaults.ts'
import { lastingFaults, type Faults, type LastingFaults } from './faults.ts'
import { openDelivery } from './delivery.ts'
import { goTime, momentNs, timeField } from './moments.ts'
import { uploadOf, type KeptFile } from './uploads.ts'
import { fromPlain, integer, readJson, toJson, writeMoment, type Row, type Value } from './vql/values.ts'

export type { Faults } from './faults.ts'

/** The world of a scenario: what the server knows. Rows have the shapes of the API; fields left out get a default. */
export interface WorldDescription {
  /** T; default 2026-01-01T00:00:00Z. */
  readonly now?: EpochMs | string
  readonly orgs?: readonly Plain[]
  readonly clients?: readonly Plain[]
  readonly flows?: readonly Plain[]
  readonly hunts?: readonly Plain[]
  readonly artifacts?: readonly Plain[]
  readonly users?: readonly Plain[]
  readonly results?: readonly Plain[]
  readonly uploads?: readonly Plain[]
  readonly server_monitoring?: unknown
  readonly client_monitoring?: unknown
}

export interface StandInLogLine {
  readonly level: string
  readonly message: string
  /** Client clock, s; default: when it is stored. */
  readonly client_time?: unknown
}

/** A row as the server stored it. */
export interface StoredRow {
  readonly at: EpochMs
  /** null: the row does not say. */
  readonly writer: string | null
  readonly row: Row
  reread?: Row
}

type Watcher = (row: Row) => void

/** The begin or the end of a fault, as running queries are told. */
type FaultCall = 'cut' | 'thaw' | 'refuse' | 'heal' | 'half-open'

/** What one organisation holds. */
export interface StandInOrg {
  readonly id: string
  readonly name: string
  readonly clients: Map<string, Plain>
  readonly metadata: Map<string, unknown>
  readonly flows: Map<string, Plain>
  readonly hunts: Map<string, Plain>
  readonly artifacts: Map<string, Plain>
  readonly results: Map<string, readonly unknown[]>
  readonly uploads: Map<string, readonly unknown[]>
  /** Files of which the bytes are kept, by their components as JSON. */
  readonly files: Map<string, KeptFile>
  serverMonitoring: unknown
  clientMonitoring: unknown
  readonly history: Map<string, StoredRow[]>
  readonly logs: Map<string, StoredRow[]>
  readonly watchers: Map<string, Set<Watcher>>
}

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
export interface WorldInside extends StandInWorld {
  org(id: string): StandInOrg | undefined
  readonly orgs: readonly StandInOrg[]
  readonly users: readonly Plain[]
  readonly lasting: LastingFaults
  readonly slowMs: number
  readonly frozen: boolean
  allows(principal: string, org: string, permission: string): boolean
  /** Whether a user's `publish_queues` names the queue: no role is enough. */
  mayPublish(principal: string, org: string, queue: string): boolean
  /** Whether a user was given any role in an organisation. */
  isMember(principal: string, org: string): boolean
  knowsUser(principal: string): boolean
  watch(org: StandInOrg, queue: string, watcher: Watcher): () => void
  /** The rows of a queue as they stand in the server's files, without the two fields that say when and by whom. */
  written(org: StandInOrg, queue: string, client: string, now: EpochMs): readonly StoredRow[]
  stored(
    org: StandInOrg,
    queue: string,
    client: string,
    now: EpochMs,
  ): readonly { readonly at: EpochMs; readonly row: Row }[]
  logged(
    org: StandInOrg,
    client: string,
    artifact: string,
    now: EpochMs,
  ): readonly { readonly at: EpochMs; readonly row: Row }[]
  flow(org: StandInOrg, client: string, flow: string): Plain | undefined
  send(message: StandInMessage): void
  /** Calls when a fault begins or ends. Returns what forgets the call. */
  whenFault(call: (what: FaultCall, untilMs: EpochMs) => void): () => void
}

/** The user of the certificate unless another is named; role `api` in every organisation. */
export const standInPrincipal = 'connector'

const defaultT0 = Date.UTC(2026, 0, 1)

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
  const t0 = startOf(description.now)
  const organisations = new Map<string, StandInOrg>([['root', emptyOrg('root', '<root>')]])
  const users: Plain[] = []
  const revoked = new Set<string>()
  const lasting = lastingFaults()
  const delivery = openDelivery(lasting)
  const listeners = new Set<(what: FaultCall, untilMs: EpochMs) => void>()
  const messages: StandInMessage[] = []
  let frozen = false
  let slowMs = 0

  const tellFault = (what: FaultCall, untilMs = Infinity): void => {
    for (const listener of [...listeners]) listener(what, untilMs)
  }
  const orgOf = (id: string): StandInOrg => {
    const known = organisations.get(id === '' ? 'root' : id)
    if (known === undefined) throw new Error(`the world has no organisation ${id}: name it under orgs`)
    return known
  }
  const orgFor = (item: Plain): StandInOrg => orgOf(typeof item['org'] === 'string' ? item['org'] : 'root')

  const set = (change: WorldDescription): void => {
    for (const { id, name } of (change.orgs ?? []).map(plainOf))
      if (typeof id === 'string' && !organisations.has(id))
        organisations.set(id, emptyOrg(id, typeof name === 'string' ? name : id))
    for (const item of change.clients ?? []) {
      const org = orgFor(item)
      org.clients.set(textOf(item['client_id']), clientRow(item, t0))
      if ('metadata' in item) org.metadata.set(textOf(item['client_id']), item['metadata'])
    }
    for (const item of change.flows ?? []) orgFor(item).flows.set(pair(item['client_id'], item['session_id']), item)
    for (const item of change.hunts ?? []) orgFor(item).hunts.set(textOf(item['hunt_id']), huntRow(item, t0))
    for (const item of change.artifacts ?? []) {
      // Artifacts of the root organisation are seen in every other one.
      const row = artifactRow(item)
      for (const org of item['org'] === undefined ? organisations.values() : [orgFor(item)])
        org.artifacts.set(textOf(item['name']), row)
    }
    for (const item of change.users ?? []) {
      const row = userRow(item)
      const at = users.findIndex((one) => one['name'] === row['name'] && one['org_id'] === row['org_id'])
      if (at === -1) users.push(row)
      else users[at] = row
    }
    for (const item of change.results ?? [])
      orgFor(item).results.set(
        `${pair(item['client_id'], item['flow_id'])} ${textOf(item['artifact'])}`,
        listOf(item['rows']),
      )
    for (const item of change.uploads ?? []) {
      const { uploads, files } = orgFor(item)
      const key = { client: textOf(item['client_id']), flow: textOf(item['flow_id']) }
      dropFiles(files, ['clients', key.client, 'collections', key.flow])
      const made = listOf(item['rows']).map((row) => uploadOf(row, key, t0))
      uploads.set(
        pair(key.client, key.flow),
        made.flatMap(({ rows }) => rows),
      )
      for (const file of made.flatMap((one) => one.files)) files.set(JSON.stringify(file.components), file)
    }
    if (change.server_monitoring !== undefined) orgOf('root').serverMonitoring = change.server_monitoring
    if (change.client_monitoring !== undefined) orgOf('root').clientMonitoring = change.client_monitoring
  }

  const readable = (rows: readonly StoredRow[], now: EpochMs): readonly StoredRow[] =>
    rows.filter(({ at }) => at + self.readDelayMs <= now || self.readDelayMs === 0)

  const knowQueue = (orgId: string, queue: string): void => {
    const org = orgOf(orgId)
    const [artifact, source] = cut(queue)
    if (org.artifacts.has(artifact)) return
    org.artifacts.set(
      artifact,
      artifactRow({ name: artifact, type: 'CLIENT_EVENT', sources: [{ name: source ?? '' }] }),
    )
  }

  const emit = (orgId: string, queue: string, given: Plain | string, at: EpochMs, of?: string): void => {
    const org = orgOf(orgId)
    knowQueue(orgId, queue)
    const event = typeof given === 'string' ? verbatimEvent(given, at) : plainEvent(org, queue, given, at)
    const type = typeOf(org, queue)
    if (isOfServerArtifact(org, queue, event.row) && lasting.hits('begun anew', at)) return
    const client = of ?? clientOf(event.row)
    if (type !== 'internal' && !(isCompletion(queue) && lasting.hits('unstored', at))) {
      const isOldLayout = self.keepsUnderServer && isCompletion(queue)
      const key = historyKey(queue, type === 'server_event' || isOldLayout ? 'server' : client)
      append(org.history, key, {
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

  const plainEvent = (org: StandInOrg, queue: string, given: Plain, at: EpochMs): Event => {
    const { _ts, _Source, ...row } = withOwnTime(queue, given, at, t0)
    const own = timeField(_ts, 's', t0)
    if (queue === 'System.Flow.Completion' && !('Flow' in row)) {
      const flow = self.flow(org, textOf(row['ClientId']), textOf(row['FlowId']))
      if (flow !== undefined) return toEvent(queue, withFlow(row, flow), own, _Source, at)
    }
    return toEvent(queue, row, own, _Source, at)
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
    knowQueue,
    get slowMs() {
      return slowMs
    },
    get frozen() {
      return frozen
    },
    get orgs() {
      return [...organisations.values()]
    },
    org: (id) => organisations.get(id === '' ? 'root' : id),
    log: (orgId, client, artifact, line, at) => {
      const org = orgOf(orgId)
      append(org.logs, historyKey(artifact, client), logRow(client, line, at, t0))
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
    written: (org, queue, client, now) =>
      readable(
        org.history.get(historyKey(queue, typeOf(org, queue) === 'server_event' ? 'server' : client)) ?? [],
        now,
      ),
    stored: (org, queue, client, now) =>
      self
        .written(org, queue, client, now)
        .map((stored) => ({ at: stored.at, row: (stored.reread ??= reread(stored)) })),
    logged: (org, client, artifact, now) => readable(org.logs.get(historyKey(artifact, client)) ?? [], now),
    flow: (org, client, flow) => {
      const found = org.flows.get(pair(client, flow))
      return found === undefined ? undefined : flowRow(found, t0, resultsOf(org, client, flow))
    },
    send: (message) => messages.push(message),
    whenFault: (call) => {
      listeners.add(call)
      return () => listeners.delete(call)
    },
    faults: {
      cut: () => tellFault('cut'),
      freeze: () => {
        frozen = true
      },
      thaw: () => {
        frozen = false
        tellFault('thaw')
      },
      refuse: (span = {}) => {
        lasting.begin('refuse', span)
        tellFault('cut')
        if (span.times === undefined) tellFault('refuse', span.untilMs)
      },
      lookupsEmpty: (span = {}) => lasting.begin('empty', span),
      lookupsSlow: (delayMs, span = {}) => {
        slowMs = delayMs
        lasting.begin('slow', span)
      },
      lookupsFail: (span = {}) => lasting.begin('fail', span),
      halfOpen: () => tellFault('half-open'),
      restart: (span) => {
        delivery.lose()
        if (span === undefined) tellFault('cut')
        else self.faults.refuse(span)
      },
      overflow: (span = {}) => lasting.begin('overflow', span),
      spill: (span = {}) => lasting.begin('spill', span),
      reorder: (span = {}) => lasting.begin('reorder', span),
      repeat: (span = {}) => lasting.begin('repeat', span),
      storeNothing: (span = {}) => lasting.begin('unstored', span),
      eventTableChanged: (span = {}) => lasting.begin('begun anew', span),
      revoke: (org, permission) => revoked.add(`${org} ${permission}`),
      grant: (org, permission) => revoked.delete(`${org} ${permission}`),
      deleteArtifact: (org, name) => orgOf(org).artifacts.delete(name),
      deleteClient: (org, id) => {
        const { clients, logs, history, files } = orgOf(org)
        clients.delete(id)
        dropFiles(files, ['clients', id])
        for (const kept of [logs, history])
          for (const key of kept.keys()) if (key.startsWith(`${id} `)) kept.delete(key)
      },
      heal: () => {
        lasting.end()
        delivery.flush()
        frozen = false
        tellFault('thaw')
        tellFault('heal')
      },
    },
  }
  set(description)
  insides.set(self, self)
  return self
}

interface Event {
  readonly row: Row
  readonly at: EpochMs
  readonly source?: string
}

const startOf = (now: WorldDescription['now']): EpochMs => {
  if (typeof now === 'number') return now
  const ns = now === undefined ? null : momentNs(now, defaultT0)
  return ns === null ? defaultT0 : Number(ns / 1_000_000n)
}

const emptyOrg = (id: string, name: string): StandInOrg => ({
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

/** Text as it stands; '' for everything else. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** The key of a flow. */
export const pair = (client: unknown, flow: unknown): string => `${textOf(client)} ${textOf(flow)}`

const historyKey = (queue: string, client: string): string => `${client} ${queue}`

const append = <T>(map: Map<string, T[]>, key: string, item: T): void => {
  const items = map.get(key)
  if (items === undefined) map.set(key, [item])
  else items.push(item)
}

/** Artifact and source of a queue's name. */
export const cut = (queue: string): readonly [artifact: string, source: string | undefined] => {
  const at = queue.indexOf('/')
  return at === -1 ? [queue, undefined] : [queue.slice(0, at), queue.slice(at + 1)]
}

/** Whether an organisation knows a queue's artifact, and the named source in it. */
export const knowsArtifact = (org: StandInOrg, queue: string): boolean => {
  const [artifact, source] = cut(queue)
  const row = org.artifacts.get(artifact)
  return (
    row !== undefined &&
    (source === undefined || listOf(row['sources']).some((one) => isPlain(one) && one['name'] === source))
  )
}

/** The type of a queue's artifact, in lower case. */
export const typeOf = (org: StandInOrg, queue: string): string => textOf(org.artifacts.get(cut(queue)[0])?.['type'])

/** Drops the files below a folder. */
const dropFiles = (files: Map<string, KeptFile>, folder: readonly string[]): void => {
  for (const [key, { components }] of files) if (folder.every((name, n) => components[n] === name)) files.delete(key)
}

const resultsOf = (org: StandInOrg, client: string, flow: string): FlowResults => {
  const prefix = `${pair(client, flow)} `
  const results = [...org.results].filter(([key, rows]) => key.startsWith(prefix) && rows.length > 0)
  const files = (org.uploads.get(pair(client, flow)) ?? []).map(plainOf).filter((row) => row['Type'] !== 'idx')
  return {
    sources: results.map(([key]) => key.slice(prefix.length)),
    rows: results.reduce((sum, [, rows]) => sum + rows.length, 0),
    files: files.length,
    bytes: files.reduce((sum, row) => sum + Number(row['uploaded_size'] ?? row['file_size'] ?? 0), 0),
  }
}

const withFlow = (row: Plain, flow: Plain): Plain => {
  const { Timestamp, ...rest } = row
  return { Timestamp, Flow: completionFlow(flow), ...rest }
}

const ownTimes = ['create_time', 'start_time', 'active_time']

/** The row's own time, from `at` where left out, and moments read where the row's shape has times. */
const withOwnTime = (queue: string, given: Plain, at: EpochMs, t0: EpochMs): Plain => {
  const row: Record<string, unknown> = {}
  const stamped = /^System\.(Flow|Upload)\.Completion$|^System\.Hunt\.Creation$/.test(queue)
  if (stamped && !('Timestamp' in given)) row['Timestamp'] = Math.floor(at / 1000)
  for (const [key, value] of Object.entries(given)) {
    if (key === 'Timestamp') row[key] = stamped ? timeField(value, 's', t0) : value
    else if (key === 'Flow' && isPlain(value))
      row[key] = Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, ownTimes.includes(name) ? timeField(item, 'us', t0) : item]),
      )
    else row[key] = value
  }
  if (queue !== 'Server.Internal.Alerts') return row
  const moment = 'timestamp' in row ? row['timestamp'] : 'T'
  const ns = typeof moment === 'string' ? momentNs(moment, moment === 'T' && !('timestamp' in row) ? at : t0) : null
  return ns === null
    ? row
    : { ...row, timestamp: typeof moment === 'string' && !moment.startsWith('T') ? moment : writeMoment(ns) }
}

const toEvent = (queue: string, row: Plain, own: unknown, source: unknown, at: EpochMs): Event => ({
  row: new Map(Object.entries(row).map(([key, value]) => [key, { kind: 'json', text: columnJson(queue, key, value) }])),
  at: ownTime(own, at),
  ...(typeof source === 'string' ? { source } : {}),
})

// The server's encoder for hunts alone leaves <, > and & as they are.
const columnJson = (queue: string, key: string, value: unknown): string => {
  const text = toJson(fromPlain(value))
  return queue === 'System.Hunt.Creation' && key === 'Hunt'
    ? text.replace(/\\u00(3c|3e|26)/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    : text
}

const ownTime = (own: unknown, at: EpochMs): EpochMs => {
  const seconds = Number(own)
  if (own === undefined || own === null || !Number.isFinite(seconds)) return at
  return seconds > 20_000_000_000 ? seconds : Math.floor(at / 1000) === seconds ? at : seconds * 1000
}

/** The columns of a JSON object, each value's text untouched. */
const verbatimEvent = (text: string, at: EpochMs): Event => {
  const row = new Map<string, Value>()
  for (const [key, json] of splitMembers(text)) row.set(key, { kind: 'json', text: json })
  const own = row.get('_ts')
  const source = row.get('_Source')
  row.delete('_ts')
  row.delete('_Source')
  return {
    row,
    at: own === undefined ? at : ownTime(JSON.parse(toJson(own)), at),
    ...(source === undefined ? {} : { source: String(JSON.parse(toJson(source))) }),
  }
}

const clientOf = (row: Row): string => {
  const found = row.get('ClientId')
  return found === undefined ? 'server' : textOf(JSON.parse(toJson(found)))
}

/** Whether a query of a server event artifact made a row: of its own queue, or an alert. */
const isOfServerArtifact = (org: StandInOrg, queue: string, row: Row): boolean => {
  if (queue === 'Server.Internal.Alerts') return toJson(row.get('artifact_type') ?? null) === '"SERVER_MONITORING"'
  const artifact = org.artifacts.get(cut(queue)[0])
  return artifact?.['type'] === 'server_event' && artifact['built_in'] !== true
}

/** Queues whose rows a minion passes on without storing them, and which older servers keep elsewhere. */
const isCompletion = (queue: string): boolean => /^System\.(Flow|Upload)\.Completion$/.test(queue)

/** Who writes a queue, as `_Source` says when it is read back. */
const writerOf = (queue: string, type: string, row: Row, client: string): string => {
  if (queue === 'Server.Internal.Alerts') return ''
  if (queue === 'Server.Audit.Logs') return textOf(JSON.parse(toJson(row.get('principal') ?? '')))
  if (queue.startsWith('System.')) return 'server'
  return type === 'client_event' ? client : 'VelociraptorServer'
}

/** What was stored, as it is read back: texts that look like times have become times, all in UTC. */
const reread = ({ row, writer, at }: StoredRow): Row => {
  const read = new Map<string, Value>()
  for (const [key, value] of row)
    read.set(key, { kind: 'json', text: toJson(readJson(toJson(value), { moments: true })) })
  if (writer !== null) read.set('_Source', writer)
  return read.set('_ts', at)
}

const logRow = (
  client: string,
  { level, message, client_time }: StandInLogLine,
  at: EpochMs,
  t0: EpochMs,
): StoredRow => ({
  at,
  writer: '',
  row: new Map<string, Value>(
    client === 'server'
      ? [
          ['Timestamp', goTime(at)],
          ['Level', level],
          ['Message', message],
          ['_ts', at],
        ]
      : [
          ['client_time', fromPlain(timeField(client_time ?? integer(BigInt(Math.floor(at / 1000))), 's', t0))],
          ['level', level],
          ['message', message],
          ['_ts', at],
        ],
  ),
})
