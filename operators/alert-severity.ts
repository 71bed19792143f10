import type { AlertEvent } from '../schemas/generated.ts'
import type { Pattern } from '../schemas/pattern.ts'
import { alertData, memberOf, memberText } from './alert-data.ts'

/** A row of the table by which a severity is derived. */
export interface SeverityRule {
  /** Of `event_data`; dots lead into what is nested. */
  readonly member: string
  /** What the value must match; blank: whatever it is. */
  readonly pattern: Pattern
  /** What a matching value becomes, groups expanded; empty: it stays as it is. */
  readonly replacement: string
}

/** What a row makes of a value, empty for nothing, and whether the pattern of a mapping left it as it was. */
const ruled = ({ pattern, replacement }: SeverityRule, value: string): { text: string; isFallback: boolean } => {
  if (pattern.isBlank) return { text: value, isFallback: false }
  if (replacement === '') return { text: pattern.matches(value) ? value : '', isFallback: false }
  const text = pattern.expand(value, replacement)
  return text === null ? { text: value, isFallback: true } : { text, isFallback: false }
}

const derived = (rules: readonly SeverityRule[], data: unknown): string => {
  let severity = ''
  let fallback = ''
  for (const rule of rules) {
    const value = memberText(memberOf(data, rule.member))
    if (value === '') continue
    const { text, isFallback } = ruled(rule, value)
    if (isFallback) fallback = text
    else if (text !== '') severity = text
  }
  return severity || fallback
}

const derivers = new WeakMap<readonly SeverityRule[], (event: AlertEvent) => string>()

const deriver = (rules: readonly SeverityRule[]): ((event: AlertEvent) => string) => {
  const known = new WeakMap<AlertEvent, string>()
  return (event) => {
    const before = known.get(event)
    if (before !== undefined) return before
    const severity = derived(rules, alertData(event))
    known.set(event, severity)
    return severity
  }
}

/**
 * Derives an alert's severity by a table, once for each alert and for all who go by that table: that of the last row that gives one,
 * else the plain value of the last row whose pattern did not match, else empty.
 */
export const severityBy = (rules: readonly SeverityRule[]): ((event: AlertEvent) => string) => {
  const derive = derivers.get(rules) ?? deriver(rules)
  derivers.set(rules, derive)
  return derive
}
