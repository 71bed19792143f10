import type { Select, Expression } from './syntax.ts'
import type { Scope } from './scope.ts'

/** A dictionary keeps the order of its keys, which a plain object would not for keys that look like numbers. */
export type Dict = ReadonlyMap<string, Value>

/** JSON text not yet looked into. */
export interface Verbatim {
  readonly kind: 'json'
  readonly text: string
}

/** A moment, in ns since 1970. */
export interface Moment {
  readonly kind: 'moment'
  readonly ns: bigint
}

/** A query that has not run: an argument, or a name given by LET. */
export interface StoredQuery {
  readonly kind: 'query'
  readonly select: Select
  readonly scope: Scope
}

/** An expression named by LET, evaluated when it is read; with parameters, when it is called. */
export interface StoredExpression {
  readonly kind: 'expression'
  readonly parameters: readonly string[]
  readonly body: Expression
  readonly scope: Scope
}

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Value[]
  | Dict
  | Verbatim
  | Moment
  | StoredQuery
  | StoredExpression

/** A row of a query. */
export type Row = Dict

export const isDict = (value: Value | undefined): value is Dict => value instanceof Map

export const isList = (value: Value | undefined): value is readonly Value[] => Array.isArray(value)

const kindOf = (value: Value | undefined): string | undefined =>
  typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined

export const isVerbatim = (value: Value | undefined): value is Verbatim => kindOf(value) === 'json'
export const isMoment = (value: Value | undefined): value is Moment => kindOf(value) === 'moment'
export const isQuery = (value: Value | undefined): value is StoredQuery => kindOf(value) === 'query'
export const isExpression = (value: Value | undefined): value is StoredExpression => kindOf(value) === 'expression'

/** A whole number as number where that is exact, else as bigint. */
export const integer = (value: bigint): number | bigint => {
  const small = Number(value)
  return Number.isSafeInteger(small) ? small : value
}

/** Looks into JSON text; other values stay. */
export const opened = (value: Value): Exclude<Value, Verbatim> => (isVerbatim(value) ? readJson(value.text) : value)

/** What counts as true: numbers above 0, and everything else but null, false and what is empty. */
export const isTrue = (value: Value): boolean => {
  const found = opened(value)
  if (isList(found)) return found.length > 0
  if (isDict(found)) return found.size > 0
  if (isNumeric(found)) return found > 0
  if (isMoment(found)) return found.ns >= 1_000_000_000n
  return found !== null && found !== false && found !== ''
}

export const isEqual = (left: Value, right: Value): boolean => {
  const a = opened(left)
  const b = opened(right)
  if (isNumeric(a) && isNumeric(b)) return a == b
  if (typeof a === 'boolean' && isNumeric(b)) return Number(a) == b
  if (isNumeric(a) && typeof b === 'boolean') return a == Number(b)
  if (isMoment(a) || isMoment(b)) return (isMoment(a) ? a.ns : nanoseconds(a)) === (isMoment(b) ? b.ns : nanoseconds(b))
  if (typeof a === 'object' && a !== null && typeof b === 'object' && b !== null) return toJson(a) === toJson(b)
  return a === b
}

/** Below, equal or above 0; null when the two cannot be compared. */
export const compare = (left: Value, right: Value): number | null => {
  const a = opened(left)
  const b = opened(right)
  if (isNumeric(a) && isNumeric(b)) return a < b ? -1 : a > b ? 1 : 0
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0
  if (isMoment(a) || isMoment(b)) {
    const [x, y] = [isMoment(a) ? a.ns : nanoseconds(a), isMoment(b) ? b.ns : nanoseconds(b)]
    return x === null || y === null ? null : x < y ? -1 : x > y ? 1 : 0
  }
  return null
}

export const isNumeric = (value: Value): value is number | bigint =>
  typeof value === 'number' || typeof value === 'bigint'

