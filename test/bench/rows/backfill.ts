import { type BenchRow, type Figure, median } from '../measure.ts'
import { collectRows, withServer } from './collecting.ts'
import type { Served } from './row-server.ts'

const stored: Served = { count: 0, bytes: 1200, rate: 0, clients: 10_000, each: 100 }
const missed = stored.clients * stored.each
const sinceMs = 3 * 3_600_000
const alone = { baseline: null, ratio: null, reference: null }

const measure = async (): Promise<readonly Figure[]> => {
  const samples: number[] = []
  const looked = (): void => void samples.push(process.memoryUsage.rss() / 2 ** 20)
  const { ms, cpuMs, load } = await withServer(stored, async (server) => {
    const collected = await collectRows(server, { rows: missed, since: Date.now() - sinceMs, looked })
    return { ...collected, load: await server.load() }
  })
  const quarter = Math.floor(samples.length / 4)
  return [
    {
      ...alone,
      name: 'missed events read back',
      value: (missed * 1000) / ms,
      unit: 'events/s',
      bar: { least: 5000 },
      note: `${missed} events of ${stored.bytes} B of ${stored.clients} clients over gRPC from another process into the embedded log, known, deduplicated and fsynced`,
    },
    {
      ...alone,
      name: 'processor time of it',
      value: (cpuMs * 1000) / missed,
      unit: 'µs/event',
      bar: null,
      note: 'of the process that collects, all its threads',
    },
    {
      ...alone,
      name: 'queries at a time',
      value: load.mostAtOnce,
      unit: 'queries',
      bar: { most: 2 },
      note: `as the server counted them, of ${load.queries} in all; the event stream is one more`,
    },
    {
      ...alone,
      name: 'memory of reading back',
      value: median(samples.slice(-quarter)) - median(samples.slice(quarter, 2 * quarter)),
      unit: 'MiB',
      bar: { most: 64 },
      note: 'what the process has more in the last quarter than in the second',
    },
  ]
}

/** What the reading of a long outage takes. */
export const backfill: BenchRow = {
  name: 'backfill',
  about: 'a million missed events of ten thousand clients, read back (some minutes)',
  measure,
}
