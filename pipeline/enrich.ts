import { type Observable } from 'rxjs'
import type { EventLog, LogRecord, NewRecord, Task, Turn } from '../connectors/log/event-log.ts'
import {
  type Dictionary,
  flowKey,
  lookUpDefinitions,
  lookUpFlows,
  lookUpHunts,
  orgs,
} from '../connectors/velociraptor/lookups.ts'
import type { Velociraptor } from '../connectors/velociraptor/velociraptor.ts'
import { huntOf } from '../operators/flow-facts.ts'
import { encode } from '../schemas/codec.ts'
import type { ParkedEvent, RawEvent } from '../schemas/generated.ts'
import type { Tell } from '../schemas/happenings.ts'
import { topics } from '../schemas/topics.ts'
import type { Clock, EpochMs } from '../schemas/time.ts'
import { type Backoff, backoffMs, type Random } from './runtime/backoff.ts'
import { type CachedLookup, cachedLookup } from './runtime/cached-lookup.ts'
import { decodeAll } from './runtime/decoding.ts'
import { marksIn, prefixRange } from './runtime/marks.ts'
import { throughOutages } from './runtime/outage.ts'
import { mostEventBytes } from './runtime/record-sizes.ts'
import { rejection } from './runtime/rejection.ts'
import { runTopology, type TaskWork, type TurnResult } from './runtime/run-topology.ts'
import { openTurnState, type TurnState } from './runtime/turn-state.ts'
import { readFlowCompletion } from './sources/flow-completion-row.ts'
import { artifactsOf, flowEventOf, isFinal } from './sources/flow-event.ts'

export interface EnrichOptions {
  readonly log: EventLog
  readonly velociraptor: Velociraptor
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
/** How long a flow is waited for: until its record is there and says how it ended. */
const longestWaitMs = 60_000
const looks: Backoff = { firstMs: 1000, longestMs: 16_000 }
const outageWaits: Backoff = { firstMs: 500, longestMs: 30_000 }
const mostParkedPerTurn = 500

/** An event to be completed: fresh from the log, or parked before. */
interface Wanted {
  readonly raw: RawEvent
  readonly client: string
  readonly flow: string
  /** The row, parsed. */
  readonly row: unknown
  readonly at: Pick<LogRecord, 'topic' | 'partition' | 'offset'>
  readonly parked: { readonly key: string; readonly value: ParkedEvent } | null
}

/** Completes raw flow completions with every fact that decisions and letters need. */
export const enrich = (options: EnrichOptions): Observable<never> => {
  const lookups = cachedLookups(options)
  return runTopology(options.log, { name: 'enrich', inputs: [topics.rawFlowCompletions.name] }, (task) =>
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
    lookUp: async () => new Map((await orgs(velociraptor)).map(({ id, name }) => [id, { name }])),
  }),
})

const enrichTask = (task: Task, options: EnrichOptions, lookups: Lookups): TaskWork => {
  wakeForParked(task, openTurnState(task.state))
  return { turn: (turn) => enrichTurn(task, turn, options, lookups) }
}

const enrichTurn = async (task: Task, turn: Turn, options: EnrichOptions, lookups: Lookups): Promise<TurnResult> => {
  const state = openTurnState(task.state)
  const append: NewRecord[] = []
  const wanted = [...dueParked(task, state, turn.now), ...(await fresh(turn, task, state, append, options))]
  const { flows, orgName } = await lookUpAll(wanted, task.lost, options, lookups)
  for (const one of wanted) {
    const found = flows.get(lookupKey(one)) ?? missing
    const verdict = verdictOf(one, found, turn.now)
    if (verdict === 'wait') park(task, state, one, turn.now, options.random)
    else {
      if (one.parked !== null) state.delete(one.parked.key)
      if (verdict === 'complete') append.push(...completed(one, found, orgName(one.raw.org), turn.now))
      else append.push(...rejected(one, verdict.reason, turn.now))
    }
  }
  marksIn(state, seenPrefix, seenBucketMs).forget(turn.now - 2 * seenBucketMs)
  wakeForParked(task, state)
  return { append, put: state.puts() }
}

/** The turn's new events: without what cannot be read and without the source's repeats. */
const fresh = async (
  turn: Turn,
  task: Task,
  state: TurnState,
  append: NewRecord[],
  options: EnrichOptions,
): Promise<readonly Wanted[]> => {
  const seen = marksIn(state, seenPrefix, seenBucketMs)
  const wanted: Wanted[] = []
  for (const decoded of await decodeAll('RawEvent', turn.records, options, task.lost)) {
    const { record } = decoded
    if ('problem' in decoded) {
      append.push(...unreadable(record, decoded.problem, turn.now))
      continue
    }
    const raw = decoded.value
    if (seen.get(raw.id, raw.received_at) !== undefined) continue
    seen.put(raw.id, { event: '', at: raw.received_at })
    try {
      const row: unknown = JSON.parse(raw.row)
      const { client, flow } = readFlowCompletion(row)
      wanted.push({ raw, client, flow, row, at: record, parked: null })
    } catch (cause) {
      append.push(...unreadable(record, (cause as Error).message, turn.now))
    }
  }
  return wanted
}

const unreadable = (record: LogRecord, reason: string, at: EpochMs): readonly NewRecord[] => {
  const { topic, partition, offset, key, value } = record
  return rejection({ stage: 'enrich', topic, partition, offset, reason, at, key, bytes: value }, {}, partition)
}

