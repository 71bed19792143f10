import { type Observable } from 'rxjs'
import { ConnectorError } from '../connectors/errors.ts'
import type { EventLog, LogRecord, NewRecord, Task, Turn } from '../connectors/log/event-log.ts'
import {
  type FlowKey,
  flowKey,
  type FlowLookup,
  lookUpClients,
  lookUpDefinitions,
  lookUpFlows,
  lookUpHunts,
  orgs,
} from '../connectors/velociraptor/lookups.ts'
import type { Velociraptor } from '../connectors/velociraptor/velociraptor.ts'
import { huntOf } from '../operators/flow-facts.ts'
import type { ParkedEvent, RawEvent } from '../schemas/generated.ts'
import type { Tell } from '../schemas/happenings.ts'
import type { Clock, EpochMs } from '../schemas/time.ts'
import type { RowToComplete } from './kinds/kind.ts'
import { kinds, type SomeKind } from './kinds/kinds.ts'
import { type Backoff, backoffMs, type Random } from './runtime/backoff.ts'
import { type CachedLookup, cachedLookup } from './runtime/cached-lookup.ts'
import { decodeAll, type Decoded } from './runtime/decoding.ts'
import { type Marks, marksOf, prefixRange } from './runtime/marks.ts'
import { type LatestMarks, openLatestMarks } from './runtime/latest-marks.ts'
import { throughOutages } from './runtime/outage.ts'
import { mostEventBytes } from './runtime/record-sizes.ts'
import { rejection } from './runtime/rejection.ts'
import { runTopology, type TaskWork, type TurnResult } from './runtime/run-topology.ts'
import { openTurnState, type TurnState } from './runtime/turn-state.ts'
import { isGone } from './sources/known-orgs.ts'
import { artifactsOf, type LookedUp, text } from './sources/looked-up.ts'

export interface EnrichOptions {
  readonly log: EventLog
  readonly velociraptor: Velociraptor
  /** Organisation ids as in the configuration; any other one may go, and what came from it is completed without lookups. */
  readonly orgs: readonly string[]
  readonly clock: Clock
  readonly random: Random
  readonly tell: Tell
}

const hour = 3_600_000
const day = 24 * hour
/** Rows of the source may repeat for as long as the raw topic keeps them. */
const seenBucketMs = 7 * day
const seenPrefix = 'seen'
const parkedPrefix = 'parked/'
const timeDigits = 15
/** How long a flow is waited for: until its record is there and says how it ended. */
const longestWaitMs = 60_000
const looks: Backoff = { firstMs: 1000, longestMs: 16_000 }
const outageWaits: Backoff = { firstMs: 500, longestMs: 30_000 }
const mostParkedPerTurn = 500
/** Rows that are looked up and completed at a time: not all of a turn with their answers need be in memory at once. */
const finishedTogether = 50

/** A row to be completed: fresh from the log, or parked before. */
interface Wanted {
  readonly raw: RawEvent
  readonly row: RowToComplete
  readonly kind: SomeKind
  readonly at: Pick<LogRecord, 'topic' | 'partition' | 'offset'>
  readonly parked: { readonly key: string; readonly value: ParkedEvent } | null
}

const kindByRaw: ReadonlyMap<string, SomeKind> = new Map(
  kinds.flatMap((kind) => kind.with(({ raw }) => raw.map(({ name }) => [name, kind] as const))),
)

/** Completes raw rows of every kind with every fact that decisions and letters need. */
export const enrich = (options: EnrichOptions): Observable<never> => {
  const lookups = cachedLookups(options)
  return runTopology(options.log, { name: 'enrich', inputs: [...kindByRaw.keys()] }, (task) =>
    enrichTask(task, options, lookups),
  )
}

interface Lookups {
  readonly hunts: CachedLookup
  readonly definitions: CachedLookup
  readonly orgs: CachedLookup
}

const cachedLookups = ({ velociraptor, clock }: EnrichOptions): Lookups => ({
  hunts: cachedLookup({ clock, keptMs: 60_000, most: 1000, lookUp: (org, ids) => lookUpHunts(velociraptor, org, ids) }),
  definitions: cachedLookup({
    clock,
    keptMs: 60_000,
    most: 5000,
    lookUp: (org, names) => lookUpDefinitions(velociraptor, org, names),
  }),
  orgs: cachedLookup({
    clock,
    keptMs: 600_000,
    most: 1000,
    lookUp: async (org) => new Map((await orgs(velociraptor, org)).map(({ id, name }) => [id, { name }])),
  }),
})

