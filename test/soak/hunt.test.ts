import { expect, it } from 'vitest'
import { tellHunt } from './hunt.ts'

it('every completion of a hunt is told once, in order, in batches that are full', async () => {
  const { wrong, letters, largestHtml } = await tellHunt(1500)
  expect([wrong, letters]).toEqual([[], 3])
  expect(largestHtml).toBeLessThan(102_000)
}, 60_000)
