import { startOwnBroker } from '../../broker/start-broker.ts'
import type { BenchRow, Figure } from '../measure.ts'
import { deliverFigure, letterCount, type OpenLog } from './deliver.ts'
import { measureCpu } from './kafka-cpu.ts'
import { measureDecide } from './kafka-decide.ts'
import { newPrefix, openBenchLog } from './kafka-place.ts'
import { measureReplay } from './kafka-replay.ts'
import { measureRestore } from './kafka-restore.ts'
import { measureLatency } from './latency.ts'

const ratio = 0.5
const latencyTerms = { events: 100, mostMs: 250, name: 'kafka: row to 250' }

/** A row on a broker of its own on this machine, which takes its share of the processors. */
const onBroker = (
  name: string,
  about: string,
  measure: (brokers: readonly string[]) => Promise<readonly Figure[]>,
): BenchRow => ({
  name: `kafka-${name}`,
  about: `on Kafka (one broker from jars): ${about}`,
  async measure() {
    const broker = await startOwnBroker({ nodes: 1 })
    try {
      return await measure(broker.brokers)
    } finally {
      await broker.stop()
    }
  },
})

const deliverOn = async (brokers: readonly string[]): Promise<readonly Figure[]> => {
  const open: OpenLog = (dir) => openBenchLog(brokers, newPrefix(), dir)
  return [
    await deliverFigure('kafka: deliver, many recipients', { recipients: letterCount, open, ratio }),
    await deliverFigure('kafka: deliver, one recipient', { recipients: 1, open, ratio }),
  ]
}

const latencyOn = (brokers: readonly string[]): Promise<readonly Figure[]> =>
  measureLatency(
    latencyTerms,
    `{ kafka: { brokers: [${brokers.map((each) => `'${each}'`).join()}], prefix: ${newPrefix()} } }`,
  )

/** The same relay on Kafka. */
export const kafka: readonly BenchRow[] = [
  onBroker('decide', 'what lies in the log is judged (3 minutes)', measureDecide),
  onBroker('cpu', 'processor time of 1 and 4 processes (10 minutes)', measureCpu),
  onBroker('latency', 'a lone event through all stages', latencyOn),
  onBroker('deliver', 'notices become settled letters', deliverOn),
  onBroker('restore', 'a million keys of state in a fresh process', measureRestore),
  onBroker('replay', 'a dry replay of judged events', measureReplay),
]
