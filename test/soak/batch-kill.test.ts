import { expect, it } from 'vitest'
import { killBatches } from './batch-kill.ts'

it('an open batch and an open window outlive a process that is killed, exactly', async () => {
  expect(await killBatches({ kills: 2, count: 207, longestMs: 300, say: () => undefined })).toEqual([])
}, 60_000)
