import type { Kafka } from 'kafkajs'
import { randomUUID } from 'node:crypto'
import type { Tell } from '../../../schemas/happenings.ts'
import type { Clock } from '../../../schemas/time.ts'
import { ConnectorError } from '../../errors.ts'
import type { Admission } from '../admission.ts'
import type { Task, Topology } from '../event-log.ts'
import type { Write } from '../local-store.ts'
import { runTask, type CommitFault, type RunningTask, type TaskInput, type TaskSurroundings } from '../running-task.ts'
import { ownerKey, positionEntry, positionKeyOf, stateKeyOf, type ChangelogEntry } from './changelog.ts'
import type { GroupMember } from './group-member.ts'
import { openInputBuffer, type InputBuffer } from './input-buffer.ts'
import { type BeyondEnd, type InputPlace, placeInputs } from './input-places.ts'
import { asKafkaError } from './kafka-errors.ts'
import type { OpeningQueue } from './opening-queue.ts'
import type { Bounds, PartitionReader } from './partition-reader.ts'
import { endingState } from './ending-state.ts'
import type { Standby } from './standby.ts'
import { openTaskProducer, type TaskProducer } from './task-producer.ts'
import type { OutgoingShare } from './transaction-line.ts'

/** What the seats of one topology share. */
export interface KafkaSeatSurroundings {
  /** The client that commits: what fails there is tried again by the writer. */
  readonly writers: Kafka
  readonly brokers: readonly string[]
  readonly topology: Topology
  /** Topic names, as admission numbers them, and their full names. */
  readonly names: readonly string[]
  readonly fullName: (name: string) => string
  readonly partitions: number
  readonly changelog: string
  readonly group: string
  readonly reader: PartitionReader
  readonly standby: Standby
  readonly member: () => GroupMember
  readonly openings: OpeningQueue
  readonly restoreMs: number
  readonly metadataMs: number
  readonly admission: Admission
  readonly clock: Clock
  readonly tell: Tell
  readonly commitFault: CommitFault | undefined
  readonly emit: (task: Task) => void
  readonly deny: (error: ConnectorError) => void
  /** A partition that was handed over has its task elsewhere now. */
  readonly handedOver: (partition: number) => void
  readonly unsafe: Unsafe | undefined
}

/** Safeguards left out, for tests that must see what they prevent. */
export interface Unsafe {
  /** Every writer has a name of its own: no new one ends an old one. */
  readonly withoutFence?: boolean
  /** A task begins to read at the oldest record, not at its position. */
  readonly withoutSeek?: boolean
}

/** A partition that the group gave to this process: with a task, or on the way to the next one. */
export interface KafkaSeat {
  /** The group has met again, and the partition is still here: a waiting seat need not wait any longer. */
  confirmed(): void
  /**
   * The group gave the partition to another process. The task goes on until that one ends what it can do, so that nobody stands still while
   * it makes itself ready. false: there is no task that could.
   */
  handOver(): boolean
  /** Positions that stand, for people. */
  positions(): readonly { readonly topic: string; readonly partition: number; readonly offset: number }[]
  /** Ends the task at once; resolves when a running commit has ended too. */
  leave(): Promise<void>
}

const firstWaitMs = 50
const longestWaitMs = 30_000
/** Whoever has committed so lately may do so again: less than it takes until the group gives away what a dead process had. */
const recentMs = 5000
/** Turns' worth of records that are kept ready. */
const turnsReady = 2
const usualMostRecords = 500

interface Held {
  readonly producer: TaskProducer
  readonly inputs: readonly { readonly input: TaskInput; readonly buffer: InputBuffer; readonly remove: () => void }[]
  readonly running: RunningTask
  stopWatching: () => void
  soon: NodeJS.Immediate | undefined
}

