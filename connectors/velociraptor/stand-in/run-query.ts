import type { Clock } from '../../../schemas/time.ts'
import type { QueryResponse, VqlRequest } from '../api-messages.ts'
import type { CallStatus } from '../failures.ts'
import type { Ground } from './ground.ts'
import { configValue, functionsOn, pluginsOn } from './server-vql.ts'
import { runStatement } from './vql/evaluator.ts'
import { VqlError } from './vql/lexer.ts'
import { parseVql } from './vql/parser.ts'
import { within } from './vql/scope.ts'
import type { Session } from './vql/session.ts'
import type { Sink } from './vql/sinks.ts'
import { makeStop, type Stop } from './vql/stop.ts'
import { namesCalled, type Statement } from './vql/syntax.ts'
import { toJson, type Row, type Value } from './vql/values.ts'
import type { WorldInside } from './world.ts'

/** A query as a server gets it. */
export interface ServedQuery {
  readonly queries: readonly VqlRequest[]
  readonly env: readonly { readonly key: string; readonly value: string }[]
  readonly maxRow: number
  /** Seconds; 0 means 10. */
  readonly maxWaitS: number
  /** Seconds; 0 means for ever. */
  readonly timeoutS: number
  readonly org: string
  readonly principal: string
}

export interface Listener {
  message(message: QueryResponse): void
  /** Called once, last. */
  end(status: CallStatus): void
}

export interface RunningQuery {
  cancel(): void
  /** It waits for events, not for an answer. */
  readonly isEventStream: boolean
}

const ok: CallStatus = { code: 0, details: '' }
const dropped: CallStatus = { code: 14, details: 'Connection dropped' }
const eventSources = ['watch_monitoring', 'clock']
const historySources = ['monitoring', 'monitoring_logs', 'source']

/**
 * Runs a query as the server does: checks, log lines, batches, and an end with OK for nearly everything that fails. All time
 * is the clock's. Messages may come before this returns.
 */
export const runQuery = (world: WorldInside, clock: Clock, query: ServedQuery, listener: Listener): RunningQuery => {
  const outlet = openOutlet(world, listener)
  const stop = makeStop()
  const running = { cancel: () => undefined as void, isEventStream: false }
  const finish = (status: CallStatus): void => {
    stop.stop()
    forgetFaults()
    outlet.end(status)
  }
  const forgetFaults = world.whenFault((what) => {
    if (what === 'thaw') outlet.thaw()
    else if (what === 'half-open') outlet.close()
    else if (what === 'cut') {
      outlet.end(dropped, true)
      running.cancel()
    }
  })
  running.cancel = () => {
    stop.stop()
    forgetFaults()
    outlet.close()
  }

  const refusal = refusalOf(world, query, clock)
  if (refusal !== null) {
    finish(refusal)
    return running
  }
  const start = (ground: Ground, statements: readonly (readonly Statement[])[] | null, isOutOfTime: boolean): void =>
    serve({ ground, clock, query, statements, isOutOfTime, stop, send: outlet.send, finish })

  const org = world.org(query.org)
  if (org === undefined) return running
  const statements = parsed(query)
  const names = new Set((statements ?? []).flatMap((list) => [...namesCalled(list)]))
  running.isEventStream = eventSources.some((name) => names.has(name))
  const isLookup = !running.isEventStream && !historySources.some((name) => names.has(name))
  const hit = (kind: 'empty' | 'slow' | 'fail'): boolean => isLookup && world.lasting.hits(kind, clock.now())
  if (hit('fail')) {
    finish(dropped)
    return running
  }
  const ground: Ground = { world, org, principal: query.principal, blind: hit('empty') }
  if (!hit('slow')) start(ground, statements, false)
  else {
    const timeoutMs = query.timeoutS > 0 ? query.timeoutS * 1000 : Infinity
    const delayMs = Math.min(world.slowMs, timeoutMs)
    stop.whenStopped(clock.at(clock.now() + delayMs, () => start(ground, statements, delayMs === timeoutMs)))
  }
  return running
}

interface Outlet {
  send(message: QueryResponse): void
  /** `now`: also while the server is frozen, without what was held back. */
  end(status: CallStatus, now?: true): void
  close(): void
  thaw(): void
}

/** Holds messages back while the server is frozen. */
const openOutlet = (world: WorldInside, listener: Listener): Outlet => {
  let held: (() => void)[] = []
  let closed = false
  const pass = (call: () => void): void => {
    if (closed) return
    if (world.frozen) held.push(call)
    else call()
  }
  const close = (): void => {
    closed = true
    held = []
  }
  return {
    close,
    send: (message) => pass(() => listener.message(message)),
    end: (status, now) => {
      if (now === true) held = []
      const call = (): void => {
        close()
        listener.end(status)
      }
      if (now !== true) pass(call)
      else if (!closed) call()
    },
    thaw: () => {
      const calls = held
      held = []
      for (const call of calls) if (!closed) call()
    },
  }
}

const refusalOf = (world: WorldInside, { queries, org, principal }: ServedQuery, clock: Clock): CallStatus | null => {
  if (world.lasting.hits('refuse', clock.now())) return { code: 14, details: 'connect ECONNREFUSED' }
  if (!world.knowsUser(principal)) return { code: 2, details: `User not found: ${principal}` }
  const found = world.org(org)
  if (found === undefined) return { code: 2, details: 'Org not found' }
  if (!world.allows(principal, found.id, 'ANY_QUERY'))
    return { code: 7, details: `Permission denied: User ${principal} requires permission ANY_QUERY to run queries` }
  return queries.length === 0 ? { code: 2, details: 'Query should be specified.' } : null
}

