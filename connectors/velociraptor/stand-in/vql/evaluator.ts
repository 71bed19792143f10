import { momentField, operate } from './operators.ts'
import { lookUp, scopeText, within, type Scope } from './scope.ts'
import { checked, memoryOf, type Arguments, type Session } from './session.ts'
import { limited, sendRows, sorted, type Sink } from './sinks.ts'
import { makeStop } from './stop.ts'
import { expressionText, type Argument, type Expression, type Select, type Statement } from './syntax.ts'
import {
  isDict,
  isExpression,
  isList,
  isMoment,
  isQuery,
  isTrue,
  opened,
  toJson,
  type Row,
  type StoredQuery,
  type Value,
} from './values.ts'

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
  const sent = select.limit === null ? out : limited(select.limit, out)
  const ordered = select.orderBy === null ? sent : sorted(select.orderBy, sent)
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
    done: () => sendRows(groups.values(), out),
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
    runSelect(known.body.select, within(scope, parametersOf(from.args ?? [], scope, session)), session, out)
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
  const args = checked(from.name, plugin, argumentsOf(from.args ?? [], scope, session), session)
  if (args === null) out.done()
  else plugin.run(args, out, { session, scope, memory: memoryOf(from, session) })
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
      return operate('-', 0, evaluate(expression.of, scope, session, quiet))
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

const call = (expression: Expression & { is: 'call' }, scope: Scope, session: Session, quiet: boolean): Value => {
  const { name, args } = expression
  const known = lookUp(scope, name)
  if (known !== undefined && isExpression(known))
    return evaluate(known.body, within(scope, parametersOf(args, scope, session)), session, quiet)
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
  const given = checked(name, found, argumentsOf(args, scope, session), session)
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

/** An argument: a subquery is handed over unrun. */
const argument = (expression: Expression, scope: Scope, session: Session): Value =>
  expression.is === 'query' ? { kind: 'query', select: expression.select, scope } : evaluate(expression, scope, session)

/** What a stored expression is called with, by the names of its parameters. */
const parametersOf = (args: readonly Argument[], scope: Scope, session: Session): Arguments =>
  new Map(args.map(({ name, value }) => [name, argument(value, scope, session)]))

/** What a function or plugin is called with: dictionaries given as `**` are spread. */
const argumentsOf = (args: readonly Argument[], scope: Scope, session: Session): Arguments => {
  const given = new Map<string, Value>()
  for (const one of args) {
    const value = argument(one.value, scope, session)
    const several = opened(value)
    if (one.name !== '') given.set(one.name, value)
    else if (isDict(several)) for (const [key, item] of several) given.set(key, item)
  }
  return given
}
