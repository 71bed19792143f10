import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openDemoWorld } from '../../../pipeline/demo/demo-world.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { loadOf } from '../../../pipeline/sources/history-reading.ts'
import { alerts, flowCompletions } from '../../../pipeline/sources/queue-source.ts'
import { runRelay } from '../cli/run-relay.ts'

it.each([
  { clients: 0, sources: [alerts], load: { reread: 4, byClient: 0, sweeps: 0 } },
  { clients: 99, sources: [flowCompletions], load: { reread: 8, byClient: 400, sweeps: 1 } },
  { clients: 100, sources: [flowCompletions], load: { reread: 12, byClient: 404, sweeps: 1 } },
  { clients: 10_000, sources: [flowCompletions, alerts], load: { reread: 412, byClient: 40_004, sweeps: 1 } },
])('the load of $clients clients is known', ({ clients, sources, load }) => {
  expect(loadOf(sources, clients)).toEqual(load)
})

it('relay check says what reading costs the server', async () => {
  const outputDir = mkdtempSync(join(tmpdir(), 'relay-check-'))
  const world = await openDemoWorld({ clock: systemClock(), outputDir, onMail: () => undefined })
  try {
    const { out, err } = await runRelay('check', '-c', world.configFile)
    expect(out + err).toMatch(
      /organisation root: 1 queue\(s\) are watched; each hour about 8 quer\(ies\) read again that look at \d+ histories of \d+ client\(s\) seen lately, and 1 that looks through the flows of these clients; never more than two at a time/,
    )
  } finally {
    await world.close()
    rmSync(outputDir, { recursive: true, force: true })
  }
})
