import { setImmediate, setTimeout } from 'node:timers/promises'
import { type EmbeddedLog, openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import type { LogRecord } from '../../../connectors/log/event-log.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import type { Configuration } from '../../../pipeline/config/configuration.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { startService } from '../../../pipeline/service.ts'
import { encode } from '../../../schemas/codec.ts'
import type { RawEvent } from '../../../schemas/generated.ts'
import { allTopics, topics } from '../../../schemas/topics.ts'
import { openBareLog } from '../bare-log.ts'
import { type FlowWorld, makeFlowWorld } from '../flow-world.ts'
import { type BenchRow, paired, perSecond } from '../measure.ts'
import { inTemporaryDir } from '../temporary-dir.ts'

const eventCount = 20_000
const fedTogether = 500

/** Five monitors by differing patterns, of which some tell nearly nobody and one tells creators. */
const relayYaml = `
velociraptor: { api_config: ./api.config.yaml, gui_url: https://velociraptor.example.org/app/index.html }
mail: { url: smtp://mail.example.org, from: velociraptor@example.org, allowed_domains: [example.org] }
monitors:
  - name: creators
    artifact: Server.Monitor.FlowCompletion
    parameters: { NotifyExecutor: true, DelayThreshold: 60, NotifyExecutorDomains: [{ UsernameRegex: "^analyst", Domain: example.org }] }
  - name: failures
    artifact: Server.Monitor.FlowCompletion
    parameters: { Recipients: [soc@example.org], ArtifactsToAlertOn: "^Windows\\\\.(Forensics|System)\\\\.", ErrorHandling: [IncludeHunts, IgnoreDelay], DelayThreshold: 100 }
  - name: important-clients
    artifact: Server.Monitor.FlowCompletion
    parameters: { Recipients: [vip@example.org], ClientLabelsToAlertOn: "^(vip|server)$", ClientLabelsToIgnore: "^branch-", ArtifactsToIgnore: "(Info|Users)$", DelayThreshold: 90 }
  - name: responders
    artifact: Server.Monitor.FlowCompletion
    parameters: { Recipients: [ir@example.org], ArtifactPermToAlertOn: "EXECVE|NETWORK", NotifyHunts: true, DelayThreshold: 100 }
  - name: triage
    artifact: Server.Monitor.FlowCompletion
    parameters: { Recipients: [triage@example.org], ArtifactsToAlertOn: "^Custom\\\\..*(Triage|Remediation)", NotifyIfResultsLabels: "quarantined|lab" }
`

const configuration = (): Configuration => {
  const { configuration: read, problems } = readConfiguration(relayYaml, {
    file: '/relay.yaml', env: {}, readFile: () => ({ text: '', readableByOthers: false }),
  })
  if (read === null) throw new Error(problems.map(({ message }) => message).join('\n'))
  return read
}

const quiet = (): void => undefined

const openLog = (dir: string): Promise<EmbeddedLog> =>
  openEmbeddedLog({ dir, topics: allTopics, clock: systemClock(), tell: quiet })

/** Feeds every event, and waits until each has its outcome. */
const runThrough = async (log: EmbeddedLog, { events, velociraptor }: FlowWorld): Promise<void> => {
  const world = { log, velociraptor, channels: new Map(), clock: systemClock(), random: Math.random, tell: quiet }
  const service = await startService(world, { configuration: configuration(), stages: ['enrich', 'decide'], since: null })
  const fed = feed(log, events)
  const idle = async (): Promise<void> => {
    await fed
    while (!log.isIdle()) await setTimeout(1)
  }
  await Promise.race([idle(), service.failed])
  await service.stop()
}

const keyOf = ({ org, row }: RawEvent): string => `${org}/${(JSON.parse(row) as { readonly ClientId: string }).ClientId}`

/** Appends what has come as raw records, as collect does; the next ones do not wait for it. */
const feed = async (log: EmbeddedLog, events: FlowWorld['events']): Promise<void> => {
  const appends: Promise<unknown>[] = []
  for (let at = 0; at < events.length; at += fedTogether) {
    const records = events.slice(at, at + fedTogether).map((event) => ({
      topic: topics.rawFlowCompletions.name, key: keyOf(event), value: encode('RawEvent', event),
    }))
    appends.push(log.append(records))
    await setImmediate()
  }
  await Promise.all(appends)
}

/** Every record of the log, in the transactions in which they were written: one transaction has one time. */
const transactionsOf = async (log: EmbeddedLog): Promise<readonly (readonly LogRecord[])[]> => {
  const byTime = new Map<number, LogRecord[]>()
  for (const { name } of allTopics)
    for (let partition = 0; partition < log.partitions; partition++)
      for await (const page of log.read({ topic: name, partition }))
        for (const record of page) {
          const together = byTime.get(record.timestamp)
          if (together === undefined) byTime.set(record.timestamp, [record])
          else together.push(record)
        }
  return [...byTime].toSorted(([a], [b]) => a - b).map(([, records]) => records)
}

export const events: BenchRow = {
  name: 'events',
  about: '',
  measure: () => measureEvents(),
}

const measureEvents = async () => {
  const world = makeFlowWorld(eventCount)
  let transactions: readonly (readonly LogRecord[])[] = []
  const pipeline = (): Promise<number> =>
    inTemporaryDir(async (dir) => {
      const log = await openLog(dir)
      const cpu = process.cpuUsage()
      const rate = await perSecond(eventCount, () => runThrough(log, world))
      const used = process.cpuUsage(cpu)
      console.log('cpu us/event', (used.user + used.system) / eventCount, rate)
      transactions = await transactionsOf(log)
      await log.close()
      return rate
    })
  const bare = (): Promise<number> =>
    inTemporaryDir(async (dir) => {
      const log = openBareLog(dir)
      const cpu = process.cpuUsage()
      const rate = await perSecond(eventCount, () => transactions.forEach((records) => log.commit(records)))
      const used = process.cpuUsage(cpu)
      console.log('bare cpu us/event', (used.user + used.system) / eventCount, rate)
      log.close()
      return rate
    })
  const measured = await paired(pipeline, bare)
  const records = transactions.flat()
  const per = (topic: string): string => {
    const some = records.filter((record) => record.topic === topic)
    return `${topic} ${some.length} (${Math.round(some.reduce((sum, { value }) => sum + value.length, 0) / some.length)} B)`
  }
  console.log(measured, transactions.length, allTopics.map(({ name }) => per(name)).join(', '))
  return []
}
if (import.meta.main) await measureEvents()
