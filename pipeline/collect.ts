import { combineLatest, defer, finalize, ignoreElements, map, Observable, of, shareReplay, tap } from 'rxjs'
import { ConnectorError } from '../connectors/errors.ts'
import type { EventLog, NewRecord, Task } from '../connectors/log/event-log.ts'
import type { Velociraptor } from '../connectors/velociraptor/velociraptor.ts'
import type { Happening, Tell } from '../schemas/happenings.ts'
import type { Clock, EpochMs } from '../schemas/time.ts'
import { type AtMost, openAtMost } from './runtime/at-most.ts'
import type { Random } from './runtime/backoff.ts'
import { runEach } from './runtime/run-each.ts'
import { runTopology, type TaskWork, type TurnResult } from './runtime/run-topology.ts'
import { openTurnState, type TurnState } from './runtime/turn-state.ts'
import { knownOrgs } from './sources/known-orgs.ts'
import { noteLook, type OrgLook, type OrgMemory, orgMemory } from './sources/org-memory.ts'
import { logRounds } from './sources/log-rounds.ts'
import type { LogSource, QueueSource } from './sources/queue-source.ts'
import { droppedFrom, isLogs, nameOf, type Reader, readersOf } from './sources/readers.ts'
import { advance, beatMarginMs, cursorIn, cursorKey, haveBegun, movedTo, readUntil } from './sources/cursors.ts'
import { isOfMissing, reconnecting, unlessGone } from './sources/reconnecting.ts'
import { type Arrival, overlapMs, type ProgressArrival, type RowArrival, subscription } from './sources/subscription.ts'
import { openTurnTale } from './sources/turn-tale.ts'
import { type ReadyRow, readyRow } from './sources/ready-row.ts'
import { isKnownRow, openRowMemory, openRowTaking, type RowMemory } from './sources/take-row.ts'

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

/** What a turn commits at once: each commit waits for the disk, and writes each page of its state once. */
const mostArrivalsPerTurn = 3000
const mostBytesPerTurn = 8 * 2 ** 20
/** History is read on when fewer wait. */
const fewArrivals = 1000
const usuallyMostHeld = 100_000
const mostHeldBytes = 64 * 2 ** 20
/** History and logs that are read at a time, of all queues and organisations: what is live goes before it. */
const mostReadings = 2

interface Collecting extends CollectOptions {
  /** Readings of history wait for their turn, whoever needs them. */
  readonly atMost: AtMost
  /** Where the first run of each queue began, so that what came before its first commit is read again when that fails. */
  readonly begun: Map<string, EpochMs>
  /** What is to be read of logs, as it was said last; by the name of the logs. */
  readonly logs: Map<string, LogSource>
}

/** Pulls event queues into the raw topics: rows and cursor in one commit. One task a slot; an organisation's queue belongs to one slot. */
export const collect = (given: CollectOptions): Observable<never> => {
  const options: Collecting = { ...given, begun: new Map(), logs: new Map(), atMost: openAtMost(mostReadings) }
  const slots = options.log.partitions
  const orgs = knownOrgs(options.orgs, options).pipe(shareReplay({ bufferSize: 1, refCount: true }))
  return runTopology(options.log, { name: 'collect', inputs: [], slots }, (task) =>
    collectSlot(
      task,
      combineLatest([options.sources, orgs]).pipe(
        tap(([sources]) => sources.filter(isLogs).forEach((source) => options.logs.set(source.queue, source))),
        map(([sources, known]) => ({
          readers: readersOf(sources, known.orgs, { partition: task.partition, slots }),
          look: known.lookedAt === null ? null : { at: known.lookedAt, ids: known.orgs.map(({ id }) => id) },
        })),
      ),
      options,
    ),
  )
}

