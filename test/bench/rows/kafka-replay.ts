import { topics } from '../../../schemas/topics.ts'
import { type Figure, paired } from '../measure.ts'
import { inTemporaryDir } from '../temporary-dir.ts'
import { counterOf, newPrefix, openBenchLog } from './kafka-place.ts'
import { fillJudged, readRate, replayRate } from './replay.ts'

const eventCount = 30_000

/** What a replay does with what is in the log. */
export const measureReplay = (brokers: readonly string[]): Promise<readonly Figure[]> =>
  inTemporaryDir(async (dir) => {
    const log = await openBenchLog(brokers, newPrefix(), dir)
    const counted = counterOf(log, topics.outcomes)
    await fillJudged(log, eventCount, async () => (await counted()) >= eventCount)
    const measured = await paired(
      () => replayRate(log, eventCount, dir),
      () => readRate(log, eventCount),
    )
    await log.close()
    return [
      {
        name: 'kafka: dry replay',
        ...measured,
        unit: 'events/s',
        bar: { least: 20_000 },
        reference: null,
        note: `${eventCount} events and their outcomes read, judged by 5 monitors and compared, against reading the same records alone`,
      },
    ]
  })
