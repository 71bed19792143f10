import { type Matcher, RE2JS, RE2JSSyntaxException } from 're2js'
import { remembering } from './remembering.ts'

/** A pattern of RE2, without regard to case and found anywhere, as the server's `=~` means it. */
export interface Pattern {
  /** As it was written. */
  readonly text: string
  /** Nothing was written; what that means is the reader's matter. */
  readonly isBlank: boolean
  /**
   * Whether a value matches. A list matches when one of its elements does, so an empty one never; numbers are matched by their
   * text, objects by their JSON; null, booleans and anything else only by the patterns ``, `.` and `.*`.
   */
  matches(value: unknown): boolean
  /**
   * A replacement with the groups of the first match in place of `$1`, `${1}`, `$name` and `${name}`, `$$` for a dollar, as Go
   * expands it; null where the text does not match.
   */
  expand(text: string, replacement: string): string | null
}

/** RE2 refuses a pattern. Its message says why, where, and what to write instead. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
  /** Characters before the fault; null when it has no place. */
  readonly offset: number | null
  constructor(reason: string, offset: number | null) {
    super(offset === null ? reason : `${reason} at character ${offset + 1}`)
    this.offset = offset
  }
}

/** Patterns that hold for everything, also for what has no text. */
const universal = new Set(['', '.', '.*'])

const jsonOf = (value: object): string | null => {
  try {
    return JSON.stringify(value)
  } catch {
    return null
  }
}

/** The text by which a value is matched, or null when it has none. */
const textOf = (value: unknown): string | null => {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  return typeof value === 'object' && value !== null ? jsonOf(value) : null
}

/** Walks lists in lists without recursion: foreign rows may nest deeper than the stack. */
const someElement = (list: readonly unknown[], matches: (element: unknown) => boolean): boolean => {
  const waiting: unknown[] = [list]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (Array.isArray(next)) for (const element of next) waiting.push(element)
    else if (matches(next)) return true
  }
  return false
}

const hints: readonly (readonly [start: RegExp, hint: string])[] = [
  [/^\(\?<?[=!]/, 'RE2 has no look-ahead and no look-behind'],
  [/^\(\?>/, 'RE2 has no atomic groups'],
  [/^(\\[1-9]|\\k|\(\?P=)/, 'RE2 has no back-references'],
  [/^\\Z/, 'write \\z for the end of the text'],
  [/^\\u/, 'write \\x{…} for a character by its number'],
  [/^\{/, 'RE2 repeats 1000 times at most, nested repetitions multiplied'],
]

/** What matters for counting groups: quotations, escapes and classes hide the brackets inside them. */
const bracketing = /\\Q.*?(?:\\E|$)|\\.|\[\]?(?:\\.|\[:\w*:\]|[^\]])*\]|[()]/gs

/** Where the bracket stands that lacks its partner, or -1. */
const unpaired = (pattern: string): number => {
  const open: number[] = []
  for (const { 0: token, index } of pattern.matchAll(bracketing)) {
    if (token === '(') open.push(index)
    else if (token === ')' && open.pop() === undefined) return index
  }
  return open.at(-1) ?? -1
}

const faultOffset = (pattern: string, { error, input }: RE2JSSyntaxException): number => {
  if (error === 'missing closing )' || error === 'unexpected )') return unpaired(pattern)
  if (error.startsWith('trailing backslash')) return pattern.length - 1
  return input === null ? -1 : pattern.indexOf(input)
}

const refusal = (pattern: string, cause: unknown): PatternError => {
  if (!(cause instanceof RE2JSSyntaxException))
    return new PatternError('RE2 cannot compile the pattern: make it smaller', null)
  const offset = faultOffset(pattern, cause)
  const found = offset < 0 ? '' : pattern.slice(offset)
  const hint = hints.find(([start]) => start.test(found))?.[1]
  return new PatternError(hint === undefined ? cause.error : `${cause.error} (${hint})`, offset < 0 ? null : offset)
}

const compiled = (pattern: string): RE2JS => {
  try {
    return RE2JS.compile(pattern, RE2JS.CASE_INSENSITIVE)
  } catch (cause) {
    throw refusal(pattern, cause)
  }
}

const groupReference = /\$(?:(\$)|\{(\w+)\}|(\w+))/g

const groupOf = (matcher: Matcher, name: string): string => {
  const index = /^\d+$/.test(name) ? Number(name) : name
  const isThere = typeof index === 'number' ? index <= matcher.groupCount() : Object.hasOwn(matcher.namedGroups, index)
  return (isThere ? matcher.group(index) : null) ?? ''
}

/** Compiles a pattern. Throws PatternError when RE2 refuses it. */
export const compilePattern = (text: string): Pattern => {
  const isUniversal = universal.has(text)
  const expression = compiled(text)
  const test = remembering((value) => expression.test(value))
  const matchesOne = (value: unknown): boolean => {
    if (isUniversal) return true
    const itsText = textOf(value)
    return itsText !== null && test(itsText)
  }
  return {
    text,
    isBlank: text === '',
    matches: (value) => (Array.isArray(value) ? someElement(value, matchesOne) : matchesOne(value)),
    expand(value, replacement) {
      if (!test(value)) return null
      if (!replacement.includes('$')) return replacement
      const matcher = expression.matcher(value)
      matcher.find()
      return replacement.replaceAll(groupReference, (_, dollar?: string, braced?: string, bare?: string) =>
        dollar === undefined ? groupOf(matcher, braced ?? bare ?? '') : '$',
      )
    },
  }
}
