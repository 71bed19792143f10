import { combineLatest, defer, ignoreElements, map, Observable, of, shareReplay, tap } from 'rxjs'
import { ConnectorError } from '../connectors/errors.ts'
import type { EventLog, NewRecord, Task, Turn } from '../connectors/log/event-log.ts'
import { partitionOf } from '../connectors/log/partition-of.ts'
import type { Velociraptor } from '../connectors/velociraptor/velociraptor.ts'
import { decode } from '../schemas/codec.ts'
import type { CollectCursor } from '../schemas/generated.ts'
import type { Happening, Tell } from '../schemas/happenings.ts'
import type { Clock, EpochMs } from '../schemas/time.ts'
import { type AtMost, openAtMost } from './runtime/at-most.ts'
import type { Random } from './runtime/backoff.ts'
import { type MarkMemory, openMarkMemory } from './runtime/marks.ts'
import { runEach } from './runtime/run-each.ts'
import { runTopology, type TaskWork, type TurnResult } from './runtime/run-topology.ts'
import { openTurnState, type TurnState } from './runtime/turn-state.ts'
import { type KnownOrg, knownOrgs } from './sources/known-orgs.ts'
import { noteLook, type OrgLook, type OrgMemory, orgMemory } from './sources/org-memory.ts'
import type { QueueSource } from './sources/queue-source.ts'
import { reconnecting, unlessGone } from './sources/reconnecting.ts'
import { type Arrival, overlapMs, subscription } from './sources/subscription.ts'
import { openTurnTale } from './sources/turn-tale.ts'
import { forgetRows, isKnownRow, takeRow } from './sources/take-row.ts'

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

const mostArrivalsPerTurn = 1000
const usuallyMostHeld = 100_000
/** Their rows are parsed too, and take some times as much memory. */
const mostHeldCharacters = 64 * 2 ** 20
/** History that is read at a time, of all queues and organisations: what is live goes before it. */
const mostReadings = 2
const cursorEveryMs = 30_000
/** Rows told live up to a beat may still be on their way when it comes. */
const beatMarginMs = 2000

const cursorKey = (org: string, queue: string): string => `cursor/${org}/${queue}`

interface Collecting extends CollectOptions {
  /** Readings of history wait for their turn, whoever needs them. */
  readonly atMost: AtMost
  /** Where the first run of each queue began, so that what came before its first commit is read again when that fails. */
  readonly begun: Map<string, EpochMs>
}

