import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { allTopics, topics } from '../../../schemas/topics.ts'
import { type BenchRow, type Figure, median, paired } from '../measure.ts'
import { logDir, openOutside, type RelayTerms, runRelay } from '../relay-process.ts'
import { inTemporaryDir } from '../temporary-dir.ts'

const rounds = 5
const records = 100_000
const together = 1000
const orgs = ['root']
const mostMs = 2000

const fill = async (dir: string): Promise<void> => {
  const log = await openEmbeddedLog({
    dir: logDir(dir),
    topics: allTopics,
    clock: systemClock(),
    tell: () => undefined,
  })
  const value = Buffer.alloc(1000, 1)
  for (let at = 0; at < records; at += together)
    await log.append(
      Array.from({ length: together }, (_, n) => ({ topic: topics.outcomes.name, key: `root/C.${at + n}`, value })),
    )
  await log.close()
}

/** From spawn to ready; it is stopped then. */
const startOnce = async (terms: RelayTerms, signal: 'SIGTERM' | 'SIGKILL'): Promise<number> => {
  const running = await runRelay(terms)
  await running.stop(signal)
  return running.readyMs
}

const bareNode = async (): Promise<number> => {
  const begun = performance.now()
  await once(spawn(process.execPath, ['-e', ''], { stdio: 'ignore' }), 'exit')
  return performance.now() - begun
}

const measureStart = async (dir: string): Promise<readonly Figure[]> => {
  const outside = await openOutside(dir, orgs)
  try {
    await fill(dir)
    const terms = { dir, outside, orgs }
    // The first start of a version compiles what the later ones find compiled.
    const first = await startOnce(terms, 'SIGTERM')
    const after = await paired(() => startOnce(terms, 'SIGTERM'), bareNode, rounds)
    await startOnce(terms, 'SIGKILL')
    const crashes: number[] = []
    for (let round = 0; round < 3; round++) crashes.push(await startOnce(terms, 'SIGKILL'))
    const common = { unit: 'ms', reference: null }
    const alone = { ...common, baseline: null, ratio: null, bar: null }
    return [
      {
        name: 'start to ready',
        ...after,
        ...common,
        bar: { most: mostMs },
        note: `relay run on a log of ${records} records against node -e ''`,
      },
      {
        name: 'start to ready, after a crash',
        value: median(crashes),
        ...alone,
        note: 'the same after SIGKILL: the file is looked through',
      },
      {
        name: 'start to ready, the first',
        value: first,
        ...alone,
        note: 'one start, perhaps with nothing compiled yet',
      },
    ]
  } finally {
    await outside.close()
  }
}

/** How long a start takes. */
export const start: BenchRow = {
  name: 'start',
  about: 'relay run from its spawn to `relay ready`, on a log that holds 100,000 records',
  measure: () => inTemporaryDir(measureStart),
}
