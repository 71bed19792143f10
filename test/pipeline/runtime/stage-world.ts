import { setImmediate } from 'node:timers/promises'
import type { Observable } from 'rxjs'
import { type MemoryLog, openMemoryLog } from '../../../connectors/log/memory-log.ts'
import type { LogRecord } from '../../../connectors/log/event-log.ts'
import type { CommitFault } from '../../../connectors/log/running-task.ts'
import { type VirtualClock, virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'
import { decode, type SchemaName } from '../../../schemas/codec.ts'
import type { Outcome, Reject, Schemas } from '../../../schemas/generated.ts'
import type { Happening, HappeningName } from '../../../schemas/happenings.ts'
import type { Topic } from '../../../schemas/topics.ts'
import { allTopics, topics } from '../../../schemas/topics.ts'

/** 2026-04-22T14:42:27Z, when every stage world begins. */
export const start = Date.UTC(2026, 3, 22, 14, 42, 27)

/** A running stage. */
export interface Running {
  /** What ended it by itself. */
  failure(): unknown
  stop(): void
}

/** A memory log on a virtual clock, and everything that was said. */
export interface StageWorld {
  readonly log: MemoryLog
  readonly clock: VirtualClock
  readonly told: Happening[]
  /** What every stage needs beside its ports. Half of every backoff stays: waits are three quarters of the full one. */
  readonly common: {
    readonly log: MemoryLog
    readonly clock: VirtualClock
    readonly random: () => number
    readonly tell: (happening: Happening) => void
  }
  run(stage: Observable<never>): Running
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>
  /** Lets time pass, and what waits for it happen. */
  pass(ms: number): Promise<void>
  saidOf(name: HappeningName): readonly Happening[]
  records(topic: Topic): Promise<readonly LogRecord[]>
  values<N extends SchemaName>(topic: Topic, name: N): Promise<readonly Schemas[N][]>
  outcomes(): Promise<readonly Outcome[]>
  rejects(): Promise<readonly Reject[]>
  /** Closes the log and opens what it kept anew: the relay was down. */
  reopen(): Promise<void>
  /** What befalls the next commits of a topology, in order. */
  failCommits(topology: string, ...faults: readonly ('before' | 'after')[]): void
}

export interface StageWorldOptions {
  readonly partitions?: number
  readonly commitFault?: CommitFault
}

/** Rounds of the event loop that nothing here outlasts without waiting for time. */
const mostRounds = 60

/** Opens a world for stages: one partition unless told otherwise. */
export const openStageWorld = ({ partitions = 1, commitFault }: StageWorldOptions = {}): StageWorld => {
  const clock = virtualClock(start)
  const told: Happening[] = []
  const tell = (happening: Happening): void => void told.push(happening)
  const faults: { topology: string; when: 'before' | 'after' }[] = []
  const plannedFault: CommitFault = ({ topology }) => {
    const at = faults.findIndex((fault) => fault.topology === topology)
    return at < 0 ? undefined : faults.splice(at, 1)[0]?.when
  }
  let log = openMemoryLog({ topics: allTopics, partitions, clock, tell, commitFault: commitFault ?? plannedFault })
  const settle = async (): Promise<void> => {
    for (let round = 0, idle = 0; round < mostRounds && idle < 4; round++) {
      await setImmediate()
      idle = log.isIdle() ? idle + 1 : 0
    }
  }
  const world: StageWorld = {
    get log() {
      return log
    },
    clock,
    told,
    get common() {
      return { log, clock, random: () => 0.5, tell }
    },
    run(stage) {
      let failure: unknown
      const subscription = stage.subscribe({ error: (cause: unknown) => (failure = cause) })
      return { failure: () => failure, stop: () => subscription.unsubscribe() }
    },
    settle,
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
    saidOf: (name) => told.filter((happening) => happening.name === name),
    async records({ name }) {
      const records: LogRecord[] = []
      for (let partition = 0; partition < partitions; partition++)
        for await (const batch of log.read({ topic: name, partition })) records.push(...batch)
      return records
    },
    values: async (topic, name) => (await world.records(topic)).map(({ value }) => decode(name, value)),
    outcomes: () => world.values(topics.outcomes, 'Outcome'),
    rejects: () => world.values(topics.rejects, 'Reject'),
    async reopen() {
      await log.close()
      log = log.reopened()
    },
    failCommits: (topology, ...when) => void faults.push(...when.map((each) => ({ topology, when: each }))),
  }
  return world
}
