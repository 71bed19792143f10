import { expect, it } from 'vitest'
import { runCollectProcesses } from './collect/processes.ts'

it('processes that collect lose, invent and repeat nothing of stored queues, and say when a live-only queue was not heard', async () => {
  const { facts, deeds, ...findings } = await runCollectProcesses({
    ...{ seed: 7, events: 300, troubleMs: 15_000, deedEveryMs: 2500, mayStoreNothing: false, quietMs: 2000 },
    say: () => undefined,
  })
  expect(findings, deeds.join(', ')).toEqual({ lost: [], invented: [], repeated: [], lostUnsaid: [], failures: [] })
  expect(facts).toMatchObject({ emitted: 300 })
  expect(deeds.length).toBeGreaterThan(2)
}, 240_000)
