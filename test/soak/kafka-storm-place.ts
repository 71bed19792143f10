import type { EventLog } from '../../connectors/log/event-log.ts'
import { openKafkaLog } from '../../connectors/log/kafka-log.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'
import type { Happening } from '../../schemas/happenings.ts'

export const partitions = 6
const topics = ['in', 'out', 'ticks'].map((name) => ({ name }))
const timings = { session: 2000, heartbeat: 300, rebalance: 3000, poll: 100, metadata: 5000 }

/** Where the log of a storm is. */
export interface Place {
  readonly brokers: readonly string[]
  readonly prefix: string
  readonly stateDir: string
  readonly without: string
}

export const open = (
  { brokers, prefix, stateDir, without }: Place,
  tell: (happening: Happening) => void,
): Promise<EventLog> =>
  openKafkaLog({
    brokers,
    prefix,
    stateDir,
    tell,
    partitions,
    topics,
    timings,
    clientId: 'storm',
    clock: systemClock(),
    unsafe: { withoutFence: without === 'fence', withoutSeek: without === 'seek' },
  })

export const text = (value: Uint8Array | undefined): string =>
  value === undefined ? '' : Buffer.from(value).toString()
export const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
