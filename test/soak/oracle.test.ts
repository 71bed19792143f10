import { describe, expect, it } from 'vitest'
import { quickFaults } from './oracle/real-mail-server.ts'
import { type RealRun, type RealRunOptions, runReally } from './oracle/real-run.ts'

const run = (options: Pick<RealRunOptions, 'seed' | 'bug' | 'deeds'>): Promise<RealRun> =>
  runReally({
    ...options,
    brokers: null,
    troubleMs: 5000,
    deedEveryMs: 1500,
    faults: quickFaults,
    quietS: 1,
    say: () => undefined,
  })

describe('a relay in a process of its own, between a server and a mail server that misbehaves', () => {
  it('loses nothing, invents nothing, and doubles only what was under way when it was killed', async () => {
    const { findings, facts } = await run({ seed: 3, bug: null, deeds: ['kill -9', 'files must not grow'] })
    expect(findings).toEqual([])
    expect(facts['kill -9']).toBeGreaterThan(0)
    expect(facts['letters']).toBeGreaterThan(5)
  }, 300_000)
})

describe('the check of real processes finds a planted bug', () => {
  it('of receipts that are acknowledged and not kept', async () => {
    // Claims end at once when the clock is set ahead.
    const { findings } = await run({ seed: 1, bug: 'receipts-dropped', deeds: ['clock step'] })
    expect(findings.join('\n')).toMatch(/again, though nothing befell its copy/)
  }, 300_000)
})
