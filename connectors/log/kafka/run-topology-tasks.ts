import type { Kafka } from 'kafkajs'
import type { Tell } from '../../../schemas/happenings.ts'
import type { Clock } from '../../../schemas/time.ts'
import type { ConnectorError } from '../../errors.ts'
import type { Admission } from '../admission.ts'
import type { Task, Topology } from '../event-log.ts'
import type { CommitFault } from '../running-task.ts'
import type { KafkaTimings } from './connection.ts'
import type { Patience } from './fetch-pages.ts'
import { joinGroup, type GroupMember } from './group-member.ts'
import { openKafkaSeat, type KafkaSeat, type KafkaSeatSurroundings } from './kafka-seat.ts'
import type { OpeningQueue } from './opening-queue.ts'
import { openOutage } from './outage.ts'
import { openPartitionReader, type PartitionReader } from './partition-reader.ts'
import { openStandby } from './standby.ts'
import type { StateCache } from './state-cache.ts'

export interface TopologyTasksOptions {
  readonly kafka: Kafka
  /** The client that reads: what fails there is tried again by the reader. */
  readonly readers: Kafka
  readonly brokers: readonly string[]
  readonly topology: Topology
  readonly names: readonly string[]
  readonly fullName: (name: string) => string
  readonly partitions: number
  /** Full names. */
  readonly changelog: string
  readonly group: string
  readonly count: number
  readonly cache: StateCache
  /** Shared by all topologies of a process. */
  readonly openings: OpeningQueue
  readonly timings: KafkaTimings
  readonly admission: Admission
  readonly clock: Clock
  readonly tell: Tell
  readonly commitFault: CommitFault | undefined
  readonly unsafe: KafkaSeatSurroundings['unsafe']
  /** Looks whether the topics still are what they must be; called whenever the group meets. */
  readonly check: () => Promise<void>
  readonly emit: (task: Task) => void
  readonly deny: (error: ConnectorError) => void
}

/** A changelog of which nothing has come for so long is not waited for any longer. */
const warmIdleMs = 4000
/** What the others write is followed in large pieces: a task's opening reads what is missing at once. */
const calmBytes = 1_048_576
const calmPolls = 10

/** Runs this process's share of a topology's tasks until the returned function is called: it ends them at once and resolves when all is over. */
export const runTopologyTasks = (options: TopologyTasksOptions): (() => Promise<void>) => {
  const { kafka, brokers, topology, changelog, group, count, cache, timings, tell, deny } = options
  const seats = new Map<number, KafkaSeat>()
  const leaving = new Set<Promise<void>>()
  const outage = openOutage(tell, { topology: topology.name })
  let member: GroupMember | undefined
  let followed: readonly number[] | undefined
  const left = Promise.withResolvers<void>()
  let hasLeft = false

  const openReader = (kind: string, patience: Patience): PartitionReader =>
    openPartitionReader({
      kafka: options.readers,
      brokers,
      patience,
      metadata: timings.metadata,
      onTrouble: (error) => (error?.code === 'LOG_DENIED' ? deny(error) : outage.report(kind, error)),
    })
  const reader = openReader('reading', { minBytes: 1, maxWaitTime: timings.poll })
  const calmReader = openReader('reading state', { minBytes: calmBytes, maxWaitTime: calmPolls * timings.poll })
  const standby = openStandby({ reader, calmReader, cache, changelog, partitions: count, onDenied: deny })
  const surroundings: KafkaSeatSurroundings = {
    ...options,
    reader,
    standby,
    writers: options.readers,
    restoreMs: timings.restore,
    metadataMs: timings.metadata,
    member: () => member as GroupMember,
    handedOver: (partition) => leave(partition),
  }

  const leave = (partition: number): void => {
    const seat = seats.get(partition)
    seats.delete(partition)
    const left = seat?.leave() ?? Promise.resolve()
    leaving.add(left)
    void left.finally(() => leaving.delete(left))
    follow()
  }

  /** Until the group has said who follows what, every process follows all. */
  const follow = (): void => {
    if (followed !== undefined) standby.follow(new Set([...followed, ...seats.keys()]))
  }

  const assigned = (partitions: readonly number[], isNew: boolean): void => {
    if (hasLeft) return
    for (const [partition, seat] of [...seats])
      if (isNew || (!partitions.includes(partition) && !seat.handOver())) leave(partition)
    for (const partition of partitions) {
      const seat = seats.get(partition)
      if (seat === undefined) seats.set(partition, openKafkaSeat(surroundings, partition))
      else seat.confirmed()
    }
    // Only now: a seat looks whether its partition was followed until it came.
    follow()
    if (partitions.length > 0) void options.check().catch(deniedOnly)
  }

  const deniedOnly = (error: ConnectorError): void => {
    if (!hasLeft && error.code === 'LOG_DENIED') deny(error)
  }

  const topics = topology.inputs.length > 0 ? topology.inputs.map(options.fullName) : [changelog]
  // Whoever joins first and reads then would let the partitions that come to it stand still meanwhile.
  const joining = Promise.race([standby.warm(warmIdleMs), left.promise]).then(() => {
    if (hasLeft) return
    member = joinGroup({
      kafka,
      brokers,
      group,
      topics,
      partitions: count,
      timings,
      onAssigned: assigned,
      onFollowed: (told) => {
        followed = told
        follow()
      },
      onTrouble: (error) => outage.report('group', error),
      onDenied: deny,
    })
  })
  const showing = setInterval(
    () => member?.showPositions([...seats.values()].flatMap((seat) => seat.positions())),
    timings.lag,
  ).unref()

  return async () => {
    hasLeft = true
    clearInterval(showing)
    for (const partition of [...seats.keys()]) leave(partition)
    left.resolve()
    await joining
    await Promise.all([member?.leave(), ...leaving])
    standby.close()
    outage.close()
    await Promise.all([reader.close(), calmReader.close()])
  }
}
