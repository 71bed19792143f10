import { combineLatest, defer, ignoreElements, map, type Observable, of, shareReplay, tap } from 'rxjs'
import { ConnectorError } from '../connectors/errors.ts'
import type { EventLog, NewRecord, Task, Turn } from '../connectors/log/event-log.ts'
import { partitionOf } from '../connectors/log/partition-of.ts'
import type { Velociraptor } from '../connectors/velociraptor/velociraptor.ts'
import { decode, encode } from '../schemas/codec.ts'
import type { CollectCursor } from '../schemas/generated.ts'
import type { Happening, Tell } from '../schemas/happenings.ts'
import type { Clock, EpochMs } from '../schemas/time.ts'
import type { Random } from './runtime/backoff.ts'
import { marksIn } from './runtime/marks.ts'
import { mostRowBytes } from './runtime/record-sizes.ts'
import { rejection } from './runtime/rejection.ts'
import { runEach } from './runtime/run-each.ts'
import { runTopology, type TaskWork, type TurnResult } from './runtime/run-topology.ts'
import { openTurnState, type TurnState } from './runtime/turn-state.ts'
import { readFlowCompletion } from './sources/flow-completion-row.ts'
import { type KnownOrg, knownOrgs } from './sources/known-orgs.ts'
import type { QueueSource } from './sources/queue-source.ts'
import { reconnecting, unlessGone } from './sources/reconnecting.ts'
import { type Arrival, overlapMs, subscription } from './sources/subscription.ts'
import { openTurnTale } from './sources/turn-tale.ts'
import { substanceHash } from './sources/substance.ts'
import { cameBefore } from './sources/twins.ts'

export interface CollectOptions {
  readonly log: EventLog
  readonly velociraptor: Velociraptor
  readonly clock: Clock
  readonly random: Random
  readonly tell: Tell
  /** Organisation ids; `*`: every one that the certificate's user may see, also those to come. */
  readonly orgs: readonly string[]
  /** The queues that are read from now on. */
  readonly sources: Observable<readonly QueueSource[]>
  /** Where a first run begins, epoch ms; null: now. */
  readonly since: EpochMs | null
  /** Rows held in memory before the log has them; beyond it the stream is given up and history asked instead. Default 100,000. */
  readonly mostHeld?: number
}

const markBucketMs = 3_600_000
const mostArrivalsPerTurn = 1000
const usuallyMostHeld = 100_000
/** Flows that ended, so that a look through all flows tells none of them again. */
const endedPrefix = (org: string): string => `ended/${org}`
const endedBucketMs = 86_400_000
const endedKeptMs = 7 * endedBucketMs
const cursorEveryMs = 30_000
/** Rows told live up to a beat may still be on their way when it comes. */
const beatMarginMs = 2000

const cursorKey = (org: string, queue: string): string => `cursor/${org}/${queue}`
const seenPrefix = (org: string, queue: string): string => `seen/${org}/${queue}`

interface Collecting extends CollectOptions {
  /** Where the first run of each queue began, so that what came before its first commit is read again when that fails. */
  readonly begun: Map<string, EpochMs>
}

/** Pulls event queues into the raw topics: rows and cursor in one commit. One task a slot; an organisation's queue belongs to one slot. */
export const collect = (given: CollectOptions): Observable<never> => {
  const options: Collecting = { ...given, begun: new Map() }
  const slots = options.log.partitions
  const orgs = knownOrgs(options.orgs, options).pipe(shareReplay({ bufferSize: 1, refCount: true }))
  return runTopology(options.log, { name: 'collect', inputs: [], slots }, (task) =>
    collectSlot(
      task,
      combineLatest([options.sources, orgs]).pipe(
        map(([sources, known]) => readersOf(sources, known, { partition: task.partition, slots })),
      ),
      options,
    ),
  )
}

/** Who reads in a slot: of each organisation the queues that belong to it, those that may be missing each by itself. */
const readersOf = (
  all: readonly QueueSource[],
  orgs: readonly KnownOrg[],
  { partition, slots }: { readonly partition: number; readonly slots: number },
): readonly Reader[] =>
  orgs.flatMap(({ id: org, since }) => {
    const own = all.filter(({ queue }) => partitionOf(`${org}/${queue}`, slots) === partition)
    const certain = own.filter(({ mayBeMissing }) => !mayBeMissing)
    // One queue that is not there would end the stream of the others.
    const uncertain = own.filter(({ mayBeMissing }) => mayBeMissing).map((source) => [source])
    return [certain, ...uncertain]
      .filter((sources) => sources.length > 0)
      .map((sources) => ({ org, foundSince: since, sources }))
  })

