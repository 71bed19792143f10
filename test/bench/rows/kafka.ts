import { startOwnBroker } from '../../broker/start-broker.ts'
import type { BenchRow } from '../measure.ts'
import { deliverFigure, letterCount, type OpenLog } from './deliver.ts'
import { measureCpu } from './kafka-cpu.ts'
import { measureDecide } from './kafka-decide.ts'
import { newPrefix, openBenchLog } from './kafka-place.ts'
import { measureRestore } from './kafka-restore.ts'
import { measureLatency } from './latency.ts'

const ratio = 0.5
const latencyTerms = { events: 100, mostMs: 250, name: 'kafka: row to 250' }

/** The same relay on a broker of its own on this machine, which takes its share of the processors. */
export const kafka: BenchRow = {
  name: 'kafka',
  about:
    'the log on Kafka (one broker from jars): decide, processor time of 1 and 4 processes, latency, delivery, restoring (10 minutes)',
  async measure() {
    const broker = await startOwnBroker({ nodes: 1 })
    const { brokers } = broker
    const open: OpenLog = (dir) => openBenchLog(brokers, newPrefix(), dir)
    const log = `{ kafka: { brokers: [${brokers.map((each) => `'${each}'`).join()}], prefix: ${newPrefix()} } }`
    try {
      return [
        ...(await measureDecide(brokers)),
        ...(await measureCpu(brokers)),
        ...(await measureLatency(latencyTerms, log)),
        await deliverFigure('kafka: deliver, many recipients', { recipients: letterCount, open, ratio }),
        await deliverFigure('kafka: deliver, one recipient', { recipients: 1, open, ratio }),
        ...(await measureRestore(brokers)),
      ]
    } finally {
      await broker.stop()
    }
  },
}
