import { describe, expect, it } from 'vitest'
import { newClients } from '../../../operators/overrides/new-clients.ts'
import { compilePattern } from '../../../schemas/pattern.ts'
import { flowEvent, T } from '../flow-events.ts'

const applies = (first_seen_at: number | null, pattern = 'finder', thresholdS = 300): boolean =>
  newClients({ artifacts: compilePattern(pattern), thresholdS }).appliesTo(
    flowEvent({ client: { first_seen_at }, flow: { started_at: T } }),
  )

describe('the override of new clients', () => {
  it('applies just below the threshold, and not at it', () => {
    expect(applies(T - 299_000)).toBe(true)
    expect(applies(T - 300_000)).toBe(false)
  })
  it('applies to a client seen only after the flow began', () => expect(applies(T + 5000)).toBe(true))
  it('does not apply when the first sign of life is not known', () => expect(applies(null)).toBe(false))
  it('needs a matching artifact', () => expect(applies(T, 'Sys\\.Users')).toBe(false))
  it('does not apply when it is blank', () => expect(applies(T, '')).toBe(false))
})
