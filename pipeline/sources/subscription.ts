import { defer, map, Observable, of } from 'rxjs'
import { ConnectorError } from '../../connectors/errors.ts'
import { parseExact } from '../../connectors/velociraptor/exact-json.ts'
import { failureOf, isOfNoQueue, type LogLine } from '../../connectors/velociraptor/failures.ts'
import { endedFlowsQuery } from '../../connectors/velociraptor/history-query.ts'
import type { QueryMessage, Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import { watchQuery } from '../../connectors/velociraptor/watch-query.ts'
import type { Origin } from '../../schemas/generated.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'
import type { AtMost } from '../runtime/at-most.ts'
import { type EqualRows, openEqualRows } from './equal-rows.ts'
import { readHistory, reconcileEveryMs, sweepEveryMs } from './history-reading.ts'
import { keptWhere, locatedSources } from './kept-where.ts'
import type { QueueSource } from './queue-source.ts'
import { substanceHash } from './substance.ts'

/** A row as it came. */
export interface RowArrival {
  readonly kind: 'row'
  readonly source: QueueSource
  readonly json: string
  readonly row: unknown
  readonly origin: Origin
  /** Which of equal rows it is in its reading, from 0. */
  readonly copy: number
}

/** How far queues are complete once the rows before are kept. */
export type ProgressArrival =
  | { readonly kind: 'beat'; readonly at: EpochMs; readonly isInSync: boolean }
  | {
      readonly kind: 'complete'
      readonly at: EpochMs
      readonly isInSync: boolean
      /** Of logs: the artifacts that were read. */
      readonly scanned?: readonly string[]
    }

/** What a subscription brings, in order. */
export type Arrival = RowArrival | ProgressArrival

export interface SubscriptionOptions {
  readonly velociraptor: Velociraptor
  readonly clock: Clock
  readonly org: string
  readonly sources: readonly QueueSource[]
  /** Where history is to be read from, asked once the stream lives; given the server's time. */
  readonly historyFrom: (source: QueueSource, serverNow: EpochMs) => EpochMs
  /** A queue without a history is heard from now on; given the server's time. */
  readonly liveOnly: (source: QueueSource, serverNow: EpochMs) => void
  /** How much of a queue's history has been read, 0 to 1, where that can be known. */
  readonly readSoFar: (source: QueueSource, part: number) => void
  /** Readings of history, of all subscriptions of the process, wait for their turn. */
  readonly atMost: AtMost
  /** Emits once when more rows of history may come. */
  readonly room: Observable<unknown>
  /** Told when flows could not be looked through: nothing else stops for that. */
  readonly sweepFailed: (reason: string) => void
}

const heartbeatS = 2
/** Three heartbeats, the longest hold of the server and some slack. */
const silenceMs = 3 * heartbeatS * 1000 + 2500
/** What the server has told live may reach its disk later than that. */
const flushMs = 10_000
const mostLogLines = 100
const reconcileSpanMs = 60 * 60_000
const sweepSpanMs = 2 * sweepEveryMs
/** An event may be that late without being missed. */
const sweepGraceMs = 5 * 60_000
const sweepTimeoutS = 600

const fieldsOf = (row: unknown): Readonly<Record<string, unknown>> =>
  typeof row === 'object' && row !== null ? (row as Record<string, unknown>) : {}

/** Why a query failed; a queue that is not there now may be there later. */
const failureIn = (lines: readonly LogLine[], vql: string, sources: readonly QueueSource[]): ConnectorError | null => {
  const failure = failureOf(lines, vql)
  const mayCome = sources.every(({ mayBeMissing }) => mayBeMissing) && lines.some(isOfNoQueue)
  return failure !== null && mayCome
    ? new ConnectorError('VELOCIRAPTOR_UNAVAILABLE', failure.message, { cause: failure })
    : failure
}

/** The sources, each with what the server says of where it keeps its rows. */
const located = ({
  velociraptor,
  org,
  sources,
}: Pick<SubscriptionOptions, 'velociraptor' | 'org' | 'sources'>): Observable<readonly QueueSource[]> => {
  const unsure = sources.filter(({ mayBeMissing }) => mayBeMissing).map(({ queue }) => queue)
  if (unsure.length === 0) return of(sources)
  return defer(() => keptWhere(velociraptor, org, unsure)).pipe(map((kept) => locatedSources(sources, kept)))
}

/** null for what is no JSON: it has no identity, and is set aside as such. */
const parse = (json: string): unknown => {
  try {
    return parseExact(json)
  } catch {
    return null
  }
}

/**
 * Watches queues of one organisation, reads back what was missed once the stream lives, and once more when everything told
 * live must have reached the server's disk. Never completes: it errors with what ended it, an outage
 * (VELOCIRAPTOR_UNAVAILABLE) or a refusal that waiting cannot cure (VELOCIRAPTOR_DENIED).
 */
export const subscription = (options: SubscriptionOptions): Observable<Arrival> =>
  new Observable<Arrival>((subscriber) => {
    const { velociraptor, clock, org, sources, historyFrom, sweepFailed, atMost, room } = options
    const byQueue = new Map(sources.map((source) => [source.queue, source]))
    const lines: LogLine[] = []
    const live = openEqualRows()
    const watch = watchQuery(
      sources.map(({ queue }) => queue),
      heartbeatS,
    )
    let isLive = false
    let hasBegun = false
    let isInSync = false
    let lastBeat = 0
    let sweptAt = 0
    let cancelWatchdog = (): void => undefined

    const listen = (): void => {
      cancelWatchdog()
      cancelWatchdog = clock.at(clock.now() + silenceMs, () =>
        subscriber.error(
          new ConnectorError(
            'VELOCIRAPTOR_UNAVAILABLE',
            `the event stream of org ${org} has been silent for ${silenceMs} ms`,
          ),
        ),
      )
    }

    const tellRow = (source: QueueSource, json: string, row: unknown, origin: Origin, equal: EqualRows): void => {
      const copy = source.hasEqualRows ? equal.next(substanceHash(row, json)) : 0
      subscriber.next({ kind: 'row', source, json, row, origin, copy })
    }

    const readBack = (source: QueueSource, from: EpochMs, done: () => void): void => {
      const equal = openEqualRows()
      const readSoFar = (part: number): void => options.readSoFar(source, part)
      const failedBy = (log: readonly LogLine[], vql: string): ConnectorError | null => failureIn(log, vql, sources)
      subscriber.add(
        readHistory({
          ...{ velociraptor, clock, org, source, from },
          ...{ atMost, room, readSoFar, failureIn: failedBy },
        }).subscribe({
          next: (rows) => rows.forEach((json) => tellRow(source, json, parse(json), 'history', equal)),
          error: (cause: unknown) => subscriber.error(cause),
          complete: done,
        }),
      )
    }

    let stored = sources
    const readAll = (fromOf: (source: QueueSource) => EpochMs, done: () => void): void => {
      let left = stored.length
      for (const source of stored)
        readBack(source, fromOf(source), () => {
          if (--left === 0) done()
        })
    }

    /** What ended without an event: the row that the event would have been. */
    const sweep = (source: QueueSource, from: EpochMs, done: () => void): void => {
      const { vql, env } = endedFlowsQuery({ fromMs: from })
      const log: LogLine[] = []
      const failed = (cause: ConnectorError): void => {
        sweepFailed(cause.message)
        done()
      }
      subscriber.add(
        atMost(velociraptor.query({ org, vql, env, timeoutS: sweepTimeoutS })).subscribe({
          next(message) {
            if (message.kind === 'log') return void log.push(message)
            for (const json of message.rows) {
              const { client_id: ClientId, session_id: FlowId, active_time: activeUs } = fieldsOf(parse(json))
              const Timestamp = Math.floor(Number(activeUs) / 1_000_000)
              if (Timestamp * 1000 > lastBeat - sweepGraceMs) continue
              const row = { Timestamp, ClientId, FlowId }
              subscriber.next({ kind: 'row', source, json: JSON.stringify(row), row, origin: 'sweep', copy: 0 })
            }
          },
          error: (cause: unknown) => (cause instanceof ConnectorError ? failed(cause) : subscriber.error(cause)),
          complete: () => {
            const failure = failureOf(log, vql)
            if (failure === null) done()
            else failed(failure)
          },
        }),
      )
    }

    const sweepFrom = (from: EpochMs, done: () => void): void => {
      const source = sources.find(({ endsFlows }) => endsFlows)
      if (source === undefined) return done()
      sweptAt = lastBeat
      sweep(source, from, done)
    }

    const reconcileLater = (): void => {
      subscriber.add(
        clock.at(clock.now() + reconcileEveryMs, () =>
          readAll(
            () => lastBeat - reconcileSpanMs,
            () => {
              if (lastBeat - sweptAt >= sweepEveryMs) sweepFrom(lastBeat - sweepSpanMs, reconcileLater)
              else reconcileLater()
            },
          ),
        ),
      )
    }

    const begin = (known: readonly QueueSource[], serverNow: EpochMs): void => {
      for (const source of known) if (source.isLiveOnly) options.liveOnly(source, serverNow)
      stored = known.filter(({ isLiveOnly }) => !isLiveOnly)
      if (stored.length === 0) {
        isInSync = true
        subscriber.next({ kind: 'complete', at: serverNow, isInSync })
        return
      }
      const firstFrom = new Map(stored.map((source) => [source, historyFrom(source, serverNow)]))
      const secondFrom = serverNow - overlapMs
      readAll(
        (source) => firstFrom.get(source) ?? serverNow,
        () => {
          subscriber.next({ kind: 'complete', at: serverNow - overlapMs, isInSync: false })
          subscriber.add(
            clock.at(clock.now() + flushMs, () =>
              readAll(
                () => secondFrom,
                () => {
                  isInSync = true
                  subscriber.next({ kind: 'complete', at: serverNow, isInSync })
                  sweepFrom(Math.min(...firstFrom.values(), lastBeat - sweepSpanMs), reconcileLater)
                },
              ),
            ),
          )
        },
      )
    }

    /** No beat is told before it is known where history begins: it would count as the queue's beginning. */
    const beginAt = (serverNow: EpochMs): void => {
      const next = (known: readonly QueueSource[]): void => {
        hasBegun = true
        subscriber.next({ kind: 'beat', at: serverNow, isInSync })
        begin(known, serverNow)
      }
      subscriber.add(located(options).subscribe({ next, error: (cause: unknown) => subscriber.error(cause) }))
    }

    const takeRow = (json: string): void => {
      const row = parse(json)
      const { _Queue: queue, _Beat: beat } = fieldsOf(row)
      // A row of a queue may have such a column too: whoever wrote it is not the clock.
      if (queue === '' && typeof beat === 'number') {
        lastBeat = beat * 1000
        if (hasBegun) subscriber.next({ kind: 'beat', at: lastBeat, isInSync })
        else if (!isLive) beginAt(lastBeat)
        isLive = true
        return
      }
      // What does not say whose it is stands under the first queue.
      const source = byQueue.get(String(queue)) ?? sources[0]
      if (source !== undefined) tellRow(source, json, row, 'live', live)
    }

    const take = (message: QueryMessage): void => {
      listen()
      if (message.kind === 'rows') return message.rows.forEach(takeRow)
      lines.push(message)
      if (lines.length > mostLogLines) lines.shift()
      // One bad member of a merged stream says so only here, while the others go on.
      const failure = failureIn([message], watch.vql, sources)
      if (failure !== null) subscriber.error(failure)
    }

    listen()
    subscriber.add(() => cancelWatchdog())
    subscriber.add(
      velociraptor.query({ org, ...watch, longestWaitS: 1 }).subscribe({
        next(message) {
          try {
            take(message)
          } catch (cause) {
            subscriber.error(cause)
          }
        },
        error: (cause: unknown) => subscriber.error(cause),
        complete: () =>
          subscriber.error(
            failureIn(lines, watch.vql, sources) ??
              new ConnectorError('VELOCIRAPTOR_UNAVAILABLE', `the server ended the event stream of org ${org}`),
          ),
      }),
    )
  })

/** How far before a known point history is read again: clocks step, and writes overtake each other. */
export const overlapMs = 5 * 60_000
