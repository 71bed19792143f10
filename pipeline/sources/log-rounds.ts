import {
  concat,
  concatMap,
  defer,
  EMPTY,
  from,
  ignoreElements,
  map,
  mergeMap,
  type Observable,
  of,
  repeat,
  tap,
  toArray,
} from 'rxjs'
import { clientEventTable, serverEventTable } from '../../connectors/velociraptor/event-tables.ts'
import { parseExact } from '../../connectors/velociraptor/exact-json.ts'
import { failureOf } from '../../connectors/velociraptor/failures.ts'
import {
  clientLogsQuery,
  type HeardClient,
  heardClientsQuery,
  type LogsRange,
  serverLogsQuery,
  someClientsLogsQuery,
} from '../../connectors/velociraptor/logs-query.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { PreparedQuery } from '../../connectors/velociraptor/watch-query.ts'
import type { Origin } from '../../schemas/generated.ts'
import type { Tell } from '../../schemas/happenings.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'
import type { AtMost } from '../runtime/at-most.ts'
import { wait } from '../runtime/wait.ts'
import { type EqualRows, openEqualRows } from './equal-rows.ts'
import { rowsOf, slicesOf } from './history-reading.ts'
import { inOrder } from './in-order.ts'
import { logLineKey, type LogRow, readLogRow } from './log-row.ts'
import { logTargets } from './log-targets.ts'
import type { LogReading, LogSelection, LogSource } from './queue-source.ts'
import { readUntil } from './cursors.ts'
import type { Arrival } from './subscription.ts'

export interface LogRoundsOptions {
  readonly velociraptor: Velociraptor
  readonly clock: Clock
  readonly tell: Tell
  readonly org: string
  /** What is read, asked at each round: monitors come and go. */
  readonly source: () => LogSource
  /** How far lines have been read, and of which artifacts; null: none has. */
  readonly cursor: () => { readonly at: EpochMs; readonly scanned: readonly string[] } | null
  /** Where the first run begins, asked once it is known what time the server has. */
  readonly begin: (serverNow: EpochMs) => EpochMs
  /** A round waits for its turn among all readings of the process, and asks one query after the other. */
  readonly atMost: AtMost
  /** Emits once when more lines may come, and completes. */
  readonly room: Observable<unknown>
}

/** How far before a known point lines are read again: what is written reaches the server's disk later. Each line costs the server. */
const overlapMs = 30_000
/** Now and then, and after a start or an outage, further back: clocks step, and some servers write minutes later. */
const deepEveryMs = 10 * 60_000
const deepOverlapMs = deepEveryMs + 5 * 60_000
/** What lies further back is read some clients at a time: it may be more than can be held. */
const backlogMs = 15 * 60_000
const roundTimeoutS = 6 * 3600
/** A reading that says nothing for that long hangs; after a failure the next one may take twice as long. */
const silenceMs = 10 * 60_000
const mostDoublings = 5

/** Lines of a round that are put in order: clients are read one after the other, and windows go by the time of a line. */
const mostInOrder = { items: 50_000, size: 16 * 2 ** 20 }

/** Patterns that also hold for a line without a level; inside another pattern they would not. */
const universal = new Set(['', '.', '.*'])

/** One pattern for all levels that are looked for; null: any level. */
const levelsOf = (selections: readonly LogSelection[]): string | null => {
  const texts = [...new Set(selections.flatMap(({ levels }) => levels.map(({ text }) => text)))]
  return texts.some((text) => universal.has(text)) ? null : texts.map((text) => `(?:${text})`).join('|')
}

/** Counts of a round, for whoever asks what it costs. */
interface Tally {
  lines: number
  kept: number
}

const parse = (json: string): unknown => {
  try {
    return parseExact(json)
  } catch {
    return null
  }
}

const lineOf = (row: unknown): LogRow | null => {
  try {
    return readLogRow(row)
  } catch {
    return null
  }
}

/** A line that a round takes. */
interface Taken {
  readonly json: string
  readonly row: unknown
  /** Which of equal lines it is, from 0. */
  readonly copy: number
  readonly storedAt: EpochMs
}

/** null: nobody looks for it, or it is for the next round. What cannot be read is set aside by whoever identifies it. */
const takeLine = (json: string, { selections }: LogReading, until: EpochMs, equal: EqualRows): Taken | null => {
  const row = parse(json)
  const line = lineOf(row)
  if (line === null) return { json, row, copy: 0, storedAt: 0 }
  const { storedAt } = line
  // What is stored while clients are read comes with what the others store meanwhile.
  if (storedAt >= until || !selections.some((selection) => selection.selects(line))) return null
  return { json, row, copy: equal.next(logLineKey(row, line)), storedAt }
}

/** The rows of a round: in one query where they are of a short time, and else some clients at a time. */
const readRows = (
  { of: whose }: LogReading,
  range: LogsRange,
  isBacklog: boolean,
  ask: (query: PreparedQuery) => Observable<readonly string[]>,
): Observable<readonly string[]> => {
  if (whose === 'server') return ask(serverLogsQuery(range))
  if (!isBacklog) return ask(clientLogsQuery(range))
  return ask(heardClientsQuery(range)).pipe(
    mergeMap((rows) => rows),
    toArray(),
    mergeMap((rows) => slicesOf(rows.map((json) => JSON.parse(json) as HeardClient))),
    concatMap((clients) => ask(someClientsLogsQuery(range, clients))),
  )
}

