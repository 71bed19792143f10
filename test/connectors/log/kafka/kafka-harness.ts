import { Kafka, logLevel } from 'kafkajs'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { EventLog } from '../../../../connectors/log/event-log.ts'
import type { KafkaTimings } from '../../../../connectors/log/kafka/connection.ts'
import { openKafkaLog, type KafkaLogOptions } from '../../../../connectors/log/kafka-log.ts'
import { systemClock } from '../../../../pipeline/runtime/system-clock.ts'
import { contractTopics, type EventLogHarness } from '../../../contracts/event-log.contract.ts'

export const maxRecordBytes = 10_000

/** Fast enough for tests; what they mean stays. */
export const quickTimings: Partial<KafkaTimings> = {
  session: 2000,
  heartbeat: 100,
  rebalance: 3000,
  poll: 25,
  metadata: 2000,
  restore: 10_000,
  lag: 200,
}

/** A place of its own on a broker, for one test: names, directories, and what removes them. */
export interface KafkaPlace {
  readonly options: KafkaLogOptions
  remove(): Promise<void>
}

export const kafkaPlace = (brokers: readonly string[], topics: readonly string[] = contractTopics): KafkaPlace => {
  const stateDir = mkdtempSync(join(tmpdir(), 'relay-kafka-'))
  const prefix = `test-${randomUUID().slice(0, 8)}.`
  return {
    options: {
      brokers,
      prefix,
      stateDir,
      maxRecordBytes,
      clientId: 'raptor-relay-test',
      partitions: 3,
      topics: topics.map((name) => ({ name })),
      clock: systemClock(),
      tell: () => undefined,
      timings: quickTimings,
    },
    remove: async () => {
      rmSync(stateDir, { recursive: true, force: true })
      await withTestAdmin(brokers, async (admin) => {
        const names = (await admin.listTopics()).filter((name) => name.startsWith(prefix))
        if (names.length > 0) await admin.deleteTopics({ topics: names })
      }).catch(() => undefined)
    },
  }
}

export const withTestAdmin = async <T>(
  brokers: readonly string[],
  work: (admin: ReturnType<Kafka['admin']>) => Promise<T>,
): Promise<T> => {
  const admin = new Kafka({ clientId: 'test-admin', brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

export const openKafkaHarness = async (brokers: readonly string[]): Promise<EventLogHarness> => {
  const place = kafkaPlace(brokers)
  const faults: { topology: string; when: 'before' | 'after' }[] = []
  const open = (): Promise<EventLog> =>
    openKafkaLog({
      ...place.options,
      commitFault: ({ topology }) => {
        const at = faults.findIndex((fault) => fault.topology === topology)
        return at < 0 ? undefined : faults.splice(at, 1)[0]?.when
      },
    })
  let log = await open()
  return {
    get log() {
      return log
    },
    maxRecordBytes,
    patience: 15_000,
    now: place.options.clock.now,
    pass: (ms) => setTimeout(ms),
    failNextCommit: (topology, when) => void faults.push({ topology, when }),
    reopen: async () => {
      await log.close()
      log = await open()
    },
    dispose: async () => {
      await log.close()
      await place.remove()
    },
  }
}