/** What waits for a turn. */
type Held = ReadyRow | (ProgressArrival & Pick<Reader, 'org' | 'sources'>)

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
  const memory = openRowMemory()
  /** Until when a queue was heard without a gap, server clock, by its cursor's key. */
  const heardTo = new Map<string, EpochMs>()
  const slot: Omit<Slot, 'room'> = { task, orgsBefore: orgMemory(task.state), heardTo, triedAt: new Map() }
  let current: readonly Reader[] = []
  let look: OrgLook | null = null
  /** Readers whose queue the server has not got, by their name. */
  const missing = new Set<string>()
  const hasRoom = (): boolean => inbox.length < fewArrivals
  const room = new Observable<void>((subscriber) => {
    const go = (): void => {
      subscriber.next()
      subscriber.complete()
    }
    if (hasRoom()) return go()
    waiting.add(go)
    return () => void waiting.delete(go)
  })
  const mostHeld = options.mostHeld ?? usuallyMostHeld
  const push = (one: Held): void => {
    if (inbox.length >= mostHeld || held >= mostHeldBytes)
      throw new ConnectorError(
        'VELOCIRAPTOR_UNAVAILABLE',
        `${inbox.length} rows wait for the log: the stream is given up, history will be asked instead`,
      )
    inbox.push(one)
    held += bytesOf(one)
    task.wake(options.clock.now())
  }
  const takeFirst = (): readonly Held[] => {
    let count = 0
    let bytes = 0
    while (count < Math.min(inbox.length, mostArrivalsPerTurn) && bytes < mostBytesPerTurn)
      bytes += bytesOf(inbox[count++] as Held)
    held -= bytes
    return inbox.splice(0, count)
  }
  const holdProgress = ({ org, sources }: Reader, arrival: ProgressArrival): void => {
    if (arrival.isInSync) for (const { queue } of sources) heardTo.set(cursorKey(org, queue), arrival.at - beatMarginMs)
    // Most beats say nothing new: they would only wake the task for an empty commit.
    if (
      arrival.kind === 'beat' &&
      sources.every(({ queue }) => movedTo(cursorIn(task.state, org, queue), arrival) === null)
    )
      return
    push({ ...arrival, org, sources })
  }
  /** While the log is at work, rows are made ready for it. */
  const holdRow = ({ org }: Reader, arrival: RowArrival, isRepair: boolean): void => {
    const row = readyRow(arrival, { org, readAt: options.clock.now(), isRepair })
    // A history longer than the inbox is read again from its begin: what the log has of it must not fill the inbox anew.
    if (inbox.length >= mostHeld / 2 && isKnownRow(task.state, row)) return
    push(row)
  }
  const dropAllBut = (readers: readonly Reader[]): void => {
    for (const dropped of droppedFrom(current, readers)) options.tell({ name: 'source dropped', ...dropped })
  }
  const follow = (reading: Reading): void => {
    dropAllBut(reading.readers)
    current = reading.readers
    look = reading.look ?? look
    if (look !== null) task.wake(options.clock.now())
  }
  return {
    turn(turn) {
      const taken = takeFirst()
      if (inbox.length > 0) task.wake(turn.now)
      if (hasRoom()) for (const go of [...waiting]) go()
      const state = openTurnState(task.state)
      const { told, append } = turnResult(taken, state, memory, options)
      const there = current.filter((reader) => !missing.has(nameOf(reader)))
      if (look !== null && noteLook(state, look, (org) => haveBegun(state, there, org))) look = null
      return of({ append, put: state.puts(), afterwards: () => told.forEach((each) => options.tell(each)) })
    },
    beside: runEach(
      readings.pipe(
        tap(follow),
        map(({ readers }) => readers),
      ),
      nameOf,
      (reader) => {
        const arrivals = arrivalsOf(reader, { ...slot, room }, options)
        const name = nameOf(reader)
        return defer(() => {
          let isInSync = false
          return arrivals().pipe(
            tap((arrival) => {
              missing.delete(name)
              if (arrival.kind === 'row') return holdRow(reader, arrival, isInSync && isOfHistory(arrival))
              holdProgress(reader, arrival)
              isInSync ||= arrival.isInSync
            }),
          )
        }).pipe(
          tap({ error: (cause: unknown) => isOfMissing(cause) && missing.add(name) }),
          reconnecting(reader, options),
          unlessGone(reader.org, options),
        )
      },
    ).pipe(
      // Another process may read on.
      finalize(() => dropAllBut([])),
      ignoreElements(),
    ),
  }
}

/** Whether it is a row that a stream should have brought: logs have none. */
const isOfHistory = ({ origin, source }: RowArrival): boolean => origin === 'history' && !isLogs(source)

/** What a reader brings, each time it is begun anew. */
const arrivalsOf = (reader: Reader, slot: Slot, options: Collecting): (() => Observable<Arrival>) => {
  const [logs] = reader.sources.filter(isLogs)
  if (logs === undefined) return () => read(reader, slot, options)
  let beginning = (serverNow: EpochMs): EpochMs => serverNow
  const rounds = readLogs(reader.org, logs, slot, { ...options, beginning: (serverNow) => beginning(serverNow) })
  return () => {
    beginning = beginningOf(reader, slot, options).of(logs.queue)
    return rounds
  }
}

