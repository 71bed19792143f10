import type { Clock } from '../../../../schemas/time.ts'
import { lookUp, within, type Scope } from './scope.ts'
import { makeStop, type Stop } from './stop.ts'
import { expressionText, type Argument, type Expression, type Operator, type Select, type Statement } from './syntax.ts'
import {
  compare,
  integer,
  isDict,
  isEqual,
  isExpression,
  isList,
  isMoment,
  isNumeric,
  isQuery,
  isTrue,
  opened,
  toJson,
  type Row,
  type StoredQuery,
  type Value,
} from './values.ts'

/** Where a query's rows go. `done` is called once, after the last row. */
export interface Sink {
  readonly stop: Stop
  row(row: Row): void
  done(): void
}

export type Arguments = ReadonlyMap<string, Value>

/** What a function or plugin may be given: names it must have, names it may have, or anything (`free`). */
export interface Signature {
  readonly required?: readonly string[]
  readonly optional?: readonly string[]
  readonly free?: true
  /** The permission without which it does nothing; its name as in the server's message. */
  readonly needs?: string | ((args: Arguments) => string | null)
  /** The name in messages, where the server's is odd. */
  readonly says?: string
}

export interface VqlFunction extends Signature {
  call(args: Arguments, call: CallContext): Value
}

export interface Plugin extends Signature {
  run(args: Arguments, out: Sink, call: CallContext): void
}

export interface CallContext {
  readonly session: Session
  readonly scope: Scope
  /** What an aggregate remembers for this place in the query and this group. */
  readonly memory: <T>(first: () => T) => { value: T }
}

/** One query as it runs. */
export interface Session {
  readonly clock: Clock
  readonly functions: ReadonlyMap<string, VqlFunction>
  readonly plugins: ReadonlyMap<string, Plugin>
  /** Writes a line of the query's log, as it stands on the wire without its newline. */
  log(text: string): void
  allows(permission: string): boolean
  readonly memories: Map<object, Map<string, { value: unknown }>>
  group: string
}

/** Runs one statement in a scope: LET adds to `names`, SELECT sends its rows. */
export const runStatement = (
  statement: Statement,
  scope: Scope,
  names: Map<string, Value>,
  session: Session,
  out: Sink,
): void => {
  if (statement.is === 'select') {
    runSelect(statement.select, scope, session, out)
    return
  }
  names.set(statement.name, bound(statement, scope, session))
  out.done()
}

const bound = ({ value, eager, parameters }: Statement & { is: 'let' }, scope: Scope, session: Session): Value => {
  if (value.is === 'query' && parameters.length === 0)
    return eager
      ? rowsOf({ kind: 'query', select: value.select, scope }, session)
      : { kind: 'query', select: value.select, scope }
  if (eager) return evaluate(value, scope, session)
  return { kind: 'expression', parameters, body: value, scope }
}

/** The rows that a query gives without waiting; what would come later is not waited for. */
export const rowsOf = (query: StoredQuery, session: Session): readonly Row[] => {
  const rows: Row[] = []
  const stop = makeStop()
  runSelect(query.select, query.scope, session, { stop, row: (row) => rows.push(row), done: () => undefined })
  stop.stop()
  return rows
}

/** Runs a SELECT; rows may come later, when its source waits. */
export const runSelect = (select: Select, scope: Scope, session: Session, out: Sink): void => {
  const stop = makeStop(out.stop)
  let ended = false
  const done = (): void => {
    if (ended) return
    ended = true
    stop.stop()
    out.done()
  }
  const sink = reshaped(select, scope, session, { stop, row: (row) => out.row(row), done })
  runSource(select.from, scope, session, sink)
}

