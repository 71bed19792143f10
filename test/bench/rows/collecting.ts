import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { map, of, Subscription } from 'rxjs'
import { openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import type { EventLog } from '../../../connectors/log/event-log.ts'
import { readApiConfig } from '../../../connectors/velociraptor/api-config.ts'
import { openVelociraptor } from '../../../connectors/velociraptor/grpc.ts'
import type { Velociraptor } from '../../../connectors/velociraptor/velociraptor.ts'
import { collect } from '../../../pipeline/collect.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { keepYoungHeapSmall } from '../../../pipeline/runtime/young-heap.ts'
import { flowCompletions } from '../../../pipeline/sources/queue-source.ts'
import type { EpochMs } from '../../../schemas/time.ts'
import { allTopics } from '../../../schemas/topics.ts'
import { inTemporaryDir } from '../temporary-dir.ts'
import type { Load, Served } from './row-server.ts'

/** A server in a process of its own, and a directory of the run. */
export interface RowServer {
  readonly velociraptor: Velociraptor
  readonly dir: string
  /** How it has been asked so far. */
  load(): Promise<Load>
}

/** Opens a server that serves so much, while it is used. */
export const withServer = <T>(served: Served, use: (server: RowServer) => Promise<T>): Promise<T> =>
  inTemporaryDir(async (dir) => {
    const child = fork(fileURLToPath(new URL('row-server.ts', import.meta.url)), [dir, JSON.stringify(served)])
    const [{ apiConfig }] = (await once(child, 'message')) as [{ readonly apiConfig: string }]
    const { config } = readApiConfig(apiConfig, { now: Date.now() })
    if (config === null) throw new Error('the server of the bench wrote no configuration')
    const velociraptor = openVelociraptor({ config })
    const load = async (): Promise<Load> => {
      const answer = once(child, 'message') as Promise<[Load]>
      child.send('load')
      return (await answer)[0]
    }
    try {
      return await use({ velociraptor, dir, load })
    } finally {
      await velociraptor.close()
      child.disconnect()
      await once(child, 'exit')
    }
  })

/** The log, and whatever a task appends to it told once its commit stands. */
const counting = (log: EventLog, appended: (records: number) => void): EventLog => ({
  ...log,
  tasks: (topology) =>
    log.tasks(topology).pipe(
      map((task) => ({
        ...task,
        turns: task.turns.pipe(
          map((turn) => ({
            ...turn,
            commit: async (step) => {
              await turn.commit(step)
              appended(step.append.length)
            },
          })),
        ),
      })),
    ),
})

const sampleMs = 100

export interface Collecting {
  /** Until so many rows are in the log. */
  readonly rows: number
  /** Where history begins, epoch ms; null: it is not read. */
  readonly since: EpochMs | null
  /** Called now and then. */
  readonly looked?: () => void
}

export interface Collected {
  /** From the stream's opening until the last row is in the log. */
  readonly ms: number
  /** Processor time of this process meanwhile. */
  readonly cpuMs: number
}

/** Collects the server's flow completions into an embedded log. */
export const collectRows = async (
  { velociraptor, dir }: RowServer,
  { rows, since, looked = () => undefined }: Collecting,
): Promise<Collected> => {
  const clock = systemClock()
  const log = await openEmbeddedLog({ dir, topics: allTopics, clock, tell: () => undefined })
  keepYoungHeapSmall()
  const begun = performance.now()
  const cpu = process.cpuUsage()
  const running = new Subscription()
  const looking = setInterval(looked, sampleMs)
  let written = 0
  try {
    await new Promise<void>((resolve, reject) => {
      const counted = counting(log, (records) => {
        written += records
        if (written >= rows) resolve()
      })
      const world = { log: counted, velociraptor, clock, random: Math.random, tell: () => undefined }
      const asked = { orgs: ['root'], sources: of([flowCompletions]), since }
      running.add(collect({ ...world, ...asked }).subscribe({ error: reject }))
    })
    const { user, system } = process.cpuUsage(cpu)
    return { ms: performance.now() - begun, cpuMs: (user + system) / 1000 }
  } finally {
    clearInterval(looking)
    running.unsubscribe()
    await log.close()
  }
}