/**
 * Reads the logs of one organisation in rounds: which artifacts run now, then their lines since the cursor less an overlap. A round that
 * takes longer than half its period makes the next one come later, so that the server is never busy with it for more than half the time;
 * that is said. Never completes; errors with what ended it, an outage or a refusal, and goes on when subscribed to again.
 */
export const logRounds = (options: LogRoundsOptions): Observable<Arrival> => {
  const { velociraptor, clock, org, source: latest, cursor, begin, atMost, room } = options
  const say = openSayings(options)
  const roomFirst = room.pipe(ignoreElements())
  let failures = 0
  let nextInMs = 0
  let isFirst = true
  let deepAt: EpochMs | null = null

  const round = async (dueAt: EpochMs): Promise<Observable<Arrival>> => {
    const source = latest()
    const { queue, logs } = source
    const before = cursor()
    const table = await (logs.of === 'server' ? serverEventTable : clientEventTable)(velociraptor, org)
    const targets = await logTargets(velociraptor, org, table, { ...logs, before: before?.scanned ?? [] })
    say.unknown(queue, targets.unknown)
    const isDeep = deepAt === null || table.now < deepAt || table.now - deepAt >= deepEveryMs
    const overlap = isDeep ? deepOverlapMs : overlapMs
    const readTo = before === null ? begin(table.now) : readUntil(before.at, table.now, !isFirst)
    const fromMs = before === null ? readTo : Math.max(0, readTo - overlap)
    const { entries, running } = targets
    const range = { entries, fromMs, levels: levelsOf(logs.selections) }
    // Between rounds nothing was away: their lines come as soon as they can.
    const wasAway = isFirst && table.now - readTo > 2 * logs.periodMs
    const origin: Origin = wasAway ? 'history' : 'live'
    const tally: Tally = { lines: 0, kept: 0 }
    const equal = openEqualRows()
    const ask = (query: PreparedQuery): Observable<readonly string[]> =>
      concat(
        roomFirst,
        rowsOf(query, {
          ...{ velociraptor, clock, org, source, failureIn: failureOf },
          silenceMs: silenceMs * 2 ** Math.min(failures, mostDoublings),
          timeoutS: roundTimeoutS,
        }),
      )
    const isNothing = entries.length === 0 || (before === null && fromMs >= table.now)
    const rows = isNothing ? EMPTY : readRows(logs, range, table.now - readTo > backlogMs, ask)
    return concat(
      of({ kind: 'beat', at: table.now, isInSync: false } as const),
      rows.pipe(
        mergeMap((some) => {
          tally.lines += some.length
          return some.flatMap((json) => takeLine(json, logs, table.now, equal) ?? [])
        }),
        inOrder(
          ({ storedAt }) => storedAt,
          ({ json }) => json.length,
          mostInOrder,
        ),
        map(({ json, row, copy }): Arrival => {
          tally.kept++
          return { kind: 'row', source, json, row, origin, copy }
        }),
      ),
      defer(() => {
        failures = 0
        isFirst = false
        if (isDeep) deepAt = table.now
        const tookMs = clock.now() - dueAt
        nextInMs = Math.max(logs.periodMs - tookMs, tookMs)
        say.pace(source, tookMs, tally)
        return of({ kind: 'complete', at: table.now, isInSync: true, scanned: running } as const)
      }),
    )
  }
  return defer(() => {
    const dueAt = clock.now()
    return atMost(defer(() => from(round(dueAt))).pipe(mergeMap((arrivals) => arrivals)))
  }).pipe(
    repeat({ delay: () => wait(clock, nextInMs) }),
    tap({
      error: () => {
        failures++
        isFirst = true
        deepAt = null
      },
    }),
  )
}

interface Sayings {
  unknown(queue: string, artifacts: readonly string[]): void
  pace(source: LogSource, tookMs: number, tally: Tally): void
}

/** What rounds say of themselves: what lasts is said once. */
const openSayings = ({ tell, org }: LogRoundsOptions): Sayings => {
  let missing: ReadonlySet<string> = new Set()
  let isStretched = false
  return {
    unknown(queue, artifacts) {
      for (const artifact of artifacts)
        if (!missing.has(artifact)) tell({ name: 'log artifact unknown', org, queue, artifact })
      missing = new Set(artifacts)
    },
    pace({ queue, logs: { periodMs } }, tookMs, { lines, kept }) {
      tell({ name: 'log round', org, queue, took_ms: tookMs, lines, kept })
      const stretches = 2 * tookMs > periodMs
      if (stretches !== isStretched)
        tell({
          name: stretches ? 'log rounds stretched' : 'log rounds in time',
          ...{ org, queue, took_ms: tookMs, period_ms: periodMs },
        })
      isStretched = stretches
    },
  }
}