export const openKafkaSeat = (surroundings: KafkaSeatSurroundings, partition: number): KafkaSeat => {
  const { topology, standby, member, clock, tell, admission, reader, changelog, unsafe } = surroundings
  const coordinates = { topology: topology.name, partition }
  const cached = standby.partition(partition)
  let held: Held | undefined
  let failures = 0
  let reason: string | undefined
  let isTold = false
  let isHeld = false
  let hasLeft = false
  let opening: Promise<void> = Promise.resolve()
  let closing: Promise<void> = Promise.resolve()
  let cancelHeartbeats: () => void = () => undefined
  let cancelWait: () => void = () => undefined
  let isWaitingForGroup = false
  let isOfAnother = false

  const release = (): void => {
    if (held === undefined) return
    const { producer, inputs, soon, stopWatching } = held
    held = undefined
    stopWatching()
    clearImmediate(soon)
    for (const { remove } of inputs) remove()
    closing = producer.close()
  }

  const failed = (error: unknown): void => {
    release()
    if (hasLeft) return
    if (isOfAnother) return surroundings.handedOver(partition)
    if (error instanceof ConnectorError && error.code === 'LOG_DENIED') return surroundings.deny(error)
    reason ??= error instanceof ConnectorError ? error.code : 'defect'
    // Who was frozen long enough to lose the partition must not take it back before it has learned of that.
    isWaitingForGroup = true
    cancelHeartbeats = member().afterTwoHeartbeats(confirmed)
  }

  const confirmed = (): void => {
    isOfAnother = false
    if (!isWaitingForGroup || hasLeft) return
    isWaitingForGroup = false
    cancelHeartbeats()
    const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** failures++)
    const timer = setTimeout(begin, waitMs)
    cancelWait = () => clearTimeout(timer)
  }

  /** What stands still anyhow need not wait for its turn, nor does what this process had at work itself. */
  const isAtWorkElsewhere = (): boolean =>
    reason === undefined && standby.mayBeWritten(partition, clock.now() - recentMs)

  const begin = (): void => {
    const openIt = (): Promise<void> => open().catch(failed)
    opening = isAtWorkElsewhere() ? surroundings.openings(openIt) : openIt()
  }

  const open = async (): Promise<void> => {
    await closing
    if (hasLeft) return
    // Whoever has the partition still works on: what can be known before it is ended need not be waited for afterwards.
    const [before] = await Promise.all([boundsOfInputs(), standby.catchUp(partition, surroundings.restoreMs)])
    if (hasLeft) return
    const producer = await openTaskProducer({
      kafka: surroundings.writers,
      brokers: surroundings.brokers,
      transactionalId: `${surroundings.group}-${partition}${unsafe?.withoutFence === true ? randomUUID() : ''}`,
      changelog,
      partition,
      metadata: surroundings.metadataMs,
      isWanted: () => !hasLeft,
    })
    try {
      const marker = await restore(producer)
      const places = await placeInputs({
        names: topology.inputs,
        committedOf,
        before,
        boundsNow: boundsOfInputs,
        beyond,
      })
      if (hasLeft) return await producer.close()
      start(producer, places, marker)
    } catch (cause) {
      await producer.close()
      throw cause
    }
  }

  /** What was written before the fence, by whomever, is known when the own marker has come back. */
  const restore = async (producer: TaskProducer): Promise<string> => {
    const marker = randomUUID()
    const committing = producer.commit([], [{ key: ownerKey, value: Buffer.from(marker) }], clock.now())
    const written = committing.then(({ entries }) => entries[0] ?? -1)
    await standby.seen(partition, marker, written, surroundings.restoreMs)
    await committing
    return marker
  }

  const boundsOfInputs = async (): Promise<ReadonlyMap<string, Bounds>> => {
    const bounds = await reader.boundsOf(topology.inputs.map(surroundings.fullName), partition)
    return new Map(topology.inputs.map((name) => [name, bounds.get(surroundings.fullName(name)) as Bounds]))
  }

  const committedOf = (name: string): number | undefined => {
    const kept = cached.get(positionKeyOf(name))
    return kept === undefined || unsafe?.withoutSeek === true ? undefined : Number(Buffer.from(kept).toString())
  }

  const beyond = (at: BeyondEnd): ConnectorError => {
    if (!isHeld) tell({ name: 'log position beyond end', ...coordinates, ...at })
    isHeld = true
    return new ConnectorError('LOG_UNAVAILABLE', `the position in ${at.topic} ${partition} lies beyond its end`)
  }

  const start = (producer: TaskProducer, places: readonly InputPlace[], marker: string): void => {
    isHeld = false
    if (reason !== undefined && !isTold) tell({ name: 'task reopened', ...coordinates, reason, attempts: failures })
    isTold = reason !== undefined
    reason = undefined
    const lookSoon = (): void => {
      if (held !== undefined) held.soon ??= setImmediate(look)
    }
    const look = (): void => {
      if (held === undefined) return
      held.soon = undefined
      held.running.look()
    }
    const inputs = places.map((place) => openInput(place, lookSoon))
    const onCommit = (): void => {
      failures = 0
      isTold = false
    }
    const state = endingState(cached.state, (error) => {
      if (held?.running !== running) return
      running.end()
      failed(error)
    })
    const running = runTask(taskSurroundings(producer, inputs, lookSoon), {
      topology,
      partition,
      opened: { id: partition, state, othersAreDead: false, position: () => undefined },
      inputs: inputs.map(({ input }) => input),
      onCommit,
      onFailure: failed,
    })
    held = {
      producer,
      running,
      stopWatching: () => undefined,
      soon: undefined,
      inputs: inputs.map((each) => ({ ...each, remove: reader.add(each.buffer.source) })),
    }
    watchOwner(held, marker)
    if (held?.running === running) surroundings.emit(running.task)
  }

  /** A task whose partition somebody else has begins no turn, and sees nothing of what the other remembers. */
  const watchOwner = (task: Held, marker: string): void => {
    if (unsafe?.withoutFence === true) return
    task.stopWatching = standby.whileOwner(partition, marker, () => {
      task.running.end()
      failed(
        new ConnectorError('LOG_UNAVAILABLE', `another process has partition ${partition} of ${topology.name} now`),
      )
    })
  }

  const openInput = (
    { name, committed, low }: InputPlace,
    onChange: () => void,
  ): { input: TaskInput; buffer: InputBuffer } => {
    const next = committed ?? low
    const buffer = openInputBuffer({
      name,
      topic: surroundings.fullName(name),
      partition,
      from: next,
      low,
      mostRecords: turnsReady * (topology.mostRecords ?? usualMostRecords),
      isUnhurried: topology.unhurried?.includes(name) ?? false,
      onChange,
      onBeyond: (at) => {
        const error = beyond(at)
        held?.running.end()
        failed(error)
      },
    })
    return {
      buffer,
      input: { name, topic: admission.topicOf(name), slot: admission.slotOf(name, partition), next, committed },
    }
  }

  const taskSurroundings = (
    producer: TaskProducer,
    inputs: readonly { readonly input: TaskInput; readonly buffer: InputBuffer }[],
    lookSoon: () => void,
  ): TaskSurroundings => {
    const bufferOf = (slot: number): InputBuffer => {
      const found = inputs.find(({ input }) => input.slot === slot)
      if (found === undefined) throw new Error(`slot ${slot} is no input of ${topology.name}`)
      return found.buffer
    }
    return {
      store: {
        end: (slot) => bufferOf(slot).end(),
        floor: (slot) => bufferOf(slot).floor(),
        page: (slot, _from, to, most) => {
          const page = bufferOf(slot).take(to, most)
          reader.look()
          return page
        },
      },
      queue: { add: (write) => writeOut(producer, write) },
      admission,
      clock,
      tell,
      commitFault: surroundings.commitFault,
      lookSoon,
    }
  }

  const writeOut = async (producer: TaskProducer, write: Write): Promise<readonly number[]> => {
    const shares = sharesOf(write)
    const entries = entriesOf(write)
    // A turn that changes nothing needs no transaction: nobody could tell whether it was made.
    if (shares.length === 0 && entries.length === 0) return []
    const placed = await producer.commit(shares, entries, clock.now())
    const kept = entries.map((entry, index) => ({ ...entry, offset: placed.entries[index] ?? -1 }))
    try {
      cached.write(kept)
    } catch (cause) {
      throw asKafkaError(cause, { brokers: surroundings.brokers, deed: 'cannot keep state' })
    }
    return []
  }

  const sharesOf = ({ records, slots }: Write): readonly OutgoingShare[] => {
    const bySlot = Map.groupBy(records, (_, index) => slots[index] ?? 0)
    return [...bySlot].map(([slot, of]) => ({
      topic: surroundings.fullName(surroundings.names[Math.floor(slot / surroundings.partitions)] ?? ''),
      partition: slot % surroundings.partitions,
      records: of.map(({ key, value }) => ({ key: Buffer.from(key.toWellFormed()), value: Buffer.from(value) })),
    }))
  }

  const entriesOf = ({ put, task }: Write): readonly ChangelogEntry[] => {
    const last = new Map(put.map(([key, value]) => [stateKeyOf(key), value?.slice() ?? null]))
    const entries = [...last].map(([key, value]): ChangelogEntry => ({ key, value }))
    const positions = task?.positions ?? []
    return [...entries, ...positions.map(([topic, next]) => positionEntry(surroundings.names[topic] ?? '', next))]
  }

  begin()
  return {
    confirmed,
    handOver: () => (isOfAnother = held !== undefined),
    positions: () =>
      (isOfAnother ? [] : (held?.inputs ?? [])).flatMap(({ input: { name, committed } }) =>
        committed === undefined ? [] : [{ topic: surroundings.fullName(name), partition, offset: committed }],
      ),
    leave: async () => {
      hasLeft = true
      cancelHeartbeats()
      cancelWait()
      held?.running.end()
      release()
      await opening
      await closing
    },
  }
}
