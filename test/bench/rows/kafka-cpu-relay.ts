/** A process that runs enrich and decide on Kafka, and says on demand how much processor time it has used. */
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { startService } from '../../../pipeline/service.ts'
import { keepYoungHeapSmall } from '../../../pipeline/runtime/young-heap.ts'
import { fiveMonitors } from '../configuration.ts'
import { makeFlowWorld } from '../flow-world.ts'
import { openBenchLog } from './kafka-place.ts'

export interface CpuTerms {
  readonly brokers: readonly string[]
  readonly prefix: string
  readonly stateDir: string
  readonly events: number
  readonly begin: number
}

const { brokers, prefix, stateDir, events, begin } = JSON.parse(process.argv[2] ?? '') as CpuTerms
keepYoungHeapSmall()
const { velociraptor } = makeFlowWorld(events, { begin })
const log = await openBenchLog(brokers, prefix, stateDir)
const world = {
  log,
  velociraptor,
  channels: new Map(),
  clock: systemClock(),
  random: Math.random,
  tell: () => undefined,
}
const service = await startService(world, {
  configuration: fiveMonitors(),
  stages: ['enrich', 'decide'],
  since: null,
})
service.failed.catch((cause: unknown) => {
  console.error(cause)
  process.exit(1)
})
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.((user + system) / 1e6)
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