/** WHERE, columns, GROUP BY, ORDER BY and LIMIT, in that order. */
const reshaped = (select: Select, scope: Scope, session: Session, out: Sink): Sink => {
  const limited = select.limit === null ? out : limit(select.limit, out)
  const ordered = select.orderBy === null ? limited : sorted(select.orderBy, limited)
  const { groupBy } = select
  if (groupBy !== null) return grouped(select, groupBy, scope, session, ordered)
  const onlyStar = select.columns.length === 1 && select.columns[0]?.value === null
  if (onlyStar && select.where === null) return ordered
  return {
    stop: ordered.stop,
    row: (row) => {
      const inner = within(scope, row)
      if (select.where !== null && !passes(select, select.where, inner, session)) return
      ordered.row(onlyStar ? row : columnsOf(select, row, inner, session))
    },
    done: () => ordered.done(),
  }
}

const limit = (most: number, out: Sink): Sink => {
  let sent = 0
  return {
    stop: out.stop,
    row: (row) => {
      if (sent > 0 && sent >= most) return
      sent++
      out.row(row)
      // The server looks at the limit after a row, so that LIMIT 0 gives one.
      if (sent >= most) out.done()
    },
    done: () => out.done(),
  }
}

const sorted = ({ name, descending }: { name: string; descending: boolean }, out: Sink): Sink => {
  const rows: Row[] = []
  return {
    stop: out.stop,
    row: (row) => rows.push(row),
    done: () => {
      const sign = descending ? -1 : 1
      rows.sort((a, b) => sign * (compare(a.get(name) ?? null, b.get(name) ?? null) ?? 0))
      for (const row of rows) {
        if (out.stop.stopped) return
        out.row(row)
      }
      out.done()
    },
  }
}

const grouped = (select: Select, by: Expression, scope: Scope, session: Session, out: Sink): Sink => {
  const groups = new Map<string, Row>()
  const aliases = aliasesOf(select)
  return {
    stop: out.stop,
    row: (row) => {
      const inner = within(scope, row)
      if (select.where !== null && !passes(select, select.where, inner, session)) return
      const outer = session.group
      const key = by.is === 'symbol' ? (aliases.get(by.name) ?? by) : by
      session.group = `${outer}/${toJson(settled(evaluate(key, inner, session), session))}`
      groups.set(session.group, columnsOf(select, row, inner, session))
      session.group = outer
    },
    done: () => {
      for (const row of groups.values()) {
        if (out.stop.stopped) return
        out.row(row)
      }
      out.done()
    },
  }
}

const aliasesOf = (select: Select): ReadonlyMap<string, Expression> =>
  new Map(select.columns.flatMap(({ name, value }) => (value === null ? [] : [[name, value] as const])))

/** WHERE sees the columns under their new names too. */
const passes = (select: Select, where: Expression, inner: Scope, session: Session): boolean => {
  const aliases = aliasesOf(select)
  const named: Scope = {
    parent: inner,
    read: (name) => {
      const value = aliases.get(name)
      return value === undefined || (value.is === 'symbol' && value.name === name)
        ? undefined
        : evaluate(value, inner, session, true)
    },
    names: () => [],
  }
  return isTrue(settled(evaluate(where, named, session, true), session))
}

const columnsOf = (select: Select, row: Row, inner: Scope, session: Session): Row => {
  const columns = new Map<string, Value>()
  for (const { value, name } of select.columns)
    if (value === null) for (const [key, item] of row) columns.set(key, item)
    else columns.set(name, settled(evaluate(value, inner, session), session))
  return columns
}

/** A value that can be sent: queries have been run. */
export const settled = (value: Value, session: Session): Value => {
  if (isQuery(value)) return rowsOf(value, session)
  return isExpression(value) ? null : value
}

const runSource = (from: Select['from'], scope: Scope, session: Session, out: Sink): void => {
  const known = lookUp(scope, from.name)
  if (known !== undefined && isQuery(known)) {
    runSelect(known.select, known.scope, session, out)
    return
  }
  if (known !== undefined && isExpression(known) && known.body.is === 'query') {
    const given = new Map((from.args ?? []).map(({ name, value }) => [name, argument(value, scope, session)]))
    runSelect(known.body.select, within(scope, given), session, out)
    return
  }
  if (known !== undefined && from.args === null) {
    sendRows(asRows(known, session), out)
    return
  }
  const [root = '', ...path] = from.name.split('.')
  const holder = from.args === null && path.length > 0 ? lookUp(scope, root) : undefined
  if (holder !== undefined) {
    const found = path.reduce<Value>((at, name) => member(at, name, session), settled(holder, session))
    sendRows(asRows(found, session), out)
    return
  }
  const plugin = session.plugins.get(from.name)
  if (plugin === undefined) {
    session.log(`ERROR:Plugin ${from.name} not found. Current Scope is ${scopeText(scope)}`)
    session.log(`ERROR:Plugin ${from.name} not found. `)
    out.done()
    return
  }
  const args = checked(from.name, plugin, from.args ?? [], scope, session)
  if (args === null) out.done()
  else plugin.run(args, out, { session, scope, memory: memoryOf(from, session) })
}

