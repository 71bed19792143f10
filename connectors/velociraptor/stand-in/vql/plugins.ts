import { asRows, runSelect, settled } from './evaluator.ts'
import { argumentEntries, argumentItems, argumentText, argumentValue, wholeNumber } from './functions.ts'
import { within } from './scope.ts'
import type { CallContext, Plugin } from './session.ts'
import { sendRows, type Sink } from './sinks.ts'
import { makeStop } from './stop.ts'
import { isList, isQuery, isTrue, readJson, type Row, type StoredQuery, type Value } from './values.ts'

const runStored = (query: StoredQuery, row: Row | null, { session }: CallContext, out: Sink): void =>
  runSelect(query.select, row === null ? query.scope : within(query.scope, row), session, out)

/** Merges queries: one after another, or all at once with `async`. */
const chain: Plugin = {
  free: true,
  run: (args, out, call) => {
    const members = [...args].filter(([key]) => key !== 'async').map(([, value]) => value)
    const atOnce = isTrue(args.get('async') ?? null)
    if (atOnce) allAtOnce(members, out, call)
    else oneAfterAnother(members, out, call)
  },
}

const runMember = (member: Value, out: Sink, call: CallContext): void => {
  if (isQuery(member)) runStored(member, null, call, out)
  else sendRows(asRows(member, call.session), out)
}

const allAtOnce = (members: readonly Value[], out: Sink, call: CallContext): void => {
  let open = members.length
  if (open === 0) out.done()
  for (const member of members)
    runMember(
      member,
      {
        stop: makeStop(out.stop),
        row: (row) => out.row(row),
        done: () => {
          if (--open === 0) out.done()
        },
      },
      call,
    )
}

const oneAfterAnother = (members: readonly Value[], out: Sink, call: CallContext): void =>
  inTurn(members, 1, out, (member, inner) => runMember(member, inner, call))

/** Runs a piece of work for each item, `workers` at once. */
const inTurn = <T extends Value>(
  items: readonly T[],
  workers: number,
  out: Sink,
  run: (item: T, inner: Sink) => void,
): void => {
  let next = 0
  openWorkers({ take: () => items[next++], isOver: () => true }, workers, out, run)()
}

interface Supply<T> {
  /** The next item, which then waits no more; undefined: none waits. */
  take(): T | undefined
  /** Whether none will come but those that wait. */
  isOver(): boolean
}

/**
 * Runs a piece of work for each item that is supplied, `workers` at once, without growing the stack when they end at once. Returns what
 * is to be called at first and after every change of the supply.
 */
const openWorkers = <T>(
  supply: Supply<T>,
  workers: number,
  out: Sink,
  run: (item: T, inner: Sink) => void,
): (() => void) => {
  let open = 0
  let pumping = false
  let ended = false
  const pump = (): void => {
    if (pumping || ended) return
    pumping = true
    while (open < workers && !out.stop.stopped) {
      const item = supply.take()
      if (item === undefined) break
      open++
      run(item, {
        stop: makeStop(out.stop),
        row: (row) => out.row(row),
        done: () => {
          open--
          pump()
        },
      })
    }
    pumping = false
    // No worker is busy though none was kept from it: nothing waits.
    if (open === 0 && (out.stop.stopped || supply.isOver())) {
      ended = true
      out.done()
    }
  }
  return pump
}

/** Runs a query for each row of another, or of a list. */
const foreach: Plugin = {
  optional: ['row', 'query', 'async', 'workers', 'column'],
  run: (args, out, call) => {
    const query = args.get('query') ?? null
    const given = args.get('row') ?? null
    const workers = Number(wholeNumber(argumentValue(args, 'workers')))
    if (workers > 1) call.session.log(`DEBUG:Creating ${workers} workers for foreach plugin`)
    if (!isQuery(query)) {
      runMember(given, out, call)
      return
    }
    const atOnce = isTrue(args.get('async') ?? null) ? Infinity : Math.max(1, workers)
    if (isQuery(given)) eachOfQuery(given, query, atOnce, out, call)
    else inTurn(asRows(given, call.session), atOnce, out, (row, inner) => runStored(query, row, call, inner))
  },
}

