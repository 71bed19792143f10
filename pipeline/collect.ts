import {
  distinctUntilChanged,
  ignoreElements,
  map,
  merge,
  type MonoTypeOperatorFunction,
  type Observable,
  of,
  retry,
  switchMap,
  tap,
  throwError,
} from 'rxjs'
import { ConnectorError } from '../connectors/errors.ts'
import type { EventLog, NewRecord, Task, Turn } from '../connectors/log/event-log.ts'
import { partitionOf } from '../connectors/log/partition-of.ts'
import type { Velociraptor } from '../connectors/velociraptor/velociraptor.ts'
import { decode, encode } from '../schemas/codec.ts'
import type { CollectCursor } from '../schemas/generated.ts'
import type { Tell } from '../schemas/happenings.ts'
import type { Clock, EpochMs } from '../schemas/time.ts'
import { backoffMs, type Random } from './runtime/backoff.ts'
import { marksIn } from './runtime/marks.ts'
import { mostRowBytes } from './runtime/record-sizes.ts'
import { rejection } from './runtime/rejection.ts'
import { runTopology, type TaskWork, type TurnResult } from './runtime/run-topology.ts'
import { openTurnState, type TurnState } from './runtime/turn-state.ts'
import { wait } from './runtime/wait.ts'
import type { QueueSource } from './sources/queue-source.ts'
import { type Arrival, overlapMs, subscription } from './sources/subscription.ts'
import { substanceHash } from './sources/substance.ts'

export interface CollectOptions {
  readonly log: EventLog
  readonly velociraptor: Velociraptor
  readonly clock: Clock
  readonly random: Random
  readonly tell: Tell
  readonly orgs: readonly string[]
  /** The queues that are read from now on. */
  readonly sources: Observable<readonly QueueSource[]>
  /** Where a first run begins, epoch ms; null: now. */
  readonly since: EpochMs | null
}

const markBucketMs = 3_600_000
const mostArrivalsPerTurn = 1000
/** Rows held in memory before the log has them; beyond it the stream is given up and history asked instead. */
const mostHeld = 100_000
const cursorEveryMs = 30_000
/** Rows told live up to a beat may still be on their way when it comes. */
const beatMarginMs = 2000
const reconnect = { firstMs: 1000, longestMs: 60_000 }

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
  return runTopology(options.log, { name: 'collect', inputs: [], slots }, (task) =>
    collectSlot(
      task,
      options.sources.pipe(
        map((sources) => readersOf(sources, options.orgs, { partition: task.partition, slots })),
        distinctUntilChanged((a, b) => queuesOf(a) === queuesOf(b)),
      ),
      options,
    ),
  )
}

/** Who reads in a slot: of each organisation the queues that belong to it. */
const readersOf = (
  all: readonly QueueSource[],
  orgs: readonly string[],
  { partition, slots }: { readonly partition: number; readonly slots: number },
): readonly Reader[] =>
  orgs
    .map((org) => ({ org, sources: all.filter(({ queue }) => partitionOf(`${org}/${queue}`, slots) === partition) }))
    .filter(({ sources }) => sources.length > 0)

const queuesOf = (readers: readonly Reader[]): string =>
  readers.map(({ org, sources }) => [org, ...sources.map(({ queue }) => queue)].join('\n')).join('\n\n')

interface Reader {
  readonly org: string
  readonly sources: readonly QueueSource[]
}
type Held = Arrival & Reader

/** One slot: its readers fill a bounded inbox, its turns empty it. */
const collectSlot = (task: Task, readers: Observable<readonly Reader[]>, options: Collecting): TaskWork => {
  const inbox: Held[] = []
  const cursorOf = ({ org }: Reader, { queue }: QueueSource): CollectCursor | undefined => {
    const stored = task.state.get(cursorKey(org, queue))
    return stored === undefined ? undefined : decode('CollectCursor', stored)
  }
  const hold = (reader: Reader, arrival: Arrival): void => {
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
    inbox.push({ ...arrival, ...reader })
    task.wake(options.clock.now())
  }
  return {
    turn(turn) {
      const taken = inbox.splice(0, mostArrivalsPerTurn)
      if (inbox.length > 0) task.wake(turn.now)
      return of(turnResult(taken, turn, openTurnState(task.state), options))
    },
    beside: readers.pipe(
      switchMap((some) =>
        merge(
          ...some.map((reader) =>
            read(task, reader, options).pipe(
              tap((arrival) => hold(reader, arrival)),
              reconnecting(reader, options),
            ),
          ),
        ),
      ),
      ignoreElements(),
    ),
  }
}

