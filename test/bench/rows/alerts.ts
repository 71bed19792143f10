import { type EmbeddedLog, openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import type { LogRecord, NewRecord } from '../../../connectors/log/event-log.ts'
import { decide } from '../../../pipeline/decide.ts'
import { monitorsOf } from '../../../pipeline/monitors/monitors-of.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { setTimeout } from 'node:timers/promises'
import { encode } from '../../../schemas/codec.ts'
import type { AlertEvent } from '../../../schemas/generated.ts'
import { allTopics, topics } from '../../../schemas/topics.ts'
import { alertEvent, T } from '../../operators/alert-events.ts'
import { openBareLog } from '../bare-log.ts'
import { alertMonitors } from '../configuration.ts'
import { type BenchRow, type Figure, median, paired, perSecond, perThreadSecond } from '../measure.ts'
import { inTemporaryDir } from '../temporary-dir.ts'

const count = 40_000
const levels = ['info', 'warn', 'error', 'WARNING', 'critical']
const together = 500

/** Alerts of 20 names and 500 clients, with context as detections have it. */
const events: readonly AlertEvent[] = Array.from({ length: count }, (_, n) => {
  const name = `Detection ${n % 20}`
  const id = `root/C.${n % 500}/A/${n}`
  const data = {
    level: levels[n % levels.length],
    Details: { EventID: n, Image: 'C:\\Windows\\System32\\cmd.exe', Hashes: { SHA256: 'a'.repeat(64) } },
    User: `user${n % 50}`,
  }
  const event = { id, told_once_as: id, name, received_at: T + n * 10 }
  return alertEvent({ event, client: { id: `C.${n % 500}` }, data })
})
const records: readonly NewRecord[] = events.map((event) => ({
  topic: topics.alertEvents.name,
  key: `root/${event.name}`,
  value: encode('AlertEvent', event),
}))

const openLog = (dir: string): Promise<EmbeddedLog> =>
  openEmbeddedLog({ dir, topics: allTopics, clock: systemClock(), tell: () => undefined })

const runThrough = async (log: EmbeddedLog): Promise<void> => {
  const rules = { monitors: monitorsOf(alertMonitors()), configuration: 'bench' }
  let failure: unknown
  const running = decide({ log, clock: systemClock(), tell: () => undefined, monitors: () => rules }).subscribe({
    error: (cause: unknown) => (failure = cause),
  })
  while (!log.isIdle() && failure === undefined) await setTimeout(1)
  running.unsubscribe()
  if (failure !== undefined) throw failure
}

const outcomesIn = async (log: EmbeddedLog): Promise<readonly LogRecord[]> => {
  const written: LogRecord[] = []
  for (const { name } of [topics.outcomes, topics.notices])
    for (let partition = 0; partition < log.partitions; partition++)
      for await (const page of log.read({ topic: name, partition })) written.push(...page)
  return written
}

const measureAlerts = async (): Promise<readonly Figure[]> => {
  let written: readonly LogRecord[] = []
  const busy: number[] = []
  const pipeline = (): Promise<number> =>
    inTemporaryDir(async (dir) => {
      const log = await openLog(dir)
      for (let at = 0; at < count; at += together) await log.append(records.slice(at, at + together))
      const rate = await perSecond(count, async () => {
        busy.push(await perThreadSecond(count, () => runThrough(log)))
      })
      written = await outcomesIn(log)
      const outcomes = written.filter(({ topic }) => topic === topics.outcomes.name).length
      if (outcomes !== count) throw new Error(`${outcomes} of ${count} alerts have an outcome`)
      await log.close()
      return rate
    })
  const bare = (): Promise<number> =>
    inTemporaryDir(async (dir) => {
      const log = openBareLog(dir)
      const rate = await perSecond(count, () => {
        for (let at = 0; at < written.length; at += together) log.commit(written.slice(at, at + together))
      })
      log.close()
      return rate
    })
  const measured = await paired(pipeline, bare)
  return [
    {
      name: 'alerts decided',
      value: median(busy),
      baseline: null,
      ratio: null,
      unit: 'alerts/CPU s',
      bar: { least: 20_000 },
      reference: null,
      note: 'per second of processor time of the thread that decides: reading, 3 monitors, writing down; the thread that commits works beside it',
    },
    {
      name: 'alerts through decide',
      ...measured,
      unit: 'alerts/s',
      bar: null,
      reference: null,
      note: `events.alerts to outcomes with 3 monitors, by the clock, against a bare loop over the ${written.length} records that this writes`,
    },
  ]
}

/** How fast alerts are decided: filters, severity table, recipients, a dedup window. */
export const alerts: BenchRow = {
  name: 'alerts',
  about: 'alerts with context through decide with 3 monitors on the embedded log, fsync at each commit',
  measure: measureAlerts,
}