/** As `inTurn`, for rows that may come later. */
const eachOfQuery = (source: StoredQuery, query: StoredQuery, workers: number, out: Sink, call: CallContext): void => {
  const waiting: Row[] = []
  let isOver = false
  const supply = { take: () => waiting.shift(), isOver: () => isOver }
  const pump = openWorkers(supply, workers, out, (row, inner) => runStored(query, row, call, inner))
  runStored(source, null, call, {
    stop: makeStop(out.stop),
    row: (row) => {
      waiting.push(row)
      pump()
    },
    done: () => {
      isOver = true
      pump()
    },
  })
}

/** Gives the time each `period` seconds, first after one period. */
const clock: Plugin = {
  optional: ['start', 'period', 'ms'],
  run: (args, out, { session }) => {
    const ms = args.has('ms') ? Number(argumentValue(args, 'ms')) : 1000 * (Number(argumentValue(args, 'period')) || 1)
    const start = session.clock.now()
    let cancel: () => void = () => undefined
    const tick = (): void => {
      out.row(momentRow(session.clock.now()))
      // Ticks that were missed are left out.
      const ticks = Math.floor((session.clock.now() - start) / ms)
      if (!out.stop.stopped) cancel = session.clock.at(start + (ticks + 1) * ms, tick)
    }
    cancel = session.clock.at(start + ms, tick)
    out.stop.whenStopped(() => cancel())
  },
}

const momentRow = (at: number): Row => {
  const date = new Date(at)
  const iso = date.toISOString()
  const ns = BigInt(at) * 1_000_000n
  return new Map<string, Value>([
    ['Day', date.getUTCDate()],
    ['Hour', date.getUTCHours()],
    ['Minute', date.getUTCMinutes()],
    ['Month', date.getUTCMonth() + 1],
    ['Nanosecond', Number(ns % 1_000_000_000n)],
    ['Second', date.getUTCSeconds()],
    ['String', `${iso.slice(0, 19)}Z`],
    ['UTC', { kind: 'moment', ns }],
    ['Unix', Math.floor(at / 1000)],
    ['UnixMicro', at * 1000],
    ['UnixMilli', at],
    ['UnixNano', ns],
    ['Weekday', date.getUTCDay()],
    ['Year', date.getUTCFullYear()],
    ['Zone', 'UTC'],
  ])
}

const range: Plugin = {
  required: ['end'],
  optional: ['start', 'step'],
  run: (args, out) => {
    const end = Number(argumentValue(args, 'end'))
    const step = Number(argumentValue(args, 'step') ?? 1) || 1
    const rows = function* (): Generator<Row> {
      for (let at = Number(argumentValue(args, 'start') ?? 0); at < end; at += step) yield new Map([['_value', at]])
    }
    sendRows(rows(), out)
  },
}

const jsonArray: Plugin = {
  required: ['data'],
  run: (args, out, { session }) => {
    const found = json(argumentText(args, 'data'))
    if (isList(found)) sendRows(asRows(found, session), out)
    else {
      session.log('parse_json_array: unexpected end of JSON input')
      out.done()
    }
  },
}

const json = (text: string): Value => {
  try {
    return readJson(text, { moments: true })
  } catch {
    return null
  }
}

const branches: Plugin = {
  required: ['condition'],
  optional: ['then', 'else'],
  run: (args, out, call) => {
    const chosen = isTrue(settled(args.get('condition') ?? null, call.session)) ? 'then' : 'else'
    runMember(args.get(chosen) ?? null, out, call)
  },
}

const itemRows: Plugin = {
  required: ['item'],
  run: (args, out) => sendRows(argumentEntries(args, 'item'), out),
}

const flatten: Plugin = {
  required: ['query'],
  run: (args, out, call) =>
    sendRows(
      argumentItems(args.get('query') ?? null, call).flatMap((row) => asRows(row, call.session)),
      out,
    ),
}

/** Plugins that need no server, by name. */
export const plainPlugins: Readonly<Record<string, Plugin>> = {
  scope: { run: (_, out) => sendRows([new Map()], out) },
  chain,
  combine: chain,
  foreach,
  clock,
  range,
  parse_json_array: jsonArray,
  if: branches,
  items: itemRows,
  flatten,
}