const nameOf = ({ org, sources }: Reader): string => [org, ...sources.map(({ queue }) => queue)].join('\n')

interface Reader {
  readonly org: string
  /** The organisation was found while running and came after this time, epoch ms; null: it was there. */
  readonly foundSince: EpochMs | null
  readonly sources: readonly QueueSource[]
}
/** `isRepair`: the stream lived while the row should have come by it. */
type Held = Arrival & Reader & { readonly isRepair: boolean }

/** One slot: its readers fill a bounded inbox, its turns empty it. */
const collectSlot = (task: Task, readers: Observable<readonly Reader[]>, options: Collecting): TaskWork => {
  const inbox: Held[] = []
  const cursorOf = ({ org }: Reader, { queue }: QueueSource): CollectCursor | undefined => {
    const stored = task.state.get(cursorKey(org, queue))
    return stored === undefined ? undefined : decode('CollectCursor', stored)
  }
  const mostHeld = options.mostHeld ?? usuallyMostHeld
  const hold = (reader: Reader, arrival: Arrival, isRepair: boolean): void => {
    // Most beats say nothing new: they would only wake the task for an empty commit.
    if (
      arrival.kind === 'beat' &&
      reader.sources.every((source) => movedTo(cursorOf(reader, source), arrival) === null)
    )
      return
    // A history longer than the inbox is read again from its begin: what the log has of it must not fill the inbox anew.
    if (inbox.length >= mostArrivalsPerTurn && isKnown(task, reader, arrival, options.clock.now())) return
    if (inbox.length >= mostHeld)
      throw new ConnectorError(
        'VELOCIRAPTOR_UNAVAILABLE',
        `${mostHeld} rows wait for the log: the stream is given up, history will be asked instead`,
      )
    inbox.push({ ...arrival, ...reader, isRepair })
    task.wake(options.clock.now())
  }
  return {
    turn(turn) {
      const taken = inbox.splice(0, mostArrivalsPerTurn)
      if (inbox.length > 0) task.wake(turn.now)
      const { told, ...result } = turnResult(taken, turn, openTurnState(task.state), options)
      return of({ ...result, afterwards: () => told.forEach((each) => options.tell(each)) })
    },
    beside: runEach(readers, nameOf, (reader) =>
      defer(() => {
        let isInSync = false
        return read(task, reader, options).pipe(
          tap((arrival) => {
            hold(reader, arrival, isInSync && arrival.kind === 'row' && arrival.origin === 'history')
            if (arrival.kind !== 'row') isInSync ||= arrival.isInSync
          }),
        )
      }).pipe(reconnecting(reader, options), unlessGone(reader.org, options)),
    ).pipe(ignoreElements()),
  }
}

/** Whether a row of history is in the log already. */
const isKnown = (task: Task, { org }: Reader, arrival: Arrival, now: EpochMs): boolean => {
  if (arrival.kind !== 'row' || arrival.origin !== 'history') return false
  try {
    const { id, receivedAt } = arrival.source.identify(org, arrival.row, now, arrival.copy)
    return (
      marksIn(openTurnState(task.state), seenPrefix(org, arrival.source.queue), markBucketMs).get(id, receivedAt) !==
      undefined
    )
  } catch {
    return false
  }
}

/** Where a queue's history is read from: its cursor, less the overlap; a first run begins now or at `since`. */
const read = (
  task: Task,
  { org, sources, foundSince }: Reader,
  { velociraptor, clock, since, tell, begun }: Collecting,
): Observable<Arrival> =>
  subscription({
    velociraptor,
    clock,
    org,
    sources,
    historyFrom({ queue }, serverNow) {
      const key = cursorKey(org, queue)
      const stored = task.state.get(key)
      if (stored !== undefined) {
        const { history_at } = decode('CollectCursor', stored)
        tell({ name: 'queue read back', org, queue, from: history_at, to: serverNow })
        return Math.max(0, history_at - overlapMs)
      }
      const before = begun.get(key)
      if (before !== undefined) return before
      const beginning = since ?? foundSince ?? serverNow
      begun.set(key, beginning)
      tell({ name: 'collect begins', org, queue, at: new Date(beginning).toISOString() })
      if (beginning < serverNow) tell({ name: 'queue read back', org, queue, from: beginning, to: serverNow })
      return beginning
    },
    sweepFailed: (reason) => tell({ name: 'flow sweep failed', org, reason }),
  })