const parsed = ({ queries }: ServedQuery): readonly (readonly Statement[])[] | null => {
  try {
    return queries.map(({ VQL }) => parseVql(VQL))
  } catch (error) {
    if (error instanceof VqlError) return null
    throw error
  }
}

interface Serving {
  readonly ground: Ground
  readonly clock: Clock
  readonly query: ServedQuery
  readonly statements: readonly (readonly Statement[])[] | null
  /** Its time was over before it could begin. */
  readonly isOutOfTime: boolean
  readonly stop: Stop
  send(message: QueryResponse): void
  finish(status: CallStatus): void
}

const serve = ({ ground, clock, query, statements, isOutOfTime, stop, send, finish }: Serving): void => {
  if (stop.stopped) return
  const begun = clock.now()
  const envelope = (part: Partial<QueryResponse>): QueryResponse => ({
    Response: '',
    Columns: [],
    Query: null,
    timestamp: String(clock.now() * 1000),
    query_id: '0',
    part: '0',
    log: '',
    ...part,
  })
  const log = (text: string): void => send(envelope({ log: `${text}\n` }))
  log('Starting query execution.')
  if (statements === null) {
    for (const { VQL } of query.queries) logSyntaxError(VQL, log)
    finish(ok)
    return
  }
  const tellTimeout = (): void => log(`collect: <red>Timeout Error:</> Collection timed out after ${query.timeoutS}s`)
  if (isOutOfTime) {
    tellTimeout()
    finish(ok)
    return
  }
  const session: Session = {
    clock,
    functions: functionsOn(ground),
    plugins: pluginsOn(ground),
    log,
    allows: (permission) => ground.world.allows(ground.principal, ground.org.id, permission),
    memories: new Map(),
    group: '',
  }
  const names = new Map<string, Value>([
    ...query.env.map(({ key, value }) => [key, value] as const),
    ['config', configValue(ground)],
  ])
  const scope = within(null, names)
  const work = statements.flatMap((list, n) =>
    list.map((statement, id) => ({ statement, id, request: query.queries[n] as VqlRequest })),
  )
  let timedOut = false
  let current: Batch | undefined

  const next = (at: number): void => {
    const piece = work[at]
    if (piece === undefined || stop.stopped) {
      if (!stop.stopped) finish(ok)
      return
    }
    if (piece.statement.is === 'let') {
      runStatement(piece.statement, scope, names, session, { stop, row: () => undefined, done: () => undefined })
      next(at + 1)
      return
    }
    const batch = openBatch({
      clock,
      query,
      begun,
      stop,
      request: piece.request,
      id: piece.id,
      envelope,
      send,
      log,
      quiet: () => timedOut,
    })
    current = batch
    const inner = makeStop(stop)
    const out: Sink = {
      stop: inner,
      row: (row) => batch.row(row),
      done: () => {
        inner.stop()
        if (timedOut || stop.stopped) return
        batch.end()
        next(at + 1)
      },
    }
    runStatement(piece.statement, scope, names, session, out)
  }

  if (query.timeoutS > 0)
    stop.whenStopped(
      clock.at(begun + query.timeoutS * 1000, () => {
        timedOut = true
        tellTimeout()
        current?.end()
        finish(ok)
      }),
    )
  next(0)
}

const logSyntaxError = (vql: string, log: (text: string) => void): void => {
  try {
    parseVql(vql)
  } catch (error) {
    if (!(error instanceof VqlError)) throw error
    log(`VQL Error: ${error.message}`)
  }
}

interface Batch {
  row(row: Row): void
  /** Sends what is held, `[]` if nothing. */
  end(): void
}

interface BatchOptions {
  readonly clock: Clock
  readonly query: ServedQuery
  readonly begun: number
  readonly stop: Stop
  readonly request: VqlRequest
  readonly id: number
  envelope(part: Partial<QueryResponse>): QueryResponse
  send(message: QueryResponse): void
  log(text: string): void
  /** The last batch after a timeout goes without its line in the log. */
  quiet(): boolean
}

/** Rows wait for company until the next row finds the batch full, or the timer strikes: it strikes each `maxWaitS`, from the start or the last batch. */
const openBatch = ({ clock, query, begun, stop, request, id, envelope, send, log, quiet }: BatchOptions): Batch => {
  const waitMs = (query.maxWaitS || 10) * 1000
  let held: string[] = []
  let columns: readonly string[] = []
  let part = 0
  let since = clock.now()
  let disarm: (() => void) | undefined

  const flush = (): void => {
    disarm?.()
    disarm = undefined
    since = clock.now()
    const response = `[${held.join(',')}]`
    if (!quiet())
      log(
        `Time ${Math.floor((clock.now() - begun) / 1000)}: ${request.Name}: Sending response part ${part} ${humanBytes(Buffer.byteLength(response))} (${held.length} rows).`,
      )
    send(envelope({ Response: response, Columns: columns, Query: request, query_id: String(id), part: String(part) }))
    part++
    held = []
    columns = []
  }
  stop.whenStopped(() => disarm?.())
  return {
    row: (row) => {
      if (held.length >= query.maxRow) flush()
      if (held.length === 0) columns = [...row.keys()]
      held.push(toJson(row))
      if (disarm === undefined)
        disarm = clock.at(since + (Math.floor((clock.now() - since) / waitMs) + 1) * waitMs, flush)
    },
    end: flush,
  }
}

const humanBytes = (bytes: number): string => {
  if (bytes < 10) return `${bytes} B`
  const exponent = Math.min(4, Math.floor(Math.log10(bytes) / 3))
  const value = Math.round((bytes / 1000 ** exponent) * 10) / 10
  return `${value < 10 && exponent > 0 ? value.toFixed(1) : Math.round(value)} ${['B', 'kB', 'MB', 'GB', 'TB'][exponent]}`
}
