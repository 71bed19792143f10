import { flowCompletions } from '../../../pipeline/sources/queue-source.ts'
import { topics } from '../../../schemas/topics.ts'
import { watchQuery } from '../../../connectors/velociraptor/watch-query.ts'
import { openBareLog } from '../bare-log.ts'
import { type BenchRow, type Figure, median, paired } from '../measure.ts'
import { collectRows, withServer } from './collecting.ts'
import type { Served } from './row-server.ts'

const nothingStored = { bytes: 1200, clients: 0, each: 0 }
const burst: Served = { ...nothingStored, count: 45_000, rate: 0 }
const bar = { least: 15_000, ratio: 0.5 }
/** The long run, at a rate that a large hunt does not reach. */
const steady: Served = { ...nothingStored, count: 160_000, rate: 8000 }
const flat = { most: 64 }

/** Rows a second from the stream's opening until the last row is in the log. */
const drained = (served: Served, looked?: () => void): Promise<number> =>
  withServer(served, async (server) => {
    const terms = { rows: served.count, since: null }
    const { ms } = await collectRows(server, looked === undefined ? terms : { ...terms, looked })
    return (served.count * 1000) / ms
  })

/** The same rows read by the same connector and appended as they come, one transaction a message, without looking at them. */
const readAndAppended = (served: Served): Promise<number> =>
  withServer(served, async ({ velociraptor, dir }) => {
    const log = openBareLog(dir)
    const begun = performance.now()
    const topic = topics.rawFlowCompletions.name
    let written = 0
    try {
      await new Promise<void>((resolve, reject) => {
        const reading = velociraptor.query({ org: 'root', ...watchQuery([flowCompletions.queue]) }).subscribe({
          next(message) {
            if (message.kind === 'log') return
            const rows = message.rows.filter((row) => !row.includes('"_Beat"'))
            const timestamp = Date.now()
            log.commit(rows.map((row) => ({ topic, partition: 0, key: '', value: Buffer.from(row), timestamp })))
            written += rows.length
            if (written < served.count) return
            resolve()
            reading.unsubscribe()
          },
          error: reject,
        })
      })
      return (served.count * 1000) / (performance.now() - begun)
    } finally {
      log.close()
    }
  })

/** MiB that the process has more in the last quarter of a long run than in its second. */
const grown = async (): Promise<number> => {
  const samples: number[] = []
  await drained(steady, () => samples.push(process.memoryUsage.rss() / 2 ** 20))
  const quarter = Math.floor(samples.length / 4)
  return median(samples.slice(-quarter)) - median(samples.slice(quarter, 2 * quarter))
}

const measure = async (): Promise<readonly Figure[]> => {
  const pair = await paired(
    () => drained(burst),
    () => readAndAppended(burst),
  )
  return [
    {
      name: 'stream into the log',
      ...pair,
      unit: 'rows/s',
      bar,
      reference: null,
      note: `${burst.count} rows of ${burst.bytes} B over gRPC from another process into the embedded log, known, deduplicated and fsynced, against reading and appending them bare`,
    },
    {
      name: 'memory of a stream',
      value: await grown(),
      unit: 'MiB',
      baseline: null,
      ratio: null,
      bar: flat,
      reference: null,
      note: `what the process has more in the last quarter of ${steady.count} rows at ${steady.rate} a second than in the second quarter`,
    },
  ]
}

/** What the collecting of one stream takes. */
export const drain: BenchRow = {
  name: 'drain',
  about: 'rows of one event stream over gRPC into the embedded log, and the memory of a long run (a minute)',
  measure,
}
