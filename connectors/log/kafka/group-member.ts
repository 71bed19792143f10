import type { Consumer, Kafka } from 'kafkajs'
import type { ConnectorError } from '../../errors.ts'
import { patient, type KafkaTimings } from './connection.ts'
import { asKafkaError } from './kafka-errors.ts'
import { followedIn, stickyAssigner } from './sticky-assigner.ts'

/** A place in a group, which says who has which partitions. It fences nobody: that is the producers' part. */
export interface GroupMember {
  /** Calls once, after the second heartbeat from now: the group then still counted on this member. Returns what cancels it. */
  afterTwoHeartbeats(call: () => void): () => void
  /** Shows people how far the group is; what fails is of no consequence. */
  showPositions(positions: readonly { topic: string; partition: number; offset: number }[]): void
  leave(): Promise<void>
}

export interface GroupMemberOptions {
  readonly kafka: Pick<Kafka, 'consumer'>
  readonly brokers: readonly string[]
  readonly group: string
  readonly topics: readonly string[]
  readonly partitions: number
  readonly timings: KafkaTimings
  /** All partitions held from now on. `isNew`: nothing that was held before is held any more, though its number may be here again. */
  readonly onAssigned: (partitions: readonly number[], isNew: boolean) => void
  /** Partitions of others whose state this member follows from now on; before the first call, all of them. */
  readonly onFollowed: (partitions: readonly number[]) => void
  readonly onTrouble: (error: ConnectorError | undefined) => void
  /** The broker does not permit it: there is no going on. */
  readonly onDenied: (error: ConnectorError) => void
}

const firstWaitMs = 200
const longestWaitMs = 5000
/** A member that has been silent for so many sessions is thought dead, whatever it says. */
const silentSessions = 4