/** The times the server understands: moments, RFC 3339, and numbers or digits whose size tells the unit. */
export const nanoseconds = (given: Value): bigint | null => {
  const value = opened(given)
  if (isMoment(value)) return value.ns
  if (typeof value === 'number' && !Number.isInteger(value)) return BigInt(Math.round(value * 1e6)) * 1000n
  if (isNumeric(value)) return scaled(BigInt(value))
  if (typeof value !== 'string') return null
  return /^-?\d+$/.test(value) ? scaled(BigInt(value)) : readMoment(value)
}

const scaled = (value: bigint): bigint => {
  if (value > 20_000_000_000_000_000n) return value
  if (value > 20_000_000_000_000n) return value * 1000n
  if (value > 20_000_000_000n) return value * 1_000_000n
  return value * 1_000_000_000n
}

const rfc3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/

/** An RFC 3339 text in ns since 1970; null when it is none. */
export const readMoment = (text: string): bigint | null => {
  const [, seconds, fraction = '', zone = 'Z'] = rfc3339.exec(text) ?? []
  if (seconds === undefined) return null
  const ms = Date.parse(seconds + zone)
  return Number.isNaN(ms) ? null : BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))
}

/** RFC 3339 in UTC, the fraction without its trailing zeros. */
export const writeMoment = (ns: bigint): string => {
  const fraction = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  const seconds = new Date(Number((ns - fraction) / 1_000_000n)).toISOString().slice(0, 19)
  const digits = fraction.toString().padStart(9, '0').replace(/0+$/, '')
  return digits === '' ? `${seconds}Z` : `${seconds}.${digits}Z`
}

/** A moment as Go prints it: `2026-01-02 03:04:05.25 +0000 UTC`. */
export const goMoment = (ns: bigint): string => {
  const [day = '', time = ''] = writeMoment(ns).split('T')
  return `${day} ${time.slice(0, -1)} +0000 UTC`
}

const hostile = /[<>&\u2028\u2029]/g
const hostileAny = /[<>&\u2028\u2029\u007f]/
const hexEscape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** Text as the server writes it in JSON: as JSON.stringify does, and `<`, `>`, `&` escaped. */
export const jsonText = (text: string): string => {
  const plain = JSON.stringify(text)
  return hostileAny.test(plain) ? plain.replace(hostile, hexEscape) : plain
}

const keyTexts = new Map<string, string>()
const keyText = (key: string): string => {
  let text = keyTexts.get(key)
  if (text === undefined) {
    text = `${jsonText(key)}:`
    if (keyTexts.size < 10_000) keyTexts.set(key, text)
  }
  return text
}

/** The JSON that the server would send. */
export const toJson = (value: Value): string => {
  if (value === null) return 'null'
  if (typeof value === 'string') return jsonText(value)
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null'
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (isList(value)) return `[${value.map(toJson).join(',')}]`
  if (isDict(value)) {
    let text = ''
    for (const [key, item] of value) text += (text === '' ? '{' : ',') + keyText(key) + toJson(item)
    return text === '' ? '{}' : `${text}}`
  }
  if (isVerbatim(value)) return value.text
  if (isMoment(value)) return jsonText(writeMoment(value.ns))
  return 'null'
}

/** What a caller hands in as plain data: objects, lists, text, numbers (bigint beyond 2^53). undefined counts as null. */
export const fromPlain = (data: unknown): Value => {
  if (data === null || data === undefined) return null
  if (typeof data === 'string' || typeof data === 'number' || typeof data === 'boolean' || typeof data === 'bigint')
    return data
  if (Array.isArray(data)) return data.map(fromPlain)
  if (data instanceof Map) return new Map([...data].map(([key, item]) => [String(key), fromPlain(item)]))
  if (data instanceof Date) return { kind: 'moment', ns: BigInt(data.getTime()) * 1_000_000n }
  if (typeof data === 'object') return new Map(Object.entries(data).map(([key, item]) => [key, fromPlain(item)]))
  return null
}

