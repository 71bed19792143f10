import { describe, expect, it } from 'vitest'
import { severityFilter } from '../../../operators/filters/severity-filter.ts'
import { judgementOf } from '../../../operators/judgement.ts'
import { objectTo } from '../../../operators/object-to.ts'
import type { AlertEvent } from '../../../schemas/generated.ts'
import { alertEvent } from '../alert-events.ts'
import { operatorContract } from '../operator.contract.ts'

const severityOf = ({ severity }: AlertEvent): string => severity
const withSeverity = (severity: string): AlertEvent => alertEvent({ event: { severity } })
const objection = (threshold: readonly string[], severity: string): string | undefined =>
  severityFilter({ threshold, severityOf })(withSeverity(severity))?.reason

const high = judgementOf(withSeverity('HIGH'))
const low = judgementOf(withSeverity('low'))
operatorContract('the severity filter', () => objectTo(severityFilter({ threshold: ['high'], severityOf })), {
  a: high,
  b: low,
  x: high,
  y: { ...low, objections: [{ by: 'severity', reason: 'the severity low is none of high' }] },
})

describe('the severity filter', () => {
  it.each([
    ['SV-11 one of those wanted', ['medium', 'high'], 'high'],
    ['SV-12 whatever its case', ['high'], 'HIGH'],
    ['SV-13 none at all', ['high'], ''],
    ['SV-14 any where none is asked for', [], 'low'],
    ['SV-15 a number by its text', ['3'], '3'],
  ])('%s passes', (_, threshold, severity) => expect(objection(threshold, severity)).toBeUndefined())

  it('SV-11 another one is objected to, with both named', () => {
    expect(objection(['medium', 'high'], 'low')).toBe('the severity low is none of medium, high')
  })

  it('names no more than 100 characters of a severity', () => {
    expect(objection(['high'], 'x'.repeat(5000))).toBe(`the severity ${'x'.repeat(100)}… is none of high`)
  })

  it('does not ask for a severity that no threshold needs', () => {
    const never = (): never => {
      throw new Error('asked')
    }
    expect(severityFilter({ threshold: [], severityOf: never })(alertEvent())).toBeNull()
  })
})
