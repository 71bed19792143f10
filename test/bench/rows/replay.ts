import { setTimeout } from 'node:timers/promises'
import { join } from 'node:path'
import { openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import type { EventLog } from '../../../connectors/log/event-log.ts'
import { configurationHash } from '../../../pipeline/config/hash.ts'
import { openProgress } from '../../../pipeline/replay/progress.ts'
import { openReplayFile, removeReplayFile } from '../../../pipeline/replay/replay-file.ts'
import { replay as replayRange } from '../../../pipeline/replay/replay.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { flowKind } from '../../../pipeline/kinds/flow-kind.ts'
import { monitorsOf } from '../../../pipeline/monitors/monitors-of.ts'
import { startService } from '../../../pipeline/service.ts'
import { encode } from '../../../schemas/codec.ts'
import { allTopics, topics } from '../../../schemas/topics.ts'
import { fiveMonitors } from '../configuration.ts'
import { makeFlowWorld } from '../flow-world.ts'
import { type BenchRow, type Figure, paired, perSecond } from '../measure.ts'
import { inTemporaryDir } from '../temporary-dir.ts'

const eventCount = 60_000
const fedTogether = 500
const quiet = (): void => undefined

/** Fills a log with events that were judged by five monitors; `isIdle` says when a log has nothing left to do. */
export const fillJudged = async (
  log: EventLog,
  count: number,
  isIdle: () => boolean | Promise<boolean>,
): Promise<void> => {
  const { events, velociraptor } = makeFlowWorld(count)
  const world = { log, velociraptor, channels: new Map(), clock: systemClock(), random: Math.random, tell: quiet }
  const configuration = fiveMonitors()
  const service = await startService(world, { configuration, stages: ['enrich', 'decide'], since: null })
  for (let at = 0; at < events.length; at += fedTogether)
    await log.append(
      events.slice(at, at + fedTogether).map((event) => ({
        topic: topics.rawFlowCompletions.name,
        key: `${event.org}/${event.id.split('/')[1] ?? ''}`,
        value: encode('RawEvent', event),
      })),
    )
  while (!(await isIdle())) await setTimeout(20)
  await service.stop()
}

/** Events a second of a dry replay of all that a log holds, by five monitors, against its record. Throws unless `count` are replayed and nothing differs. */
export const replayRate = async (log: EventLog, count: number, dir: string): Promise<number> => {
  const configuration = fiveMonitors()
  const path = join(dir, 'replay.db')
  const file = openReplayFile(path)
  const begun = performance.now()
  const found = await replayRange({
    log,
    clock: systemClock(),
    tell: quiet,
    file,
    kind: { with: (use) => use(flowKind) },
    topic: topics.flowEvents.name,
    range: { from: 0, to: Number.MAX_SAFE_INTEGER },
    rules: { monitors: monitorsOf(configuration), configuration: configurationHash(configuration) },
    warmUpMs: null,
    listsKept: false,
    progress: openProgress(quiet, () => performance.now()),
    stop: new AbortController().signal,
  })
  const rate = (count * 1000) / (performance.now() - begun)
  file.close()
  removeReplayFile(path)
  const differing = found?.pairs.filter(({ kind }) => kind !== 'kept') ?? []
  if (found?.counts.events !== count || differing.length > 0)
    throw new Error(
      `${found?.counts.events ?? 0} of ${count} events were replayed, ${differing.length} monitors differ`,
    )
  return rate
}

/** Reads the same records and does nothing with them: events a second. */
export const readRate = (log: EventLog, count: number): Promise<number> =>
  perSecond(count, async () => {
    for (const topic of [topics.outcomes.name, topics.flowEvents.name])
      for (let partition = 0; partition < log.partitions; partition++)
        for await (const records of log.read({ topic, partition })) if (records.length === 0) return
  })

const measureReplay = (): Promise<readonly Figure[]> =>
  inTemporaryDir(async (dir) => {
    const log = await openEmbeddedLog({ dir, topics: allTopics, clock: systemClock(), tell: quiet })
    await fillJudged(log, eventCount, () => log.isIdle())
    const measured = await paired(
      () => replayRate(log, eventCount, dir),
      () => readRate(log, eventCount),
    )
    await log.close()
    return [
      {
        name: 'dry replay',
        ...measured,
        unit: 'events/s',
        bar: { least: 20_000 },
        reference: null,
        note: `${eventCount} events and their outcomes read, judged by 5 monitors and compared, against reading the same records alone`,
      },
    ]
  })

/** What a replay does with what is in the log. */
export const replay: BenchRow = {
  name: 'replay',
  about: 'a dry replay of judged events of the embedded log by the same 5 monitors',
  measure: measureReplay,
}