const turnResult = (
  taken: readonly Held[],
  turn: Turn,
  state: TurnState,
  options: Collecting,
): TurnResult & { readonly told: readonly Happening[] } => {
  const append: NewRecord[] = []
  const told = openTurnTale()
  for (const held of taken) {
    if (held.kind !== 'row') {
      for (const { queue } of held.sources) advance(state, held, queue, options)
      continue
    }
    const records = takeRow(held, turn, state)
    append.push(...records)
    told.took(held, records.length > 0)
  }
  return { append, put: state.puts(), told: told.happenings() }
}

const takeRow = (held: Held & { kind: 'row' }, turn: Turn, state: TurnState): readonly NewRecord[] => {
  const { org, source, json, row, origin, copy } = held
  try {
    const identified = source.identify(org, row, turn.now, copy)
    const { id, key, receivedAt } = identified
    const cursor = state.get('CollectCursor', cursorKey(org, source.queue))
    if (origin === 'history' && cursor !== undefined && receivedAt < cursor.began_at) return []
    const seen = marksIn(state, seenPrefix(org, source.queue), markBucketMs)
    if (cameBefore(seen, identified, origin)) return []
    if (source.endsFlows === true && !isFirstEnd(held, state, turn.now, cursor)) return []
    const kept = Buffer.byteLength(json) <= mostRowBytes ? json : source.shorten(row)
    const raw = { org, queue: source.queue, id, received_at: receivedAt, read_at: turn.now, origin, row: kept }
    return [{ topic: source.topic.name, key, value: encode('RawEvent', raw) }]
  } catch (cause) {
    return rejectRow(held, turn, state, (cause as Error).message)
  }
}

/** Remembers that a flow ended. A flow found by looking through all is told only if no event has said so before. */
const isFirstEnd = (
  { org, row, origin }: Held & { kind: 'row' },
  state: TurnState,
  now: EpochMs,
  cursor: CollectCursor | undefined,
): boolean => {
  const { client, flow, timestamp, receivedAt } = readFlowCompletion(row)
  const at = timestamp ?? receivedAt ?? now
  const ended = marksIn(state, endedPrefix(org), endedBucketMs)
  const key = `${client}/${flow}`
  if (origin === 'sweep' && (ended.get(key, at) !== undefined || at < (cursor?.began_at ?? 0))) return false
  ended.put(key, { event: '', at })
  return true
}

/** A row that cannot be identified is set aside once, however often history repeats it. */
const rejectRow = (
  { org, source, json, row }: Held & { kind: 'row' },
  turn: Turn,
  state: TurnState,
  reason: string,
): readonly NewRecord[] => {
  const id = `${org}/unreadable/${substanceHash(row, json)}`
  const seen = marksIn(state, seenPrefix(org, source.queue), markBucketMs)
  if (seen.get(id, turn.now) !== undefined) return []
  seen.put(id, { event: '', at: turn.now })
  const origin = { stage: 'collect', topic: '', partition: -1, offset: -1, key: `${org}/${source.queue}` }
  return rejection(
    { ...origin, reason, at: turn.now, bytes: Buffer.from(json) },
    { event: id, org, received_at: turn.now },
  )
}

/** Moves a queue's cursor; a beat moves it only once the queue is in sync, and not at every beat. */
const advance = (
  state: TurnState,
  held: Held & { kind: 'beat' | 'complete' },
  queue: string,
  { begun }: Collecting,
): void => {
  const key = cursorKey(held.org, queue)
  const cursor = state.get('CollectCursor', key)
  if (cursor === undefined) {
    const began_at = Math.min(begun.get(key) ?? held.at, held.at)
    state.put('CollectCursor', key, { org: held.org, queue, began_at, history_at: began_at })
    return
  }
  const history_at = movedTo(cursor, held)
  if (history_at === null) return
  state.put('CollectCursor', key, { ...cursor, history_at })
  marksIn(state, seenPrefix(held.org, queue), markBucketMs).forget(history_at - overlapMs - 2 * markBucketMs)
  marksIn(state, endedPrefix(held.org), endedBucketMs).forget(history_at - endedKeptMs)
}

/** Where an arrival moves a cursor to, epoch ms; null: it stays. */
const movedTo = (
  cursor: CollectCursor | undefined,
  arrival: Arrival & { kind: 'beat' | 'complete' },
): EpochMs | null => {
  if (cursor === undefined) return arrival.at
  if (arrival.kind === 'complete') return arrival.at > cursor.history_at ? arrival.at : null
  const at = arrival.at - beatMarginMs
  return arrival.isInSync && at - cursor.history_at >= cursorEveryMs ? at : null
}