/** Joins a group and stays in it: a consumer that dies for good, or falls silent, is replaced by a new one. */
export const joinGroup = (options: GroupMemberOptions): GroupMember => {
  const { kafka, brokers, group, topics, partitions, timings, onAssigned, onFollowed, onTrouble, onDenied } = options
  const waiting = new Set<{ left: number; readonly call: () => void }>()
  let consumer: Consumer | undefined
  let owned: readonly number[] = []
  const all = Array.from({ length: partitions }, (_, partition) => partition)
  let followed: readonly number[] = all
  /** The generation of the group whose leader's word on that is not known yet, or is being asked for. */
  let unlearned: object | undefined
  let since = 0
  let member = ''
  let failures = 0
  let heard = performance.now()
  let hasLeft = false
  let starting: Promise<void> = Promise.resolve()
  const disposing = new Set<Promise<void>>()
  let retry: NodeJS.Timeout | undefined

  const joined = (memberId: string, assigned: readonly number[], of: Consumer): void => {
    if (hasLeft || of !== consumer) return
    heard = performance.now()
    failures = 0
    onTrouble(undefined)
    // Nothing is ever read through the group: its consumer only keeps its place.
    of.pause(topics.map((topic) => ({ topic })))
    const isNew = memberId !== member
    member = memberId
    owned = assigned
    since = Date.now()
    waiting.clear()
    onAssigned(assigned, isNew)
    unlearned = {}
    void learnFollowed(of)
  }

  /** The client keeps to itself what else the leader said than who has what. What fails is asked again with the next heartbeat. */
  const learnFollowed = async (of: Consumer): Promise<void> => {
    const asked = unlearned
    const described = await of.describeGroup().catch(() => undefined)
    // Who is asked in the middle of a meeting does not say.
    if (described?.state !== 'Stable' || asked === undefined || asked !== unlearned) return
    const mine = described.members.find(({ memberId }) => memberId === member)
    if (mine === undefined) return
    unlearned = undefined
    followed = followedIn(mine.memberAssignment) ?? all
    onFollowed(followed)
  }

  const beat = (of: Consumer): void => {
    if (of !== consumer) return
    heard = performance.now()
    if (unlearned !== undefined) void learnFollowed(of)
    for (const each of waiting) {
      if (--each.left > 0) continue
      waiting.delete(each)
      each.call()
    }
  }

  const expelled = (): void => {
    member = ''
    owned = []
    unlearned = undefined
    waiting.clear()
    onAssigned([], true)
  }

  /** Only when it has joined or failed: a join under way cannot be called off, and would leave a member that nobody hears of. */
  const dispose = (old: Consumer): void => {
    const disposed = starting.then(() => old.disconnect()).catch(() => undefined)
    disposing.add(disposed)
    void disposed.then(() => disposing.delete(disposed))
  }

  const replace = (cause: unknown): void => {
    if (hasLeft || consumer === undefined) return
    const old = consumer
    consumer = undefined
    expelled()
    const error = asKafkaError(cause, { brokers, deed: `cannot take part in the group ${group}` })
    if (error.code === 'LOG_DENIED') return onDenied(error)
    onTrouble(error)
    dispose(old)
    retry = setTimeout(begin, Math.min(longestWaitMs, firstWaitMs * 2 ** failures++))
  }

  const start = async (of: Consumer): Promise<void> => {
    try {
      await of.connect()
      await of.subscribe({ topics: [...topics], fromBeginning: true })
      if (hasLeft || of !== consumer) return
      // A batch that comes before the pause took effect is not resolved: it moves nothing.
      await of.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: 1,
        eachBatch: async () => undefined,
      })
    } catch (cause) {
      if (of === consumer) replace(cause)
    }
  }

  const begin = (): void => {
    if (hasLeft) return
    heard = performance.now()
    const made = kafka.consumer({
      groupId: group,
      partitionAssigners: [stickyAssigner({ partitions, claim: () => ({ owned, since, followed }) })],
      sessionTimeout: timings.session,
      rebalanceTimeout: timings.rebalance,
      heartbeatInterval: timings.heartbeat,
      maxWaitTimeInMs: Math.min(timings.poll, timings.heartbeat),
      metadataMaxAge: timings.metadata,
      allowAutoTopicCreation: false,
      // Its own restarts can overlap, and then keep a second member in the group that nobody hears of: a crash is for good.
      retry: { ...patient, restartOnFailure: async () => false },
    })
    consumer = made
    made.on('consumer.group_join', ({ payload }) => {
      const [topic] = topics
      joined(payload.memberId, payload.memberAssignment[topic ?? ''] ?? [], made)
    })
    made.on('consumer.heartbeat', () => beat(made))
    made.on('consumer.crash', ({ payload }) => {
      if (made === consumer) replace(payload.error)
    })
    starting = start(made)
  }

  let clockLead = Date.now() - performance.now()
  const watch = setInterval(() => {
    const silentMs = performance.now() - heard
    const lead = Date.now() - performance.now()
    const jumpedBackMs = clockLead - lead
    clockLead = lead
    // The client sends no heartbeat before the time on the clock at which it sent the last one has come again.
    if (consumer !== undefined && jumpedBackMs > timings.session / 2)
      return replace(new Error(`the clock was set back by ${Math.round(jumpedBackMs / 1000)} s`))
    if (consumer !== undefined && silentMs > silentSessions * timings.session + timings.rebalance)
      replace(new Error(`the group has not answered for ${Math.round(silentMs / 1000)} s`))
  }, timings.heartbeat).unref()

  begin()
  return {
    afterTwoHeartbeats: (call) => {
      const each = { left: 2, call }
      waiting.add(each)
      return () => void waiting.delete(each)
    },
    showPositions: (positions) => {
      const shown = positions.map(({ topic, partition, offset }) => ({ topic, partition, offset: String(offset) }))
      if (member !== '' && shown.length > 0) consumer?.commitOffsets(shown).catch(() => undefined)
    },
    leave: async () => {
      hasLeft = true
      clearTimeout(retry)
      clearInterval(watch)
      waiting.clear()
      unlearned = undefined
      if (consumer !== undefined) dispose(consumer)
      consumer = undefined
      await Promise.all(disposing)
    },
  }
}