const enrichTask = (task: Task, options: EnrichOptions, lookups: Lookups): TaskWork => {
  wakeForParked(task, openTurnState(task.state))
  const latest = openLatestMarks()
  return { turn: (turn) => enrichTurn({ task, turn, latest }, options, lookups) }
}

const enrichTurn = async (
  { task, turn, latest }: { readonly task: Task; readonly turn: Turn; readonly latest: LatestMarks },
  options: EnrichOptions,
  lookups: Lookups,
): Promise<TurnResult> => {
  const state = openTurnState(task.state)
  const seen = marksOf('Mark', state, { prefix: seenPrefix, bucketMs: seenBucketMs, latest })
  const append: NewRecord[] = []
  const finish = async (wanted: readonly Wanted[]): Promise<void> => {
    const lookedUp = await lookUpAll(wanted, task.lost, options, lookups)
    for (const one of wanted) {
      const found = lookedUp(one)
      const verdict = one.row.verdictOf(found, turn.now - (one.parked?.value.parked_at ?? turn.now) >= longestWaitMs)
      if (verdict === 'wait') park(task, state, one, turn.now, options.random)
      else {
        if (one.parked !== null) state.delete(one.parked.key)
        if (verdict === 'complete') append.push(...completed(one, found, turn.now))
        else append.push(...rejected(one, verdict.reason, turn.now))
      }
    }
  }
  await finish(dueParked(task, state, turn.now))
  for (let at = 0; at < turn.records.length; at += finishedTogether) {
    const records = turn.records.slice(at, at + finishedTogether)
    const read = await decodeAll('RawEvent', records, options, task.lost)
    await finish(read.flatMap((decoded) => fresh(decoded, seen, append, turn.now) ?? []))
  }
  seen.forget(turn.now - 2 * seenBucketMs)
  wakeForParked(task, state)
  return { append, put: state.puts() }
}

/** A row of the turn; null: a repeat of the source's, or what cannot be read. */
const fresh = (decoded: Decoded<'RawEvent'>, seen: Marks, append: NewRecord[], now: EpochMs): Wanted | null => {
  const { record } = decoded
  if ('problem' in decoded) {
    append.push(...unreadable(record, decoded.problem, now))
    return null
  }
  const raw = decoded.value
  if (seen.get(raw.id, raw.received_at) !== undefined) return null
  seen.put(raw.id, { event: '', at: raw.received_at })
  try {
    return wantedOf(raw, record, null)
  } catch (cause) {
    append.push(...unreadable(record, (cause as Error).message, now))
    return null
  }
}

const unreadable = (record: LogRecord, reason: string, at: EpochMs): readonly NewRecord[] => {
  const { topic, partition, offset, key, value } = record
  return rejection({ stage: 'enrich', topic, partition, offset, reason, at, key, bytes: value }, {}, partition)
}

const wantedOf = (raw: RawEvent, at: Wanted['at'], parked: Wanted['parked']): Wanted => {
  const kind = kindByRaw.get(at.topic) as SomeKind
  return { raw, kind, row: kind.with((each) => each.readRow(raw)), at, parked }
}

const rejected = ({ raw, row, at }: Wanted, reason: string, now: EpochMs): readonly NewRecord[] => {
  const { topic, partition, offset } = at
  return rejection(
    { stage: 'enrich', topic, partition, offset, reason, at: now, key: row.key, bytes: Buffer.from(raw.row) },
    { ...row.about, event: raw.id, org: raw.org, received_at: raw.received_at },
    partition,
  )
}

const completed = (one: Wanted, found: LookedUp, now: EpochMs): readonly NewRecord[] => {
  const { row, kind, at } = one
  const value = row.complete(found)
  if (value.length > mostEventBytes)
    return rejected(one, `the event has ${value.length} bytes, more than ${mostEventBytes}`, now)
  return [{ topic: kind.with(({ topic }) => topic.name), key: row.key, partition: at.partition, value }]
}

const lookupKey = (org: string, key: FlowKey): string => `${org} ${flowKey(key)}`
const nothing: LookedUp = { orgName: '', flow: null, client: null, metadata: null, hunt: null, definitions: new Map() }

const isDenied = (cause: unknown): boolean => cause instanceof ConnectorError && cause.code === 'VELOCIRAPTOR_DENIED'

