import type { MemoryLog } from '../../connectors/log/memory-log.ts'
import type { Happening } from '../../schemas/happenings.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { Configuration } from '../config/configuration.ts'
import { chosen } from '../dead/choose.ts'
import { commandLetters } from '../dead/command-letters.ts'
import { readDeadLetters } from '../dead/read-dead-letters.ts'
import type { DeadEntry } from './scenario.ts'
import { monitorsOf, sourcesOf } from '../monitors/monitors-of.ts'
import { isLogs } from '../sources/readers.ts'
import { type Service, stageNames, startService, type World } from '../service.ts'

export interface RehearsedRelayOptions {
  readonly configuration: Configuration
  readonly log: MemoryLog
  readonly world: Omit<World, 'log'>
}

/** The whole service as scenarios run it: it may stop and start again on what its log keeps. */
export interface RehearsedRelay {
  start(): void
  /** As at SIGTERM: letters under way and their receipts end first. */
  stop(): void
  /** Asks for what an entry says, of the letters that are dead at that moment. */
  command(entry: DeadEntry): void
  /** Neither does its log have work nor does it start or stop. */
  isIdle(): boolean
  /** The stream of every queue lives and its history has been read, and logs have been read since `at`; also while it is down. */
  isInSync(at: EpochMs): boolean
  /** What ended it, in words; null: nothing did. */
  failure(): string | null
  log(): MemoryLog
  /** Ends everything at once. */
  end(): Promise<void>
}

export const rehearsedRelay = ({ configuration, log: first, world }: RehearsedRelayOptions): RehearsedRelay => {
  const read = configuration.velociraptor.orgs.flatMap((org) =>
    sourcesOf(monitorsOf(configuration)).map((source) => ({ key: `${org} ${source.queue}`, isLive: !isLogs(source) })),
  )
  /** Until when, by the server's clock. */
  const inSync = new Map<string, EpochMs>()
  let log = first
  let service: Service | null = null
  let failure: string | null = null
  let changes = 0
  let changing: Promise<void> = Promise.resolve()

  const fail = (cause: unknown): void => {
    failure ??= cause instanceof Error ? cause.message : String(cause)
  }
  const tell = (happening: Happening): void => {
    const { name, org, queue, queues, at } = happening
    if (name === 'queue in sync') inSync.set(`${String(org)} ${String(queue)}`, Number(at))
    if (name === 'source away') for (const away of String(queues).split(', ')) inSync.delete(`${String(org)} ${away}`)
    world.tell(happening)
  }
  const change = (what: () => Promise<void>): void => {
    changes++
    changing = changing
      .then(what)
      .catch(fail)
      .finally(() => changes--)
  }
  const start = async (): Promise<void> => {
    inSync.clear()
    service = await startService({ ...world, log, tell }, { configuration, stages: stageNames, since: null })
    service.failed.catch(fail)
  }
  const stop = async (): Promise<void> => {
    const stopping = service?.stop()
    service = null
    await stopping
    await log.close()
    log = log.reopened()
  }

  const command = async ({ deed, to, times }: DeadEntry): Promise<void> => {
    const letters = chosen(await readDeadLetters(log, 0), { words: [], recipient: to ?? undefined })
    const terms = { kind: deed, now: world.clock.now(), everyMs: 0 }
    for (let n = 0; n < times; n++) await commandLetters(log, letters, terms)
  }

  return {
    command: (entry) => change(() => command(entry)),
    start: () => change(start),
    stop: () => change(stop),
    isIdle: () => changes === 0 && log.isIdle(),
    isInSync: (at) =>
      service === null ||
      read.every(({ key, isLive }) => {
        const until = inSync.get(key)
        return until !== undefined && (isLive || until > at)
      }),
    failure: () => failure,
    log: () => log,
    async end() {
      // It may wait for a time that never comes; its log's end ends it all the same.
      void service?.stop()
      await log.close()
    },
  }
}