const rejected = ({ raw, client, flow, at }: Wanted, reason: string, now: EpochMs): readonly NewRecord[] =>
  rejection(
    {
      stage: 'enrich',
      topic: at.topic,
      partition: at.partition,
      offset: at.offset,
      reason,
      at: now,
      key: `${raw.org}/${client}`,
      bytes: Buffer.from(raw.row),
    },
    { event: raw.id, org: raw.org, client, flow, hunt: huntOf(flow) ?? '', received_at: raw.received_at },
    at.partition,
  )

interface Found {
  readonly flow: Dictionary | null
  readonly client: Dictionary | null
  readonly metadata: Dictionary | null
  readonly hunt: Dictionary | null
  readonly definitions: ReadonlyMap<string, Dictionary | null>
}
const missing: Found = { flow: null, client: null, metadata: null, hunt: null, definitions: new Map() }

const lookupKey = ({ raw, client, flow }: Wanted): string => `${raw.org} ${flowKey({ client, flow })}`

/** Server collections are told by their row alone: no monitor speaks of them. */
const isServer = ({ client }: Wanted): boolean => client === 'server'

interface AllFound {
  readonly flows: ReadonlyMap<string, Found>
  readonly orgName: (org: string) => string
}

const lookUpAll = async (
  wanted: readonly Wanted[],
  lost: AbortSignal,
  options: EnrichOptions,
  lookups: Lookups,
): Promise<AllFound> => {
  const { velociraptor, clock, random, tell } = options
  const flows = new Map<string, Found>()
  const names = new Map<string, string>()
  const byOrg = Map.groupBy(
    wanted.filter((one) => !isServer(one)),
    ({ raw }) => raw.org,
  )
  for (const [org, ones] of byOrg) {
    const find = async (): Promise<void> => {
      const found = await lookUpFlows(velociraptor, org, ones)
      const records = [...found.values()].flatMap(({ flow }) => (flow === null ? [] : [flow]))
      const definitions = await lookups.definitions(org, [...new Set(records.flatMap(artifactsOf))])
      const named = org === 'root' ? undefined : (await lookups.orgs('root', [org])).get(org)
      const name = named?.['name']
      names.set(org, typeof name === 'string' && name !== '' ? name : org)
      const hunts = await lookups.hunts(org, [...new Set(ones.flatMap(({ flow }) => huntOf(flow) ?? []))])
      for (const one of ones) {
        const facts = found.get(flowKey(one)) ?? missing
        flows.set(lookupKey(one), { ...facts, definitions, hunt: hunts.get(huntOf(one.flow) ?? '') ?? null })
      }
    }
    await throughOutages(find, lost, {
      clock,
      random,
      tell,
      waits: outageWaits,
      began: (reason) => ({ name: 'lookups away', org, reason }),
      ended: (away_ms, tries) => ({ name: 'lookups back', org, away_ms, tries }),
    })
  }
  return { flows, orgName: (org) => names.get(org) ?? org }
}

const verdictOf = (
  one: Wanted,
  { flow, client }: Found,
  now: EpochMs,
): 'complete' | 'wait' | { readonly reason: string } => {
  if (isServer(one)) return 'complete'
  const waited = now - (one.parked?.value.parked_at ?? now)
  const isOver = waited >= longestWaitMs
  if (flow === null) return isOver ? { reason: 'flow not found' } : 'wait'
  if (client === null) return isOver ? { reason: 'client not found' } : 'wait'
  return isFinal(flow) || isOver ? 'complete' : 'wait'
}

const completed = (one: Wanted, found: Found, orgName: string, now: EpochMs): readonly NewRecord[] => {
  const { raw, client, at } = one
  const value = encode('FlowEvent', flowEventOf(raw, { ...found, orgName }, one.row))
  if (value.length > mostEventBytes)
    return rejected(one, `the event has ${value.length} bytes, more than ${mostEventBytes}`, now)
  return [{ topic: topics.flowEvents.name, key: `${raw.org}/${client}`, partition: at.partition, value }]
}

const parkedKey = (at: EpochMs, partition: number, offset: number): string =>
  `${parkedPrefix}${String(at).padStart(15, '0')}/${partition}/${offset}`

/** Sets an event aside until the next look; the last look is when its time is over. */
const park = (task: Task, state: TurnState, one: Wanted, now: EpochMs, random: Random): void => {
  const { topic, partition, offset } = one.at
  const parked_at = one.parked?.value.parked_at ?? now
  const looked_up = (one.parked?.value.looked_up ?? 0) + 1
  const due_at = Math.min(now + backoffMs(looks, looked_up, random), parked_at + longestWaitMs)
  if (one.parked !== null) state.delete(one.parked.key)
  state.put('ParkedEvent', parkedKey(due_at, partition, offset), {
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
  for (const key of state.committedKeys(from, parkedKey(now + 1, 0, 0))) {
    if (wanted.length === mostParkedPerTurn) {
      task.wake(now)
      break
    }
    const value = state.get('ParkedEvent', key) as ParkedEvent
    const row: unknown = JSON.parse(value.raw.row)
    const { client, flow } = readFlowCompletion(row)
    wanted.push({ raw: value.raw, client, flow, row, at: value, parked: { key, value } })
  }
  return wanted
}

const wakeForParked = (task: Task, state: TurnState): void => {
  for (const key of state.committedKeys(...prefixRange(parkedPrefix)))
    return task.wake(Number(key.slice(parkedPrefix.length, parkedPrefix.length + 15)))
}