/** An object of plain data as a row. */
export const rowFrom = (data: Readonly<Record<string, unknown>>): Row =>
  new Map(Object.entries(data).map(([key, item]) => [key, fromPlain(item)]))

/** A row that went through the server's files: texts that look like times have become times, all in UTC. */
export const reparsed = (row: Row): Row =>
  new Map(
    [...row].map(([key, value]) => [key, { kind: 'json', text: toJson(readJson(toJson(value), { moments: true })) }]),
  )

interface Cursor {
  readonly text: string
  at: number
  readonly moments: boolean
}

/**
 * Reads JSON exactly: order of keys, integers of any size. `moments`: texts that look like RFC 3339 become moments, as when
 * the server reads back what it stored. Throws SyntaxError.
 */
export const readJson = (text: string, { moments = false } = {}): Exclude<Value, Verbatim> => {
  const cursor = { text, at: 0, moments }
  const value = readValue(cursor)
  skip(cursor)
  if (cursor.at < text.length) throw new SyntaxError('something follows the JSON value')
  return value as Exclude<Value, Verbatim>
}

const skip = (cursor: Cursor): void => {
  while (/\s/.test(cursor.text.charAt(cursor.at)) && cursor.at < cursor.text.length) cursor.at++
}

const expect = (cursor: Cursor, character: string): void => {
  skip(cursor)
  if (cursor.text[cursor.at] !== character) throw new SyntaxError(`JSON: ${character} is missing at ${cursor.at}`)
  cursor.at++
}

const takes = (cursor: Cursor, character: string): boolean => {
  skip(cursor)
  if (cursor.text[cursor.at] !== character) return false
  cursor.at++
  return true
}

const literal = /(?:null|true|false|-?\d+(\.\d+)?([eE][+-]?\d+)?)/y
const stringLiteral = /"(?:[^"\\]|\\.)*"/y

const readString = (cursor: Cursor): string => {
  skip(cursor)
  stringLiteral.lastIndex = cursor.at
  const [found] = stringLiteral.exec(cursor.text) ?? []
  if (found === undefined) throw new SyntaxError(`JSON: a text is missing at ${cursor.at}`)
  cursor.at += found.length
  return JSON.parse(found) as string
}

const readValue = (cursor: Cursor): Value => {
  skip(cursor)
  switch (cursor.text[cursor.at]) {
    case '{':
      return readDict(cursor)
    case '[':
      return readList(cursor)
    case '"': {
      const text = readString(cursor)
      const ns = cursor.moments && text.length >= 20 && text[10] === 'T' ? readMoment(text) : null
      return ns === null ? text : { kind: 'moment', ns }
    }
    default:
      return readLiteral(cursor)
  }
}

const readLiteral = (cursor: Cursor): Value => {
  literal.lastIndex = cursor.at
  const [found, fraction, exponent] = literal.exec(cursor.text) ?? []
  if (found === undefined) throw new SyntaxError(`JSON: a value is missing at ${cursor.at}`)
  cursor.at += found.length
  if (found === 'null') return null
  if (found === 'true' || found === 'false') return found === 'true'
  return fraction === undefined && exponent === undefined ? integer(BigInt(found)) : Number(found)
}

const readDict = (cursor: Cursor): Dict => {
  const dict = new Map<string, Value>()
  expect(cursor, '{')
  if (takes(cursor, '}')) return dict
  do {
    const key = readString(cursor)
    expect(cursor, ':')
    dict.set(key, readValue(cursor))
  } while (takes(cursor, ','))
  expect(cursor, '}')
  return dict
}

const readList = (cursor: Cursor): readonly Value[] => {
  const list: Value[] = []
  expect(cursor, '[')
  if (takes(cursor, ']')) return list
  do list.push(readValue(cursor))
  while (takes(cursor, ','))
  expect(cursor, ']')
  return list
}