/** Asks for everything that rows want to know; answers with what was found for one of them. */
const lookUpAll = async (
  wanted: readonly Wanted[],
  lost: AbortSignal,
  options: EnrichOptions,
  lookups: Lookups,
): Promise<(one: Wanted) => LookedUp> => {
  const { velociraptor, clock, random, tell } = options
  const found = new Map<string, LookedUp>()
  const names = new Map<string, string>()
  const byOrg = Map.groupBy(wanted, ({ raw }) => raw.org)
  for (const [org, ones] of byOrg) {
    const asked = ones.flatMap(({ row }) => row.asks ?? [])
    const find = async (): Promise<void> => {
      if (org !== 'root') names.set(org, text((await lookups.orgs(org, [org])).get(org)?.['name']))
      const records = await lookUpRecords(velociraptor, org, asked)
      const requested = [...records.values()].flatMap(({ flow }) => (flow === null ? [] : artifactsOf(flow)))
      const definitions = await lookups.definitions(org, [...new Set(requested)])
      const hunts = await lookups.hunts(org, [...new Set(asked.flatMap(({ flow }) => huntOf(flow) ?? []))])
      for (const key of asked) {
        const hunt = hunts.get(huntOf(key.flow) ?? '') ?? null
        const record = records.get(flowKey(key)) ?? nothing
        found.set(lookupKey(org, key), { ...record, definitions, hunt, orgName: names.get(org) || org })
      }
    }
    const findUnlessGone = (): Promise<void> =>
      find().catch(async (cause: unknown) => {
        if (!isDenied(cause) || !(await isGone(org, options))) throw cause
      })
    await throughOutages(findUnlessGone, lost, {
      clock,
      random,
      tell,
      waits: outageWaits,
      began: (reason) => ({ name: 'lookups away', org, reason }),
      ended: (away_ms, tries) => ({ name: 'lookups back', org, away_ms, tries }),
    })
  }
  return ({ raw: { org }, row: { asks } }) =>
    (asks === null ? undefined : found.get(lookupKey(org, asks))) ?? { ...nothing, orgName: names.get(org) || org }
}

/** Records of flows with their clients, and of clients alone where no flow is asked for. */
const lookUpRecords = async (
  velociraptor: Velociraptor,
  org: string,
  asked: readonly FlowKey[],
): Promise<ReadonlyMap<string, FlowLookup>> => {
  const flows = await lookUpFlows(
    velociraptor,
    org,
    asked.filter(({ flow }) => flow !== ''),
  )
  const ids = asked.filter(({ flow }) => flow === '').map(({ client }) => client)
  const clients = await lookUpClients(velociraptor, org, ids)
  return new Map([
    ...flows,
    ...[...clients].map(([client, found]) => [flowKey({ client, flow: '' }), { flow: null, ...found }] as const),
  ])
}

const parkedKey = (at: EpochMs, { topic, partition, offset }: Wanted['at']): string =>
  `${parkedPrefix}${paddedTime(at)}/${partition}/${offset}/${topic}`
const paddedTime = (at: EpochMs): string => String(at).padStart(timeDigits, '0')

/** Sets an event aside until the next look; the last look is when its time is over. */
const park = (task: Task, state: TurnState, one: Wanted, now: EpochMs, random: Random): void => {
  const { topic, partition, offset } = one.at
  const parked_at = one.parked?.value.parked_at ?? now
  const looked_up = (one.parked?.value.looked_up ?? 0) + 1
  const due_at = Math.min(now + backoffMs(looks, looked_up, random), parked_at + longestWaitMs)
  if (one.parked !== null) state.delete(one.parked.key)
  state.put('ParkedEvent', parkedKey(due_at, one.at), {
    raw: one.raw,
    topic,
    partition,
    offset,
    parked_at,
    looked_up,
    due_at,
  })
  task.wake(due_at)
}

const dueParked = (task: Task, state: TurnState, now: EpochMs): readonly Wanted[] => {
  const wanted: Wanted[] = []
  const [from] = prefixRange(parkedPrefix)
  for (const key of state.committedKeys(from, parkedPrefix + paddedTime(now + 1))) {
    if (wanted.length === mostParkedPerTurn) {
      task.wake(now)
      break
    }
    const value = state.get('ParkedEvent', key) as ParkedEvent
    wanted.push(wantedOf(value.raw, value, { key, value }))
  }
  return wanted
}

const wakeForParked = (task: Task, state: TurnState): void => {
  for (const key of state.committedKeys(...prefixRange(parkedPrefix)))
    return task.wake(Number(key.slice(parkedPrefix.length, parkedPrefix.length + timeDigits)))
}