/** Sends rows until told to stop, then says that it is done. */
export const sendRows = (rows: Iterable<Row>, out: Sink): void => {
  for (const row of rows) {
    if (out.stop.stopped) return
    out.row(row)
  }
  out.done()
}

/** A value as rows: those of a query, dictionaries of a list, anything else under `_value`. */
export const asRows = (given: Value, session: Session): readonly Row[] => {
  const value = opened(given)
  if (value === null) return []
  if (isQuery(value)) return rowsOf(value, session)
  const items = isList(value) ? value : [value]
  return items.map((item) => {
    const found = opened(item)
    return isDict(found) ? found : new Map([['_value', found]])
  })
}

/** The value of an expression. `quiet`: names that are missing are not written to the log, as in WHERE. */
export const evaluate = (expression: Expression, scope: Scope, session: Session, quiet = false): Value => {
  switch (expression.is) {
    case 'literal':
      return expression.value
    case 'list':
      return expression.items.map((item) => settled(evaluate(item, scope, session, quiet), session))
    case 'symbol':
      return symbol(expression.name, scope, session, quiet)
    case 'call':
      return call(expression, scope, session, quiet)
    case 'member':
      return memberOf(expression, scope, session, quiet)
    case 'index':
      return indexed(
        evaluate(expression.of, scope, session, quiet),
        evaluate(expression.at, scope, session, quiet),
        session,
      )
    case 'query':
      return reduced(rowsOf({ kind: 'query', select: expression.select, scope }, session))
    case 'not':
      return !isTrue(settled(evaluate(expression.of, scope, session, quiet), session))
    case 'minus':
      return arithmetic('-', 0, evaluate(expression.of, scope, session, quiet))
    case 'binary':
      return binary(expression, scope, session, quiet)
  }
}

/** A subquery as a value: nothing is null, one row stands for itself, a single column for its value. */
const reduced = (rows: readonly Row[]): Value => {
  const items = rows.map((row): Value => (row.size === 1 ? ([...row.values()][0] ?? null) : row))
  return items.length === 0 ? null : items.length === 1 ? (items[0] ?? null) : items
}

const symbol = (name: string, scope: Scope, session: Session, quiet: boolean): Value => {
  const value = lookUp(scope, name)
  if (value === undefined) {
    if (!quiet) session.log(`ERROR:Symbol ${name} not found. Current Scope is ${scopeText(scope)}`)
    return null
  }
  return isExpression(value) && value.parameters.length === 0 ? evaluate(value.body, scope, session, quiet) : value
}

const memberOf = (expression: Expression & { is: 'member' }, scope: Scope, session: Session, quiet: boolean): Value => {
  const root = expression.of
  if (root.is === 'symbol' && lookUp(scope, root.name) === undefined) {
    if (!quiet)
      session.log(
        `ERROR:While resolving ${expressionText(expression)} Symbol ${root.name} not found. Current Scope is ${scopeText(scope)}`,
      )
    return null
  }
  return member(evaluate(root, scope, session, quiet), expression.name, session)
}

/** A field of a dictionary; of a list, the list of that field; of a moment, its Unix time. */
const member = (of: Value, name: string, session: Session): Value => {
  const value = isQuery(of) ? rowsOf(of, session) : opened(of)
  if (isDict(value)) return value.get(name) ?? null
  if (isList(value)) {
    if (/^\d+$/.test(name)) return value[Number(name)] ?? null
    const found = value.map((item) => member(item, name, session)).filter((item) => item !== null)
    return found.length === 0 ? null : found
  }
  if (isMoment(value)) return momentField(value.ns, name)
  return null
}