/** Pulls event queues into the raw topics: rows and cursor in one commit. One task a slot; an organisation's queue belongs to one slot. */
export const collect = (given: CollectOptions): Observable<never> => {
  const options: Collecting = { ...given, begun: new Map(), atMost: openAtMost(mostReadings) }
  const slots = options.log.partitions
  const orgs = knownOrgs(options.orgs, options).pipe(shareReplay({ bufferSize: 1, refCount: true }))
  return runTopology(options.log, { name: 'collect', inputs: [], slots }, (task) =>
    collectSlot(
      task,
      combineLatest([options.sources, orgs]).pipe(
        map(([sources, known]) => ({
          readers: readersOf(sources, known.orgs, { partition: task.partition, slots }),
          look: known.lookedAt === null ? null : { at: known.lookedAt, ids: known.orgs.map(({ id }) => id) },
        })),
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

const nameOf = ({ org, sources }: Pick<Reader, 'org' | 'sources'>): string =>
  [org, ...sources.map(({ queue }) => queue)].join('\n')

interface Reader {
  readonly org: string
  /** The organisation was found while running and came after this time, epoch ms; null: it was there. */
  readonly foundSince: EpochMs | null
  readonly sources: readonly QueueSource[]
}
/** `isRepair`: the stream lived while the row should have come by it. */
type Held = Arrival & Reader & { readonly isRepair: boolean }

/** Who is to read in a slot. */
interface Reading {
  readonly readers: readonly Reader[]
  /** The look that found their organisations; null: nobody looked. */
  readonly look: OrgLook | null
}

interface Slot {
  readonly task: Task
  readonly orgsBefore: OrgMemory
  /** Emits when the inbox has room. */
  readonly room: Observable<void>
  readonly heardTo: ReadonlyMap<string, EpochMs>
  /** When a reader was first tried, our clock, by its name. */
  readonly triedAt: Map<string, EpochMs>
}

/** One slot: its readers fill a bounded inbox, its turns empty it. */
const collectSlot = (task: Task, readings: Observable<Reading>, options: Collecting): TaskWork => {
  const inbox: Held[] = []
  let held = 0
  const waiting = new Set<() => void>()
  const memory = openMarkMemory()
  /** Until when a queue was heard without a gap, server clock, by its cursor's key. */
  const heardTo = new Map<string, EpochMs>()
  const slot: Omit<Slot, 'room'> = { task, orgsBefore: orgMemory(task.state), heardTo, triedAt: new Map() }
  let current: readonly Reader[] = []
  let look: OrgLook | null = null
  const hasRoom = (): boolean => inbox.length < mostArrivalsPerTurn
  const room = new Observable<void>((subscriber) => {
    const go = (): void => {
      subscriber.next()
      subscriber.complete()
    }
    if (hasRoom()) return go()
    waiting.add(go)
    return () => void waiting.delete(go)
  })
  const cursorOf = ({ org }: Reader, { queue }: QueueSource): CollectCursor | undefined => {
    const stored = task.state.get(cursorKey(org, queue))
    return stored === undefined ? undefined : decode('CollectCursor', stored)
  }
  const mostHeld = options.mostHeld ?? usuallyMostHeld
  const hold = (reader: Reader, arrival: Arrival, isRepair: boolean): void => {
    if (arrival.kind !== 'row' && arrival.isInSync)
      for (const { queue } of reader.sources) heardTo.set(cursorKey(reader.org, queue), arrival.at - beatMarginMs)
    // Most beats say nothing new: they would only wake the task for an empty commit.
    if (
      arrival.kind === 'beat' &&
      reader.sources.every((source) => movedTo(cursorOf(reader, source), arrival) === null)
    )
      return
    // A history longer than the inbox is read again from its begin: what the log has of it must not fill the inbox anew.
    if (
      arrival.kind === 'row' &&
      inbox.length >= mostHeld / 2 &&
      isKnownRow(task.state, { ...arrival, org: reader.org }, options.clock.now())
    )
      return
    if (inbox.length >= mostHeld || held >= mostHeldCharacters)
      throw new ConnectorError(
        'VELOCIRAPTOR_UNAVAILABLE',
        `${inbox.length} rows wait for the log: the stream is given up, history will be asked instead`,
      )
    inbox.push({ ...arrival, ...reader, isRepair })
    held += charactersOf(arrival)
    task.wake(options.clock.now())
  }
  const follow = (reading: Reading): void => {
    current = reading.readers
    look = reading.look ?? look
    if (look !== null) task.wake(options.clock.now())
  }
  return {
    turn(turn) {
      const taken = inbox.splice(0, mostArrivalsPerTurn)
      for (const one of taken) held -= charactersOf(one)
      if (inbox.length > 0) task.wake(turn.now)
      if (hasRoom()) for (const go of [...waiting]) go()
      const state = openTurnState(task.state)
      const { told, append } = turnResult(taken, turn, state, memory, options)
      if (look !== null && noteLook(state, look, (org) => haveBegun(state, current, org))) look = null
      return of({ append, put: state.puts(), afterwards: () => told.forEach((each) => options.tell(each)) })
    },
    beside: runEach(
      readings.pipe(
        tap(follow),
        map(({ readers }) => readers),
      ),
      nameOf,
      (reader) =>
        defer(() => {
          let isInSync = false
          return read(reader, { ...slot, room }, options).pipe(
            tap((arrival) => {
              hold(reader, arrival, isInSync && arrival.kind === 'row' && arrival.origin === 'history')
              if (arrival.kind !== 'row') isInSync ||= arrival.isInSync
            }),
          )
        }).pipe(reconnecting(reader, options), unlessGone(reader.org, options)),
    ).pipe(ignoreElements()),
  }
}

/** Whether every queue of an organisation that must be there has a cursor. */
const haveBegun = (state: TurnState, readers: readonly Reader[], org: string): boolean =>
  readers.every(
    (reader) =>
      reader.org !== org ||
      reader.sources.every(
        ({ queue, mayBeMissing }) => mayBeMissing || state.getBytes(cursorKey(org, queue)) !== undefined,
      ),
  )

const charactersOf = (arrival: Arrival): number => (arrival.kind === 'row' ? arrival.json.length : 0)

const textOf = (at: EpochMs): string => new Date(at).toISOString()

/** Where a queue's history is read from: its cursor, less the overlap; a first run begins now or at `since`. */
const read = (
  { org, sources, foundSince }: Reader,
  { task, orgsBefore, room, heardTo, triedAt }: Slot,
  { velociraptor, clock, orgs, since, tell, begun, atMost }: Collecting,
): Observable<Arrival> => {
  const name = nameOf({ org, sources })
  const tried = triedAt.get(name)
  triedAt.set(name, tried ?? clock.now())
  const absentUntil = orgs.includes(org) ? null : orgsBefore.absentUntil(org)
  const sinceFound = foundSince ?? absentUntil
  return subscription({
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
      const beginning =
        since ?? (sinceFound === null ? null : sinceFound - overlapMs) ?? Math.min(tried ?? serverNow, serverNow)
      begun.set(key, beginning)
      tell({ name: 'collect begins', org, queue, at: textOf(beginning) })
      if (beginning < serverNow) tell({ name: 'queue read back', org, queue, from: beginning, to: serverNow })
      return beginning
    },
    liveOnly({ queue }, serverNow) {
      const key = cursorKey(org, queue)
      const stored = task.state.get(key)
      const heard =
        heardTo.get(key) ?? (stored === undefined ? begun.get(key) : decode('CollectCursor', stored).history_at)
      tell({ name: 'queue is live only', org, queue })
      if (heard === undefined) {
        begun.set(key, serverNow)
        tell({ name: 'collect begins', org, queue, at: textOf(serverNow) })
      }
      const before = heard ?? sinceFound ?? tried
      if (before === undefined) return
      const from = Math.min(before, serverNow)
      tell({
        name: 'live rows may be lost',
        org,
        queue,
        from: textOf(from),
        to: textOf(serverNow),
        ms: serverNow - from,
      })
    },
    atMost,
    room,
    readSoFar: ({ queue }, part) => tell({ name: 'queue read so far', org, queue, percent: Math.floor(part * 100) }),
    sweepFailed: (reason) => tell({ name: 'flow sweep failed', org, reason }),
  })
}

const turnResult = (
  taken: readonly Held[],
  turn: Turn,
  state: TurnState,
  memory: MarkMemory,
  options: Collecting,
): Pick<TurnResult, 'append'> & { readonly told: readonly Happening[] } => {
  const append: NewRecord[] = []
  const told = openTurnTale()
  for (const held of taken) {
    if (held.kind !== 'row') {
      for (const { queue } of held.sources) advance(state, held, queue, options)
      continue
    }
    const cursor = state.get('CollectCursor', cursorKey(held.org, held.source.queue))
    const records = takeRow(held, { now: turn.now, state, memory, cursor })
    append.push(...records)
    told.took(held, records.length > 0)
  }
  return { append, told: told.happenings() }
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
  forgetRows(state, { org: held.org, queue, readTo: history_at - overlapMs })
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
