import { RE2JS, RE2JSException } from 're2js'
import { isRecord } from '../config/is-record.ts'
import { instead } from '../config/did-you-mean.ts'
import type { Path, Report } from '../config/problem.ts'
import { shown } from '../config/problem.ts'

/** What a text must be like. `null` stands for a text that is not there at all. */
export interface Matcher {
  /** What does not hold of a text, one sentence part each; none: it matches. */
  faults(actual: string | null): readonly string[]
}

export interface MatcherRule {
  /** For addresses and the like, in which case does not tell apart. Patterns are then found without regard to case too. */
  readonly ignoreCase?: boolean
}

const keys = ['contains', 'equals', 'matches', 'not'] as const

/** A text inside a message: quoted, short, on one line. */
export const quoted = (text: string | null): string =>
  text === null ? 'nothing' : JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}…` : text)

/** The text of a scalar as matchers compare it; undefined when it is no scalar. */
export const scalarText = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint'
    ? String(value)
    : undefined
}

const withUnixEnds = (text: string): string => text.replaceAll(/\r\n?/g, '\n')
// A block scalar of YAML ends with one line break, whether the part does or not.
const withoutLastEnds = (text: string): string => text.replace(/\n+$/, '')

const equals = (wanted: string, { ignoreCase = false }: MatcherRule): Matcher => {
  const plain = (text: string): string => withoutLastEnds(withUnixEnds(ignoreCase ? text.toLowerCase() : text))
  return {
    faults: (actual) =>
      actual !== null && plain(actual) === plain(wanted) ? [] : [`is not ${quoted(wanted)} but ${quoted(actual)}`],
  }
}

const isAbsent: Matcher = { faults: (actual) => (actual === null ? [] : [`is there, as ${quoted(actual)}`]) }

const containsAll = (wanted: readonly string[], { ignoreCase = false }: MatcherRule): Matcher => {
  const plain = (text: string): string => withUnixEnds(ignoreCase ? text.toLowerCase() : text)
  return {
    faults: (actual) =>
      wanted
        .filter((part) => actual === null || !plain(actual).includes(plain(part)))
        .map((part) => `does not contain ${quoted(part)}`),
  }
}

const pattern = (expression: RE2JS, written: string): Matcher => ({
  faults: (actual) =>
    actual !== null && expression.test(withUnixEnds(actual)) ? [] : [`does not match ${quoted(written)}`],
})

const negated = (matchers: readonly Matcher[], written: unknown): Matcher => ({
  faults: (actual) =>
    matchers.some((matcher) => matcher.faults(actual).length === 0)
      ? [`must not be what it is: not ${writtenText(written)}`]
      : [],
})

const writtenText = (written: unknown): string =>
  quoted(JSON.stringify(written, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? '')

const all = (matchers: readonly Matcher[]): Matcher => ({
  faults: (actual) => matchers.flatMap((matcher) => matcher.faults(actual)),
})

/** Matches everything; stands for what was reported. */
const anything: Matcher = { faults: () => [] }

const readTexts = (value: unknown, path: Path, report: Report): readonly string[] => {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.length === 0) report(path, 'must be a text, or a list of texts')
  return list.flatMap((item, index) => {
    const text = scalarText(item)
    if (text === undefined) report(Array.isArray(value) ? [...path, index] : path, 'must be text')
    return text === undefined ? [] : [text]
  })
}

const readPattern = (value: unknown, path: Path, report: Report, { ignoreCase = false }: MatcherRule): Matcher => {
  const text = scalarText(value)
  if (text === undefined) {
    report(path, 'must be a pattern, as text')
    return anything
  }
  try {
    return pattern(RE2JS.compile(text, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0), text)
  } catch (cause) {
    if (!(cause instanceof RE2JSException)) throw cause
    report(path, `is no pattern that RE2 takes: ${cause.message}`)
    return anything
  }
}

/** Reads the keys of a matcher, of which there may be none; those in `others` belong to somebody else. */
export const readMatcherKeys = (
  value: Readonly<Record<string, unknown>>,
  path: Path,
  report: Report,
  rule: MatcherRule = {},
  others: readonly string[] = [],
): Matcher => {
  const matchers: Matcher[] = []
  for (const [key, part] of Object.entries(value)) {
    const at = [...path, key]
    if (key === 'contains') matchers.push(containsAll(readTexts(part, at, report), rule))
    else if (key === 'equals') matchers.push(part === null ? isAbsent : readScalar(part, at, report, rule))
    else if (key === 'matches') matchers.push(readPattern(part, at, report, rule))
    else if (key === 'not') {
      const list: readonly unknown[] = Array.isArray(part) ? part : [part]
      matchers.push(
        negated(
          list.map((item, index) => readMatcher(item, Array.isArray(part) ? [...at, index] : at, report, rule)),
          part,
        ),
      )
    } else if (!others.includes(key))
      report(at, `is not known in a matcher: ${instead(key, [...others, ...keys])}`, { at: 'key' })
  }
  return all(matchers)
}

const readScalar = (value: unknown, path: Path, report: Report, rule: MatcherRule): Matcher => {
  const text = scalarText(value)
  if (text !== undefined) return equals(text, rule)
  report(path, 'must be text')
  return anything
}

/** Reads a matcher: a scalar (equals), null (not there), or a mapping with `contains`, `equals`, `matches`, `not`. */
export const readMatcher = (value: unknown, path: Path, report: Report, rule: MatcherRule = {}): Matcher => {
  if (value === null || value === undefined) return isAbsent
  if (!isRecord(value)) {
    if (!Array.isArray(value)) return readScalar(value, path, report, rule)
    report(
      path,
      `must be a text or a matcher with ${keys.join(', ')}; a list stands after contains: ${shown('contains: [a, b]')}`,
    )
    return anything
  }
  if (Object.keys(value).length === 0) report(path, `is empty: write a text, or one of ${keys.join(', ')}`)
  return readMatcherKeys(value, path, report, rule)
}

/** Whether a mapping is written as a matcher, not as data. */
export const isMatcherShaped = (value: unknown): boolean =>
  isRecord(value) &&
  Object.keys(value).length > 0 &&
  Object.keys(value).every((key) => (keys as readonly string[]).includes(key))