const momentField = (ns: bigint, name: string): Value => {
  const divisors: Readonly<Record<string, bigint>> = {
    Unix: 1_000_000_000n,
    UnixMilli: 1_000_000n,
    UnixMicro: 1000n,
    UnixNano: 1n,
  }
  const divisor = divisors[name]
  return divisor === undefined ? null : integer(ns / divisor)
}

const indexed = (of: Value, at: Value, session: Session): Value => {
  const value = isQuery(of) ? rowsOf(of, session) : opened(of)
  const index = opened(at)
  if (isDict(value)) return typeof index === 'string' ? (value.get(index) ?? null) : null
  // Beyond the end the server counts on from the beginning.
  if (isList(value) && typeof index === 'number') return value.at(index % value.length) ?? null
  return null
}

const binary = (expression: Expression & { is: 'binary' }, scope: Scope, session: Session, quiet: boolean): Value => {
  const { operator, left, right } = expression
  const value = (of: Expression): Value => settled(evaluate(of, scope, session, quiet), session)
  if (operator === 'AND') return isTrue(value(left)) && isTrue(value(right))
  if (operator === 'OR') return isTrue(value(left)) || isTrue(value(right))
  return operate(operator, value(left), value(right))
}

const operate = (operator: Operator, left: Value, right: Value): Value => {
  switch (operator) {
    case '=':
      return isEqual(left, right)
    case '!=':
      return !isEqual(left, right)
    case '<':
      return (compare(left, right) ?? 1) < 0
    case '>':
      return (compare(left, right) ?? -1) > 0
    case '<=':
      return (compare(left, right) ?? 1) <= 0
    case '>=':
      return (compare(left, right) ?? -1) >= 0
    case '=~':
      return matches(left, right)
    case 'IN':
      return isIn(left, right)
    default:
      return arithmetic(operator, left, right)
  }
}

const isIn = (left: Value, right: Value): boolean => {
  const within = opened(right)
  const item = opened(left)
  if (isList(within)) return within.some((one) => isEqual(one, item))
  return typeof within === 'string' && typeof item === 'string' && within.includes(item)
}

const patterns = new Map<string, RegExp | null>()

/** A pattern as the server reads it: without regard to case, `.` also the end of a line. null: it is none. */
export const patternOf = (text: string): RegExp | null => {
  let pattern = patterns.get(text)
  if (pattern === undefined) {
    try {
      pattern = new RegExp(text.replace(/^\(\?[ims]+\)/, ''), 'is')
    } catch {
      pattern = null
    }
    if (patterns.size < 1000) patterns.set(text, pattern)
  }
  return pattern
}

const matches = (left: Value, right: Value): boolean => {
  const text = opened(left)
  const pattern = opened(right)
  if (typeof pattern !== 'string') return false
  if (pattern === '.' || pattern === '.*' || pattern === '') return true
  if (isList(text)) return text.some((item) => matches(item, right))
  if (text === null) return false
  return patternOf(pattern)?.test(typeof text === 'string' ? text : toJson(text)) ?? false
}

const arithmetic = (operator: string, left: Value, right: Value): Value => {
  const a = opened(left)
  const b = opened(right)
  if (operator === '+') {
    if (typeof a === 'string' && typeof b === 'string') return a + b
    if (isList(a) || isList(b))
      return [...(isList(a) ? a : a === null ? [] : [a]), ...(isList(b) ? b : b === null ? [] : [b])]
  }
  if (operator === '*' && typeof a === 'string' && typeof b === 'number' && b >= 0 && b < 10_000) return a.repeat(b)
  if (!isNumeric(a) || !isNumeric(b)) return null
  const whole = isWhole(a) && isWhole(b)
  switch (operator) {
    case '+':
      return whole ? integer(BigInt(a) + BigInt(b)) : Number(a) + Number(b)
    case '-':
      return whole ? integer(BigInt(a) - BigInt(b)) : Number(a) - Number(b)
    case '*':
      return whole ? integer(BigInt(a) * BigInt(b)) : Number(a) * Number(b)
    case '/':
      if (Number(b) === 0) return null
      return whole && BigInt(a) % BigInt(b) === 0n ? integer(BigInt(a) / BigInt(b)) : Number(a) / Number(b)
    default:
      return null
  }
}