const readLogs = (
  org: string,
  source: LogSource,
  { task, room }: Slot,
  options: Collecting & { readonly beginning: (serverNow: EpochMs) => EpochMs },
): Observable<Arrival> => {
  const { velociraptor, clock, tell, logs, atMost, beginning } = options
  const { queue } = source
  return logRounds({
    ...{ velociraptor, clock, tell, org, atMost, room, begin: beginning },
    source: () => logs.get(queue) ?? source,
    cursor() {
      const found = cursorIn(task.state, org, queue)
      return found === undefined ? null : { at: found.history_at, scanned: found.scanned }
    },
  })
}

const bytesOf = (held: Held): number =>
  held.kind === 'row' ? held.records.reduce((sum, { value }) => sum + value.length, 0) : 0

const textOf = (at: EpochMs): string => new Date(at).toISOString()

interface Beginning {
  /** When it was known before that the reader's organisation or queues were there, epoch ms; null: nothing of the kind. */
  readonly sinceFound: EpochMs | null
  /** When the reader was first tried; undefined: now. */
  readonly tried: EpochMs | undefined
  /** Where the first run of a queue begins, and where it began when nothing of it has been kept. */
  of(queue: string): (serverNow: EpochMs) => EpochMs
}

const beginningOf = (
  { org, sources, foundSince }: Reader,
  { orgsBefore, triedAt }: Slot,
  { clock, orgs, since, tell, begun }: Collecting,
): Beginning => {
  const name = nameOf({ org, sources })
  const tried = triedAt.get(name)
  triedAt.set(name, tried ?? clock.now())
  const sinceFound = foundSince ?? (orgs.includes(org) ? null : orgsBefore.absentUntil(org))
  return {
    sinceFound,
    tried,
    of: (queue) => (serverNow) => {
      const key = cursorKey(org, queue)
      const before = begun.get(key)
      if (before !== undefined) return before
      // Both clocks go on alike, whatever they show.
      const byServer = (ours: EpochMs): EpochMs => Math.min(serverNow, serverNow - (clock.now() - ours))
      const beginning =
        since ?? (sinceFound === null ? byServer(tried ?? clock.now()) : byServer(sinceFound) - overlapMs)
      begun.set(key, beginning)
      tell({ name: 'collect begins', org, queue, at: textOf(beginning) })
      if (beginning < serverNow) tell({ name: 'queue read back', org, queue, from: beginning, to: serverNow })
      return beginning
    },
  }
}

/** Where a queue's history is read from: its cursor, less the overlap; a first run begins now or at `since`. */
const read = (reader: Reader, slot: Slot, options: Collecting): Observable<Arrival> => {
  const { org, sources } = reader
  const { task, room, heardTo } = slot
  const { velociraptor, clock, tell, begun, atMost } = options
  const beginning = beginningOf(reader, slot, options)
  return subscription({
    velociraptor,
    clock,
    org,
    sources,
    historyFrom({ queue }, serverNow) {
      const cursor = cursorIn(task.state, org, queue)
      if (cursor === undefined) return beginning.of(queue)(serverNow)
      const readTo = readUntil(cursor.history_at, serverNow, false)
      tell({ name: 'queue read back', org, queue, from: readTo, to: serverNow })
      return Math.max(0, readTo - overlapMs)
    },
    liveOnly({ queue }, serverNow) {
      const key = cursorKey(org, queue)
      const heard = heardTo.get(key) ?? cursorIn(task.state, org, queue)?.history_at ?? begun.get(key)
      tell({ name: 'queue is live only', org, queue })
      if (heard === undefined) {
        begun.set(key, serverNow)
        tell({ name: 'collect begins', org, queue, at: textOf(serverNow) })
      }
      const before = heard ?? beginning.sinceFound ?? beginning.tried
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
  state: TurnState,
  memory: RowMemory,
  { begun }: Collecting,
): Pick<TurnResult, 'append'> & { readonly told: readonly Happening[] } => {
  const append: NewRecord[] = []
  const told = openTurnTale()
  const take = openRowTaking(state, memory)
  for (const held of taken) {
    if (held.kind !== 'row') {
      for (const { queue } of held.sources) advance(state, held, queue, begun)
      continue
    }
    const records = take(held, state.get('CollectCursor', cursorKey(held.org, held.source.queue)))
    append.push(...records)
    told.took(held, records.length > 0)
  }
  return { append, told: told.happenings() }
}
