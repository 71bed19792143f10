import { describe, expect, it } from 'vitest'
import { severityBy, type SeverityRule } from '../../operators/alert-severity.ts'
import { readAlertsParameters } from '../../pipeline/monitors/alerts-parameters.ts'
import { compilePattern } from '../../schemas/pattern.ts'
import { alertEvent } from './alert-events.ts'

const rule = (member: string, regex = '', replacement = ''): SeverityRule => ({
  member,
  pattern: compilePattern(regex),
  replacement,
})
const defaults = (): readonly SeverityRule[] =>
  readAlertsParameters({ Recipients: ['soc@example.org'] }, [], { report: () => undefined, writtenAt: () => undefined })
    ?.SeverityTransforms ?? []
const severity = (rules: readonly SeverityRule[], data: unknown): string => severityBy(rules)(alertEvent({ data }))

describe('the severity of an alert', () => {
  it.each([
    ['SV-01', defaults(), { level: 'error' }, 'high'],
    ['SV-02', defaults(), { level: 'warn' }, 'medium'],
    ['SV-03', [rule('level', '(?i)warn', 'medium')], { level: 'warning' }, 'medium'],
    ['SV-04', defaults(), { Level: 'HIGH' }, 'HIGH'],
    ['SV-05', defaults(), { level: 'error', severity: 'low' }, 'low'],
    ['SV-06', defaults(), { severity: '', level: 'error' }, 'high'],
    ['SV-07', [rule('level', '^(high|critical)$')], { level: 'low' }, ''],
    ['SV-08', [rule('level', '^(high|critical)$')], { level: 'CRITICAL' }, 'CRITICAL'],
    ['SV-09', [rule('Details.Level')], { Details: { Level: 'crit' } }, 'crit'],
    ['SV-10', [rule('level', '', 'xyz')], { level: 'info' }, 'info'],
    ['a number', defaults(), { severity: 3 }, '3'],
    ['what is null, or an empty list', defaults(), { severity: null, Severity: [] }, ''],
    ['a mapping with groups', [rule('n', '^sev(\\d)$', 'level ${1}')], { n: 'SEV4' }, 'level 4'],
    ['a mapping that comes to nothing', [rule('n', '^x$', '$1')], { n: 'x' }, ''],
    ['no context', defaults(), null, ''],
    ['a context that is a text', defaults(), 'severity', ''],
    ['a member of the prototype', [rule('constructor.name')], {}, ''],
  ] as const)('%s is derived by the table', (_, rules, data, expected) => {
    expect(severity(rules, data)).toBe(expected)
  })

  it('is none where the context is no JSON', () => {
    expect(severityBy(defaults())(alertEvent({ event: { event_data: '{"severity":' } }))).toBe('')
  })
})
