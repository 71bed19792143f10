import { describe, expect, it } from 'vitest'
import { othersBelievedDead, receiptsDropped, stateOneCommitLate } from './oracle/planted-bugs.ts'
import { simulate, type SimulateOptions } from './oracle/simulate.ts'

const seeds = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n + 1)

describe('whole stages, with something befalling them at each commit, send and receipt', () => {
  it('lose nothing, invent nothing, and double only what met with a mishap', async () => {
    const failed: Record<number, readonly string[]> = {}
    const sums = { doubles: 0, strikes: 0 }
    for (const seed of seeds(150)) {
      const { findings, facts } = await simulate(seed)
      if (findings.length > 0) failed[seed] = findings
      sums.doubles += facts.doubles
      sums.strikes += facts.strikes
    }
    expect(failed).toEqual({})
    // Fair weather would prove nothing.
    expect(sums.strikes).toBeGreaterThan(150)
    expect(sums.doubles).toBeGreaterThan(15)
  }, 300_000)

  it('do the same again for the same seed', async () => {
    const [first, second] = [await simulate(7, { hasStory: true }), await simulate(7, { hasStory: true })]
    expect(first.story.length).toBeGreaterThan(100)
    expect(second).toEqual(first)
  })
})

describe('the check of a simulation finds a planted bug', () => {
  const findingsWith = async (terms: SimulateOptions): Promise<string> => {
    const all: string[] = []
    for (const seed of seeds(20)) all.push(...(await simulate(seed, terms)).findings)
    return all.join('\n')
  }

  it('of receipts that are acknowledged and not kept', async () => {
    expect(await findingsWith({ bug: receiptsDropped })).toMatch(/again, though nothing befell its copy/)
  }, 100_000)

  it('of claims that are taken over while their sender lives', async () => {
    expect(
      await findingsWith({
        bug: othersBelievedDead,
        weather: { isAlone: false, processes: 3, fence: 0.02, slowReply: 0.5 },
      }),
    ).toMatch(/again, though nothing befell its copy/)
  }, 100_000)

  it('of state that is written down one commit later than what it goes with', async () => {
    expect(await findingsWith({ bug: stateOneCommitLate })).toMatch(/its deliveries are/)
  }, 100_000)
})
