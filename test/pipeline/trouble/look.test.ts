import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { diskTroubleOf, lagTrouble, lookForTrouble } from '../../../pipeline/trouble/look.ts'

const GiB = 2 ** 30

describe('looking for trouble', () => {
  it.each([
    [0.9, 10, true],
    [1.5, 10, false],
    [4, 100, true],
    [6, 100, false],
    [19, 4000, true],
    [21, 4000, false],
  ])('%d GiB free of %d: nearly full is %s', (free, size, isFull) =>
    expect(diskTroubleOf(free * GiB, size * GiB).length === 1).toBe(isFull),
  )

  it('names each stage that is long behind once', () => {
    const lane = { topic: 'events.flows', partition: 0, stage: 'decide' }
    const minute = 60_000
    expect(
      lagTrouble([
        { ...lane, lagMs: 20 * minute },
        { ...lane, partition: 1, lagMs: 40 * minute },
        { ...lane, stage: 'deliver', lagMs: minute },
      ]).map(({ key, reason }) => [key, reason]),
    ).toEqual([['poll/lag/decide', 'its oldest record in hand has waited for 40 minutes']])
  })

  it('finds none where nothing lags and the disk is not known', async () => {
    expect(await lookForTrouble(`${tmpdir()}/is-not-there/x`, () => [])).toEqual([])
  })
})
