import type { Operator } from './syntax.ts'
import { compare, integer, isEqual, isList, isNumeric, opened, toJson, type Value } from './values.ts'

/** What an operator makes of two values that are settled: a boolean, or for arithmetic a number, text or list; null where it makes nothing of them. */
export const operate = (operator: Exclude<Operator, 'AND' | 'OR'>, left: Value, right: Value): Value => {
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

/** A field of a moment, given in ns: its Unix time in the unit that the name tells; null: it has no such field. */
export const momentField = (ns: bigint, name: string): Value => {
  const divisors: Readonly<Record<string, bigint>> = {
    Unix: 1_000_000_000n,
    UnixMilli: 1_000_000n,
    UnixMicro: 1000n,
    UnixNano: 1n,
  }
  const divisor = divisors[name]
  return divisor === undefined ? null : integer(ns / divisor)
}