const isWhole = (value: number | bigint): boolean => typeof value === 'bigint' || Number.isInteger(value)

const call = (expression: Expression & { is: 'call' }, scope: Scope, session: Session, quiet: boolean): Value => {
  const { name, args } = expression
  const known = lookUp(scope, name)
  if (known !== undefined && isExpression(known)) {
    const given = new Map(args.map((one) => [one.name, argument(one.value, scope, session)]))
    return evaluate(known.body, within(scope, given), session, quiet)
  }
  if (name === 'if') return conditional(args, scope, session, quiet)
  const found = session.functions.get(name)
  if (found === undefined) {
    session.log(
      quiet
        ? `ERROR:Symbol ${name} is not a function but it is being called.`
        : `ERROR:Symbol ${name} not found. Current Scope is ${scopeText(scope)}`,
    )
    return null
  }
  const given = checked(name, found, args, scope, session)
  return given === null ? null : found.call(given, { session, scope, memory: memoryOf(expression, session) })
}

/** `if` alone looks at its branches only when they are due. */
const conditional = (args: readonly Argument[], scope: Scope, session: Session, quiet: boolean): Value => {
  const branch = (name: string): Value => {
    const found = args.find((one) => one.name === name)?.value
    return found === undefined ? null : evaluate(found, scope, session, quiet)
  }
  return branch(isTrue(settled(branch('condition'), session)) ? 'then' : 'else')
}

const memoryOf =
  (place: object, session: Session): CallContext['memory'] =>
  <T>(first: () => T) => {
    let groups = session.memories.get(place)
    if (groups === undefined) session.memories.set(place, (groups = new Map()))
    let memory = groups.get(session.group)
    if (memory === undefined) groups.set(session.group, (memory = { value: first() }))
    return memory as { value: T }
  }

/** An argument: a subquery is handed over unrun. */
const argument = (expression: Expression, scope: Scope, session: Session): Value =>
  expression.is === 'query' ? { kind: 'query', select: expression.select, scope } : evaluate(expression, scope, session)

/** The arguments, or null after a line in the log that says what is wrong with them. */
const checked = (
  name: string,
  signature: Signature,
  args: readonly Argument[],
  scope: Scope,
  session: Session,
): Arguments | null => {
  const given = new Map<string, Value>()
  for (const one of args) {
    const value = argument(one.value, scope, session)
    const several = opened(value)
    if (one.name !== '') given.set(one.name, value)
    else if (isDict(several)) for (const [key, item] of several) given.set(key, item)
  }
  const { required = [], optional = [], free, needs, says = name } = signature
  if (free === undefined)
    for (const key of given.keys())
      if (!required.includes(key) && !optional.includes(key)) {
        session.log(`${name}: Unexpected arg ${key}`)
        return null
      }
  for (const key of required)
    if (!given.has(key)) {
      session.log(`${name}: Field ${key} is required`)
      return null
    }
  const permission = typeof needs === 'function' ? needs(given) : (needs ?? null)
  if (permission === null || session.allows(permission)) return given
  session.log(`${says}: PermissionDenied: Permission denied: [${permission}]`)
  return null
}

const builtInNames = ['_SessionId', '$device_manager', 'config', '$acl', 'Artifact', '$repository', '$root']

/** The names in reach as the server lists them: the request's own first, then those of each row, outermost first. */
const scopeText = (scope: Scope): string => {
  const frames: string[] = []
  let at = scope
  for (; at.parent !== null; at = at.parent) frames.unshift(`, [${at.names().join(', ')}]`)
  const own = at.names().filter((name) => !builtInNames.includes(name))
  return `[NULL], [${[...own, ...builtInNames].join(', ')}], [$Query]${frames.join('')}`
}
