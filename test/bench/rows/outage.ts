import { readFileSync } from 'node:fs'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { startService } from '../../../pipeline/service.ts'
import type { Happening } from '../../../schemas/happenings.ts'
import { fiveMonitors } from '../configuration.ts'
import { type BenchRow, type Figure } from '../measure.ts'
import { freePort, openBareSink, type SmtpSink } from '../smtp-sink.ts'
import { inTemporaryDir } from '../temporary-dir.ts'
import { channelTo, connections, deliverAll, noticeRecord, noticesTo, openEmbedded, velociraptor } from './deliver.ts'

const letterCount = 10_000
const ratio = 0.8
const lookEveryMs = 20

/** Established connections of this machine to a port of loopback; 0 where the system does not tell. */
const connectionsTo = (port: number): number => {
  const remote = ` 0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} 01 `
  try {
    return readFileSync('/proc/net/tcp', 'utf8').split(remote).length - 1
  } catch {
    return 0
  }
}

interface Drained {
  readonly rate: number
  /** From the moment at which the server listens to its first reply. */
  readonly noticedAfterMs: number
  readonly mostConnections: number
}

/** Letters are queued while nobody listens; then the server is there, and takes them all. */
const drain = (): Promise<Drained> =>
  inTemporaryDir(async (dir) => {
    const clock = systemClock()
    const port = await freePort()
    const queued = Promise.withResolvers<void>()
    const all = Promise.withResolvers<void>()
    const open = new Map<unknown, number>()
    let delivered = 0
    let backAt = 0
    const tell = ({ name, partition, notices }: Happening): void => {
      if (name === 'letter undeliverable') all.reject(new Error(name))
      if (name === 'mail server back') backAt = performance.now()
      if (name === 'letter delivered' && ++delivered === letterCount) all.resolve()
      if (name === 'notices open') open.set(partition, Number(notices))
      if ([...open.values()].reduce((sum, count) => sum + count, 0) === letterCount) queued.resolve()
    }
    const log = await openEmbedded(dir)
    const channel = channelTo(port)
    const world = { log, clock, tell, velociraptor, random: Math.random, channels: new Map([[channel.name, channel]]) }
    const service = await startService(world, { configuration: fiveMonitors(), stages: ['deliver'], since: null })
    await log.append(noticesTo(letterCount, letterCount).map(noticeRecord))
    await Promise.race([queued.promise, service.failed])
    const sink: SmtpSink = await openBareSink(port)
    const listensAt = performance.now()
    let mostConnections = 0
    const looking = setInterval(() => {
      mostConnections = Math.max(mostConnections, connectionsTo(port))
    }, lookEveryMs)
    try {
      await Promise.race([all.promise, service.failed])
      const rate = (letterCount * 1000) / (performance.now() - backAt)
      return { rate, noticedAfterMs: backAt - listensAt, mostConnections }
    } finally {
      clearInterval(looking)
      await service.stop()
      await channel.sink.close()
      await log.close()
      await sink.close()
    }
  })

/** The same letters while the server is there. */
const deliverPlainly = async (): Promise<number> => {
  const sink = await openBareSink()
  try {
    return await deliverAll(openEmbedded, sink.port, noticesTo(letterCount, letterCount))
  } finally {
    await sink.close()
  }
}

const measure = async (): Promise<readonly Figure[]> => {
  const { rate, noticedAfterMs, mostConnections } = await drain()
  const baseline = await deliverPlainly()
  return [
    {
      name: 'after an outage',
      value: rate,
      unit: 'letters/s',
      baseline,
      ratio: rate / baseline,
      bar: { ratio },
      reference: null,
      note: `${letterCount} queued letters from the first reply on, against as many without an outage; the first reply came ${(noticedAfterMs / 1000).toFixed(1)} s after the server was there`,
    },
    {
      name: 'connections after an outage',
      value: mostConnections,
      unit: 'connections',
      baseline: null,
      ratio: null,
      bar: { most: connections },
      reference: null,
      note: `the most that were open at once, looked at each ${lookEveryMs} ms`,
    },
  ]
}

/** What an outage of the mail server leaves behind. */
export const outage: BenchRow = {
  name: 'outage',
  about: 'letters that were queued while the mail server was away go out when it is back (a minute)',
  measure,
}