/** Whether a row of history is in the log already. */
const isKnown = (task: Task, { org }: Reader, arrival: Arrival, now: EpochMs): boolean => {
  if (arrival.kind !== 'row' || arrival.origin !== 'history') return false
  try {
    const { id, receivedAt } = arrival.source.identify(org, arrival.row, now)
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
  { org, sources }: Reader,
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
      if (stored !== undefined) return Math.max(0, decode('CollectCursor', stored).history_at - overlapMs)
      const before = begun.get(key)
      if (before !== undefined) return before
      const beginning = since ?? serverNow
      begun.set(key, beginning)
      tell({ name: 'collect begins', org, queue, at: new Date(beginning).toISOString() })
      return beginning
    },
  })

/** Begins anew after an outage, with growing jittered waits; says its begin and its end once. */
const reconnecting =
  ({ org, sources }: Reader, { clock, random, tell }: CollectOptions): MonoTypeOperatorFunction<Arrival> =>
  (arrivals) => {
    let failures = 0
    let awaySince: EpochMs | null = null
    const queues = sources.map(({ queue }) => queue).join(', ')
    return arrivals.pipe(
      tap((arrival) => {
        if (arrival.kind === 'complete' && arrival.isInSync) tell({ name: 'source in sync', org, queues })
        if (arrival.kind !== 'row' && arrival.isInSync)
          for (const { queue } of sources) tell({ name: 'queue in sync', org, queue })
        if (arrival.kind !== 'beat') return
        if (awaySince !== null)
          tell({ name: 'source back', org, queues, away_ms: clock.now() - awaySince, tries: failures })
        awaySince = null
        failures = 0
      }),
      retry({
        delay: (cause: unknown) => {
          if (!(cause instanceof ConnectorError) || cause.code !== 'VELOCIRAPTOR_UNAVAILABLE')
            return throwError(() => cause)
          failures += 1
          if (awaySince === null) tell({ name: 'source away', org, queues, reason: cause.message })
          awaySince ??= clock.now()
          return wait(clock, backoffMs(reconnect, failures, random))
        },
      }),
    )
  }

const turnResult = (taken: readonly Held[], turn: Turn, state: TurnState, options: Collecting): TurnResult => {
  const append: NewRecord[] = []
  for (const held of taken) {
    if (held.kind === 'row') append.push(...takeRow(held, turn, state))
    else for (const { queue } of held.sources) advance(state, held, queue, options)
  }
  return { append, put: state.puts() }
}

const takeRow = (held: Held & { kind: 'row' }, turn: Turn, state: TurnState): readonly NewRecord[] => {
  const { org, source, json, row, origin } = held
  try {
    const { id, key, receivedAt } = source.identify(org, row, turn.now)
    const cursor = state.get('CollectCursor', cursorKey(org, source.queue))
    if (origin === 'history' && cursor !== undefined && receivedAt < cursor.began_at) return []
    const seen = marksIn(state, seenPrefix(org, source.queue), markBucketMs)
    if (seen.get(id, receivedAt) !== undefined) return []
    seen.put(id, { event: '', at: receivedAt })
    const kept = Buffer.byteLength(json) <= mostRowBytes ? json : source.shorten(row)
    const raw = { org, queue: source.queue, id, received_at: receivedAt, read_at: turn.now, origin, row: kept }
    return [{ topic: source.topic.name, key, value: encode('RawEvent', raw) }]
  } catch (cause) {
    return rejectRow(held, turn, state, (cause as Error).message)
  }
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
