import Sqlite from 'better-sqlite3'
import { mkdtempSync, rmSync } from 'node:fs'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedLog, openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import type { CommitFault } from '../../../connectors/log/running-task.ts'
import { openOutbox, type Outbox } from '../../../connectors/mail/outbox.ts'
import { standInVelociraptor } from '../../../connectors/velociraptor/stand-in/in-process.ts'
import { createWorld, type StandInWorld } from '../../../connectors/velociraptor/stand-in/world.ts'
import type { Configuration } from '../../../pipeline/config/configuration.ts'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { type IndexReading, openIndexReading } from '../../../pipeline/index/index-reading.ts'
import { indexFileIn } from '../../../pipeline/index/outcome-index.ts'
import { type VirtualClock, virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'
import { readScenarios } from '../../../pipeline/scenarios/read-scenarios.ts'
import { type Service, type StageName, stageNames, startService } from '../../../pipeline/service.ts'
import { decode, encode } from '../../../schemas/codec.ts'
import type { FlowEvent, Outcome } from '../../../schemas/generated.ts'
import type { Happening, HappeningName, Tell } from '../../../schemas/happenings.ts'
import { allTopics, topics } from '../../../schemas/topics.ts'
import { flowEvent } from '../../operators/flow-events.ts'

/** 2026-04-22T14:42:27Z, when every world begins. */
export const start = Date.UTC(2026, 3, 22, 14, 42, 27)

/** Two monitors of mail, one without anybody to tell; what each world begins with. */
const scenario = `name: index
world:
  now: 2026-04-22T14:42:27Z
  clients: [{ client_id: C.1, os_info: { fqdn: host1.example.org } }, { client_id: C.2, os_info: { fqdn: host2.example.org } }]
  flows:
    - { client_id: C.1, session_id: F.LIVE1, create_time: T-60s, request: { creator: a, artifacts: [Linux.Search.FileFinder] } }
    - { client_id: C.2, session_id: F.LIVE2, create_time: T, request: { creator: b, artifacts: [Linux.Search.FileFinder] } }
monitors:
  - { name: soc, artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org, lead@example.org], NotifyHunts: true } }
  - { name: nobody, artifact: Server.Monitor.FlowCompletion, parameters: { DelayThreshold: 0, NotifyMetadataEMail: mail } }
  - name: gathered
    artifact: Server.Monitor.FlowCompletion
    parameters: { Recipients: [batch@example.org], DelayThreshold: 3600, NewClientArtifacts: Linux, NewClientThreshold: 315360000 }
    batch: { quiet: 30s, longest: 10m, most: 50 }
`

const mostRounds = 100
const roundMs = 2

/** A whole service on an embedded log under a virtual clock, and what asks it. */
export interface IndexWorld {
  readonly dir: string
  readonly clock: VirtualClock
  readonly configuration: Configuration
  readonly server: StandInWorld
  readonly outbox: Outbox
  readonly log: EmbeddedLog
  run(stages?: readonly StageName[]): Promise<void>
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>
  pass(ms: number): Promise<void>
  stop(): Promise<void>
  /** Closes the log and opens it anew, so much later, as after a kill: nothing is waited for. */
  reopen(later?: number): Promise<void>
  events(...events: readonly FlowEvent[]): Promise<void>
  saidOf(name: HappeningName): readonly Happening[]
  outcomes(): Promise<
    readonly {
      readonly partition: number
      readonly offset: number
      readonly timestamp: number
      readonly value: Outcome
    }[]
  >
  /** Removes a record from the log's file, as no program of ours does. */
  remove(topic: string, at: { readonly partition: number; readonly offset: number }): void
  ask<T>(question: (reading: IndexReading) => Promise<T>, fromLog?: boolean): Promise<T>
  dispose(): Promise<void>
}

export const openIndexWorld = async ({
  partitions = 2,
  commitFault,
  monitors = '',
}: {
  partitions?: number
  commitFault?: CommitFault
  /** More monitors, as YAML. */
  monitors?: string
} = {}): Promise<IndexWorld> => {
  const dir = mkdtempSync(join(tmpdir(), 'relay-index-'))
  const [read] = readScenarios(scenario + monitors, 'index.yaml').scenarios
  const given = read?.configuration.configuration
  if (read === undefined || given === undefined || given === null)
    throw new Error(read?.configuration.problems.map(printProblem).join('\n'))
  const configuration: Configuration = { ...given, log: { embedded: { dir, partitions, maxSize: null }, kafka: null } }
  const clock = virtualClock(start)
  const server = createWorld({ ...read.world, now: start })
  const velociraptor = standInVelociraptor(server, { clock })
  const outbox = openOutbox({ clock })
  const said: Happening[] = []
  const tell: Tell = (happening) => void said.push(happening)
  const open = (): Promise<EmbeddedLog> =>
    openEmbeddedLog({
      dir,
      partitions,
      topics: allTopics,
      clock,
      tell,
      ...(commitFault === undefined ? {} : { commitFault }),
    })
  let log = await open()
  let service: Service | undefined
  const channels = new Map(configuration.channels.map(({ name, from }) => [name, { name, from, sink: outbox }]))
  const settle = async (): Promise<void> => {
    // A turn that waits for the clock stays open: what happens without time is over long before.
    for (let round = 0, idle = 0; round < mostRounds && idle < 4; round++) {
      const isIdle = log.isIdle() && outbox.isIdle()
      idle = isIdle ? idle + 1 : 0
      // Another thread commits, and is given time to.
      await (isIdle ? setImmediate() : setTimeout(roundMs))
    }
  }
  const world: IndexWorld = {
    dir,
    clock,
    configuration,
    server,
    outbox,
    settle,
    get log() {
      return log
    },
    async run(stages = stageNames) {
      service = await startService(
        { log, velociraptor, channels, clock, random: () => 0.5, tell, indexFile: indexFileIn(dir) },
        { configuration, stages, since: null },
      )
      await settle()
    },
    async pass(ms) {
      const end = clock.now() + ms
      await settle()
      for (let next = clock.next(); next !== undefined && next <= end; next = clock.next()) {
        clock.advanceTo(next)
        await settle()
      }
      clock.advanceTo(end)
      await settle()
    },
    async stop() {
      await service?.stop()
      service = undefined
    },
    async reopen(later = 0) {
      void service?.stop()
      service = undefined
      await log.close()
      clock.advanceTo(clock.now() + later)
      log = await open()
    },
    async events(...events) {
      await log.append(
        events.map((event) => ({
          topic: topics.flowEvents.name,
          key: `${event.org}/${event.client.id}`,
          value: encode('FlowEvent', event),
        })),
      )
    },
    saidOf: (name) => said.filter((one) => one.name === name),
    async outcomes() {
      const all: { partition: number; offset: number; timestamp: number; value: Outcome }[] = []
      for (let partition = 0; partition < partitions; partition++)
        for await (const records of log.read({ topic: topics.outcomes.name, partition }))
          for (const { offset, timestamp, value } of records)
            all.push({ partition, offset, timestamp, value: decode('Outcome', value) })
      return all
    },
    remove(topic, { partition, offset }) {
      const database = new Sqlite(join(dir, 'log.db'))
      const id = database.prepare('SELECT id FROM topic WHERE name = ?').pluck().get(topic) as number
      database.prepare(`DELETE FROM record_${id}_${partition} WHERE offset = ?`).run(offset)
      database.close()
    },
    async ask(question, fromLog = false) {
      const reading = await openIndexReading({ settings: configuration.log.embedded, clock, fromLog })
      try {
        return await question(reading)
      } finally {
        await reading.close()
      }
    },
    async dispose() {
      void service?.stop()
      await Promise.all([log.close(), velociraptor.close(), outbox.close()])
      rmSync(dir, { recursive: true, force: true })
    },
  }
  return world
}

/** A flow of its own of one of four clients: even ones take a minute, odd ones three seconds, which is too short to be told. */
export const flowOf = (n: number, more: Partial<FlowEvent> = {}): FlowEvent => {
  const client = `C.${n % 4}`
  const seconds = n % 2 === 0 ? 60 : 3
  const created_at = start + n * 1000
  return flowEvent({
    client: { id: client, fqdn: `host${n % 4}.example.org` },
    flow: { id: `F.${n}`, created_at },
    event: {
      id: `root/${client}/F.${n}/${n}`,
      told_once_as: `root/${client}/F.${n}`,
      completed_at: created_at + seconds * 1000,
      received_at: created_at + seconds * 1000,
      ...more,
    },
  })
}
