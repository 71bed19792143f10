import { CompressionTypes, Kafka, logLevel, type ITopicConfig } from 'kafkajs'
import { setTimeout } from 'node:timers/promises'
import { concatMap, mergeMap, type Subscription } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { EventLog, Task } from '../../../../connectors/log/event-log.ts'
import { connectKafka, patient, usualTimings } from '../../../../connectors/log/kafka/connection.ts'
import { stateKeyOf } from '../../../../connectors/log/kafka/changelog.ts'
import { joinGroup, type GroupMember } from '../../../../connectors/log/kafka/group-member.ts'
import { openTaskProducer } from '../../../../connectors/log/kafka/task-producer.ts'
import { openKafkaLog, type KafkaLogOptions } from '../../../../connectors/log/kafka-log.ts'
import type { Happening } from '../../../../schemas/happenings.ts'
import { sharedBroker } from '../../../broker/shared-broker.ts'
import { bytes, listen, nothing, range, readAll, record, refusalOf, texts, until } from '../log-world.ts'
import { kafkaPlace, quickTimings, withTestAdmin, type KafkaPlace } from './kafka-harness.ts'

const brokers = await sharedBroker()
const patience = 20_000

describe.skipIf(brokers === null)('the log on Kafka', () => {
  let place: KafkaPlace
  let told: Happening[] = []
  let logs: EventLog[] = []
  let subscriptions: Subscription[] = []
  beforeEach(() => {
    place = kafkaPlace(brokers ?? [])
    told = []
  })
  afterEach(async () => {
    for (const subscription of subscriptions) subscription.unsubscribe()
    subscriptions = []
    await Promise.all(logs.map((log) => log.close()))
    logs = []
    await place.remove()
  })

  const open = async (options: Partial<KafkaLogOptions> = {}): Promise<EventLog> => {
    const log = await openKafkaLog({ ...place.options, tell: (happening) => void told.push(happening), ...options })
    logs.push(log)
    return log
  }
  const close = async (log: EventLog): Promise<void> => {
    await log.close()
    logs = logs.filter((each) => each !== log)
  }
  const full = (name: string): string => place.options.prefix + name
  const admin = <T>(work: Parameters<typeof withTestAdmin<T>>[1]): Promise<T> => withTestAdmin(brokers ?? [], work)
  /** Not with the client's own waiting: it fails when the broker has not spread the news yet. */
  const makeTopic = (topic: ITopicConfig): Promise<void> =>
    admin(async (at) => {
      await at.createTopics({ topics: [topic], waitForLeaders: false })
      const deadline = performance.now() + patience
      while (performance.now() < deadline) {
        const found = await at.fetchTopicMetadata({ topics: [topic.topic] }).catch(() => undefined)
        if (found?.topics[0]?.partitions.every(({ leader }) => leader >= 0) === true) return
        await setTimeout(50)
      }
    })
  const client = (): Kafka =>
    new Kafka({ clientId: 'foreign', brokers: [...(brokers ?? [])], logLevel: logLevel.NOTHING })
  const hear = (log: EventLog, inputs: readonly string[] = ['in'], name = 'reader') => {
    const heard = listen(log, { name, inputs })
    subscriptions.push(heard.subscription)
    return heard
  }
  /** Copies every record once, and gathers who did. */
  const copy = (log: EventLog): { partitions: Set<number>; opened: Task[]; subscription: Subscription } => {
    const partitions = new Set<number>()
    const opened: Task[] = []
    const subscription = log
      .tasks({ name: 'copier', inputs: ['in'], mostRecords: 5 })
      .pipe(
        mergeMap((task) => {
          partitions.add(task.partition)
          opened.push(task)
          task.lost.addEventListener('abort', () => partitions.delete(task.partition))
          return task.turns.pipe(
            concatMap(async (turn) => {
              const append = turn.records.map(({ key, value, partition }) => ({ topic: 'out', key, value, partition }))
              await turn.commit({ append, put: [] }).catch(() => undefined)
            }),
          )
        }),
      )
      .subscribe()
    subscriptions.push(subscription)
    return { partitions, opened, subscription }
  }
  const copied = async (log: EventLog): Promise<string[]> =>
    texts((await Promise.all(range(3).map((partition) => readAll(log, { topic: 'out', partition })))).flat())
  const untilCopied = async (log: EventLog, count: number): Promise<void> => {
    const deadline = performance.now() + patience
    while ((await copied(log)).length < count) {
      if (performance.now() > deadline) throw new Error(`only ${(await copied(log)).length} of ${count} were copied`)
      await setTimeout(50)
    }
  }

  describe('its topics', () => {
    it('are refused when their number of partitions is another one', async () => {
      await close(await open())
      const text = await refusalOf(open({ partitions: 4 }), 'LOG_DENIED')
      expect(text).toContain(`${full('in')} has 3 partitions`)
      expect(text).toContain((brokers ?? [])[0])
    })

    it('are refused when nobody made them on purpose', async () => {
      await makeTopic({ topic: full('in'), numPartitions: 3 })
      expect(await refusalOf(open(), 'LOG_DENIED')).toContain(`${full('in')} was made by nobody on purpose`)
    })

    it('end the tasks when partitions are added behind their back', async () => {
      const log = await open()
      const heard = hear(log)
      await until(() => heard.tasks.length === 3, 'three tasks', patience)
      await admin((at) => at.createPartitions({ topicPartitions: [{ topic: full('in'), count: 5 }] }))
      await until(() => heard.error !== undefined, 'the refusal', patience)
      expect(heard.error).toMatchObject({ code: 'LOG_DENIED' })
      expect(String(heard.error)).toContain(`${full('in')} has 5 partitions`)
      expect(heard.tasks.every(({ lost }) => lost.aborted)).toBe(true)
    })

    it('are said to be away when one is deleted; the others are still written', async () => {
      const log = await open()
      const heard = hear(log)
      await until(() => heard.tasks.length === 3, 'three tasks', patience)
      await admin((at) => at.deleteTopics({ topics: [full('in')] }))
      const said = await until(() => told.find(({ name }) => name === 'log unavailable'), 'that it is away', patience)
      expect(said).toMatchObject({ topology: 'reader' })
      expect(said['reason']).toContain((brokers ?? [])[0])
      await log.append([record('out', 'goes on')])
      expect(texts(await readAll(log, { topic: 'out', partition: 0 }))).toEqual(['goes on'])
      expect(heard.turns).toEqual([])
    })

    it('refuse a record larger than they take, and name the topic', async () => {
      const configEntries = [
        { name: 'cleanup.policy', value: 'delete' },
        { name: 'max.message.bytes', value: '2000' },
      ]
      await makeTopic({ topic: full('in'), numPartitions: 3, configEntries })
      const log = await open({ maxRecordBytes: 100_000 })
      const large = { topic: 'in', key: 'k', value: new Uint8Array(50_000), partition: 0 }
      expect(await refusalOf(log.append([large]), 'LOG_REFUSED')).toContain(full('in'))
      await log.append([record('in', 'small')])
      expect(texts(await readAll(log, { topic: 'in', partition: 0 }))).toEqual(['small'])
    })

    it('keep what else was appended together with a record that is too large', async () => {
      const configEntries = [
        { name: 'cleanup.policy', value: 'delete' },
        { name: 'max.message.bytes', value: '2000' },
      ]
      await makeTopic({ topic: full('in'), numPartitions: 3, configEntries })
      const log = await open({ maxRecordBytes: 100_000 })
      const large = { topic: 'in', key: 'k', value: new Uint8Array(50_000), partition: 0 }
      await refusalOf(log.append([record('in', 'a', 1), large, record('out', 'b', 2)]), 'LOG_REFUSED')
      await log.append([record('in', 'c', 1), record('in', 'd', 0)])
      expect(texts(await readAll(log, { topic: 'in', partition: 0 }))).toEqual(['d'])
      expect(texts(await readAll(log, { topic: 'in', partition: 1 }))).toEqual(['a', 'c'])
      expect(texts(await readAll(log, { topic: 'out', partition: 2 }))).toEqual(['b'])
    })
  })

  describe('a partition', () => {
    const fence = async (topology: string, partition: number): Promise<void> => {
      const thief = await openTaskProducer({
        kafka: connectKafka({ brokers: brokers ?? [], clientId: 'other' }, patient),
        brokers: brokers ?? [],
        transactionalId: `${full(topology)}-${partition}`,
        changelog: full(`state.${topology}`),
        partition,
        metadata: 30_000,
      })
      await thief.close()
    }

    it('is fenced: who has lost it commits nothing, and comes back only as the group says', async () => {
      const log = await open()
      await log.append([record('in', 'v')])
      const heard = hear(log)
      const { turn } = await until(() => heard.turns[0], 'a turn', patience)
      await fence('reader', 0)
      expect(
        await refusalOf(turn.commit({ append: [record('out', 'late')], put: [['a', bytes('b')]] }), 'LOG_UNAVAILABLE'),
      ).toContain('another process has taken the partition')
      const again = await until(() => heard.turns[1], 'a turn of a new task', patience)
      expect(texts(again.turn.records)).toEqual(['v'])
      expect(again.task.state.get('a')).toBeUndefined()
      await again.turn.commit({ append: [record('out', 'once')], put: [] })
      expect(texts(await readAll(log, { topic: 'out', partition: 0 }))).toEqual(['once'])
    })

    it('is opened at once though its last owner died in the middle of a transaction, and nothing of that is kept', async () => {
      const log = await open()
      const before = hear(log)
      await until(() => before.tasks.length === 3, 'three tasks', patience)
      await close(log)
      const dead = client().producer({
        idempotent: true,
        maxInFlightRequests: 1,
        transactionalId: `${full('reader')}-0`,
      })
      await dead.connect()
      const transaction = await dead.transaction()
      await transaction.send({
        topic: full('state.reader'),
        messages: [{ key: stateKeyOf('a'), value: 'of the dead', partition: 0 }],
      })
      await dead.disconnect()
      const begun = performance.now()
      const after = hear(await open())
      const task = await until(() => after.tasks.find(({ partition }) => partition === 0), 'its task', patience)
      expect(performance.now() - begun).toBeLessThan((quickTimings.restore ?? 0) / 2)
      expect(task.state.get('a')).toBeUndefined()
    })

    it('belongs to one process of several; one, two, one: every record once', async () => {
      const feeder = await open()
      const first = await open()
      const one = copy(first)
      await until(() => one.partitions.size === 3, 'all partitions at the first', patience)
      const append = async (from: number): Promise<void> => {
        for (const n of range(60)) await feeder.append([record('in', `${from + n}`, n % 3)])
      }
      const feeding = append(0)
      const two = copy(await open())
      await until(
        () => one.partitions.size + two.partitions.size === 3 && two.partitions.size === 1,
        'shares for both',
        patience,
      )
      await feeding
      const more = append(60)
      await close(first)
      await until(() => two.partitions.size === 3, 'all partitions at the second', patience)
      await more
      await untilCopied(feeder, 120)
      expect((await copied(feeder)).map(Number).sort((a, b) => a - b)).toEqual(range(120))
    })

    /** The first has all and is at work on them; a second was given one of them, and opens it when it is told to. */
    const handingOver = async () => {
      const feeder = await open()
      const first = copy(await open())
      await until(() => first.partitions.size === 3, 'all partitions at the first', patience)
      let count = 0
      const copyMore = async (times = 1): Promise<void> => {
        for (const _ of range(times))
          await feeder.append(range(3).map((partition) => record('in', `${count++}`, partition)))
        await untilCopied(feeder, count)
      }
      await copyMore()
      const waiting: (() => void)[] = []
      const log = await open({
        openings: (work) => new Promise((resolve, reject) => waiting.push(() => void work().then(resolve, reject))),
      })
      const second = copy(log)
      await until(() => waiting.length === 1, 'a partition for the second', patience)
      return { feeder, first, second, log, copyMore, opens: () => waiting.shift()?.() }
    }

    it('is worked on until the process that it was given to has made itself ready, by one of them at a time', async () => {
      const { feeder, first, second, copyMore, opens } = await handingOver()
      await copyMore()
      expect([first.partitions.size, second.partitions.size]).toEqual([3, 0])
      opens()
      await copyMore(50)
      // Through many heartbeats after which the first might take it back.
      for (const _ of range(15)) await copyMore()
      await until(() => first.partitions.size === 2 && second.partitions.size === 1, 'shares for both', patience)
      expect([first.opened.length, second.opened.length]).toEqual([3, 1])
      expect(told).toEqual([])
      expect((await copied(feeder)).map(Number).sort((a, b) => a - b)).toEqual(range(201))
    })

    it('stays where it is when the process that it was given to has gone again', async () => {
      const { first, log, copyMore, opens } = await handingOver()
      const closing = close(log)
      opens()
      await closing
      const members = async (): Promise<number | undefined> => {
        const { groups } = await admin((at) => at.describeGroups([full('copier')]))
        return groups[0]?.state === 'Stable' ? groups[0].members.length : undefined
      }
      const deadline = performance.now() + patience
      while ((await members()) !== 1 && performance.now() < deadline) await setTimeout(50)
      await copyMore()
      expect(first.opened.map(({ lost }) => lost.aborted)).toEqual([false, false, false])
      for (const partition of range(3)) await fence('copier', partition)
      await copyMore()
      await until(() => first.opened.length === 6, 'all of them again', patience)
    })

    it('gathers what comes to an unhurried input into few turns, and forgets none of it', async () => {
      const log = await open()
      const heard: string[] = []
      const partitions = new Set<number>()
      let turns = 0
      subscriptions.push(
        log
          .tasks({ name: 'calm', inputs: ['in'], unhurried: ['in'] })
          .pipe(
            mergeMap((task) => {
              partitions.add(task.partition)
              return task.turns.pipe(
                concatMap(async (turn) => {
                  turns++
                  heard.push(...texts(turn.records))
                  await turn.commit(nothing)
                }),
              )
            }),
          )
          .subscribe(),
      )
      await until(() => partitions.size === 3, 'three tasks', patience)
      const begun = performance.now()
      for (const n of range(100)) await log.append([record('in', `${n}`)])
      const appendedMs = performance.now() - begun
      await until(() => heard.length === 100, 'all of them', patience)
      expect(heard).toEqual(range(100).map(String))
      expect(turns).toBeLessThanOrEqual(2 + appendedMs / 100)
    })

    it('says what retention removed before it was read', async () => {
      const log = await open()
      await log.append(range(5).map((n) => record('in', `${n}`)))
      const heard = hear(log)
      await (await until(() => heard.turns[0], 'a turn', patience)).turn.commit(nothing)
      heard.subscription.unsubscribe()
      await log.append(range(4).map((n) => record('in', `later ${n}`)))
      await admin(async (at) => {
        await at.fetchTopicOffsets(full('in'))
        await at.deleteTopicRecords({ topic: full('in'), partitions: [{ partition: 0, offset: '8' }] })
      })
      const again = hear(log)
      expect(texts((await until(() => again.turns[0], 'a turn', patience)).turn.records)).toEqual(['later 3'])
      expect(told).toContainEqual({
        name: 'log trimmed before read',
        topology: 'reader',
        topic: 'in',
        partition: 0,
        count: 3,
      })
    })

    it('holds when its position lies beyond the end of a topic made anew', async () => {
      const log = await open()
      await log.append([record('in', 'v')])
      const heard = hear(log)
      await (await until(() => heard.turns[0], 'a turn', patience)).turn.commit(nothing)
      await close(log)
      await admin((at) => at.deleteTopics({ topics: [full('in')] }))
      // The broker forgets the name a moment later.
      await setTimeout(500)
      const again = hear(await open())
      await until(() => told.some(({ name }) => name === 'log position beyond end'), 'what holds it', patience)
      expect(told.filter(({ name }) => name === 'log position beyond end')).toEqual([
        { name: 'log position beyond end', topology: 'reader', partition: 0, topic: 'in', position: 1, end: 0 },
      ])
      expect(again.tasks.some(({ partition }) => partition === 0)).toBe(false)
    })

    it('is refused when the memory of its tasks was deleted, and not begun anew in silence', async () => {
      const log = await open()
      await log.append([record('in', 'v')])
      const heard = hear(log)
      await (
        await until(() => heard.turns[0], 'a turn', patience)
      ).turn.commit({ append: [], put: [['told', bytes('yes')]] })
      await close(log)
      await admin((at) => at.deleteTopics({ topics: [full('state.reader')] }))
      await setTimeout(500)
      const again = hear(await open())
      await until(() => again.error !== undefined, 'the refusal', patience)
      expect(again.error).toMatchObject({ code: 'LOG_DENIED' })
      expect(String(again.error)).toContain(full('state.reader'))
    })
  })

  describe('what others wrote', () => {
    it('is not shown when several transactions at once were aborted, from wherever reading begins', async () => {
      const log = await open()
      const producers = range(3).map((n) =>
        client().producer({ idempotent: true, maxInFlightRequests: 1, transactionalId: `${full('foreign')}-${n}` }),
      )
      for (const producer of producers) await producer.connect()
      const [a, b, c] = await Promise.all(producers.map((producer) => producer.transaction()))
      const send = (transaction: typeof a, value: string) =>
        transaction?.send({ topic: full('in'), messages: [{ key: 'k', value, partition: 0 }] })
      for (const n of range(3)) {
        await send(a, `aborted a${n}`)
        await send(b, `aborted b${n}`)
        await send(c, `kept ${n}`)
      }
      await b?.abort()
      await send(a, 'aborted a3')
      await a?.abort()
      await c?.commit()
      await Promise.all(producers.map((producer) => producer.disconnect()))
      const all = await readAll(log, { topic: 'in', partition: 0 })
      expect(texts(all)).toEqual(['kept 0', 'kept 1', 'kept 2'])
      for (const offset of range(12)) {
        const from = await readAll(log, { topic: 'in', partition: 0, from: { offset } })
        expect(texts(from), `from ${offset}`).toEqual(texts(all.filter((each) => each.offset >= offset)))
      }
      const heard = hear(log)
      expect(texts((await until(() => heard.turns[0], 'a turn', patience)).turn.records)).toEqual([
        'kept 0',
        'kept 1',
        'kept 2',
      ])
    })

    it('is shown as it is: without a key, without a value, compressed', async () => {
      const log = await open()
      const producer = client().producer()
      await producer.connect()
      const value = Buffer.alloc(5000, 'x')
      await producer.send({
        topic: full('in'),
        compression: CompressionTypes.GZIP,
        messages: [
          { key: null, value: 'no key', partition: 0 },
          { key: 'no value', value: null, partition: 0 },
          { key: 'k', value, partition: 0 },
        ],
      })
      await producer.disconnect()
      const records = await readAll(log, { topic: 'in', partition: 0 })
      expect(records.map((each) => [each.key, each.value.length])).toEqual([
        ['', 6],
        ['no value', 0],
        ['k', 5000],
      ])
    })
  })

  it('opens a task elsewhere with all of its state, also values larger than a record may be', async () => {
    const log = await open()
    const heard = hear(log)
    const keys = range(12).map((n) => `large ${n}`)
    for (const [nth, key] of keys.entries()) {
      await log.append([record('in', 'v')])
      const { turn } = await until(() => heard.turns[nth], `turn ${nth}`, patience)
      await turn.commit({ append: [], put: [[key, new Uint8Array(2_000_000).fill(nth)]] })
    }
    await close(log)
    const elsewhere = kafkaPlace(brokers ?? [])
    const again = hear(await open({ stateDir: elsewhere.options.stateDir }))
    const task = await until(() => again.tasks.find(({ partition }) => partition === 0), 'a task elsewhere', patience)
    expect(keys.map((key) => task.state.get(key)?.length)).toEqual(keys.map(() => 2_000_000))
    expect(keys.map((key) => task.state.get(key)?.at(-1))).toEqual(range(12))
    await elsewhere.remove()
  })

  it('opens a task with all of its state also where nobody has followed it', async () => {
    const processes = await Promise.all(range(3).map(() => open()))
    const heard = processes.map((log) => hear(log))
    const held = (): readonly number[] =>
      heard.flatMap(({ tasks }) => tasks.filter(({ lost }) => !lost.aborted).map(({ partition }) => partition))
    const isShared = (): boolean => heard.every(({ tasks }) => tasks.filter(({ lost }) => !lost.aborted).length === 1)
    await until(() => isShared() && new Set(held()).size === 3, 'a share for each', patience)
    const [feeder] = processes
    for (const round of range(20)) {
      await feeder?.append(range(3).map((partition) => record('in', `${round}`, partition)))
      const turns = await until(
        () => {
          const open = heard.flatMap(({ turns }) => turns.filter(({ turn }) => turn.records.length > 0).slice(-1))
          const isThis = open.filter(({ turn }) => texts(turn.records).at(-1) === `${round}`)
          return isThis.length === 3 ? isThis : undefined
        },
        `turns ${round}`,
        patience,
      )
      for (const { turn } of turns) {
        const only: [string, Uint8Array] = [`only ${round}`, bytes(`${round}`)]
        await turn.commit({ append: [], put: [['last', bytes(`${round}`)], only] })
      }
    }
    await Promise.all(processes.slice(0, 2).map(close))
    const last = heard[2]
    const tasks = await until(
      () => {
        const live = last?.tasks.filter(({ lost }) => !lost.aborted) ?? []
        return live.length === 3 ? live : undefined
      },
      'all at the last one',
      patience,
    )
    const of = ({ state }: Task, key: string): string => Buffer.from(state.get(key) ?? []).toString()
    expect(tasks.map((task) => of(task, 'last'))).toEqual(range(3).map(() => '19'))
    const only = range(20).map(String)
    for (const task of tasks) expect(only.map((round) => of(task, `only ${round}`))).toEqual(only)
  })

  it('shows how far a group is, to the tools of Kafka', async () => {
    const log = await open()
    await log.append(range(3).map((n) => record('in', `${n}`)))
    const heard = hear(log)
    await (await until(() => heard.turns[0], 'a turn', patience)).turn.commit(nothing)
    const shown = async (): Promise<string | undefined> => {
      const [topic] = await admin((at) => at.fetchOffsets({ groupId: full('reader'), topics: [full('in')] }))
      return topic?.partitions.find(({ partition }) => partition === 0)?.offset
    }
    const deadline = performance.now() + patience
    while ((await shown()) !== '3' && performance.now() < deadline) await setTimeout(100)
    expect(await shown()).toBe('3')
  })

  it('shares on when the clock of a process is set back by an hour, though its client sends no heartbeats then', async () => {
    // A member that falls silent would be thought dead after 19 s.
    const timings = { ...quickTimings, session: 4000 }
    const one = copy(await open({ timings }))
    await until(() => one.partitions.size === 3, 'all partitions at the first', patience)
    const { now } = Date
    vi.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000)
    try {
      const begun = performance.now()
      const two = copy(await open({ timings }))
      const areShared = (): boolean =>
        one.partitions.size > 0 && two.partitions.size > 0 && one.partitions.size + two.partitions.size === 3
      await until(areShared, 'shares for both', patience)
      expect(performance.now() - begun).toBeLessThan(15_000)
    } finally {
      vi.restoreAllMocks()
    }
  })

  it('tells each member of a group whose partitions it follows: of each one does; who learns nothing asks again', async () => {
    await close(await open())
    const kafka = connectKafka({ brokers: brokers ?? [], clientId: 'followers' }, patient)
    const answers = ['away', 'meeting', 'away', 'meeting']
    const needless: number[] = []
    const join = () => {
      const told: { held: readonly number[]; followed: readonly number[] } = { held: [], followed: [] }
      const member = joinGroup({
        kafka: {
          consumer: (config) =>
            new Proxy(kafka.consumer(config), {
              get: (consumer, key) => {
                if (key !== 'describeGroup' || answers.length === 0) return Reflect.get(consumer, key) as unknown
                if (answers.shift() === 'away') return () => Promise.reject(new Error('the coordinator is away'))
                return async () => {
                  const { members, ...group } = await consumer.describeGroup()
                  const unsaid = members.map((each) => ({ ...each, memberAssignment: Buffer.alloc(0) }))
                  return { ...group, members: unsaid, state: 'PreparingRebalance' }
                }
              },
            }),
        },
        brokers: brokers ?? [],
        group: full('group'),
        topics: [full('in')],
        partitions: 3,
        timings: { ...usualTimings, ...quickTimings },
        onAssigned: (held) => void Object.assign(told, { held }),
        onFollowed: (followed) => {
          Object.assign(told, { followed })
          needless.push(...followed.filter((partition) => told.held.includes(partition)))
        },
        onTrouble: () => undefined,
        onDenied: () => undefined,
      })
      return { member, told }
    }
    const joined = range(3).map(join)
    const each = (of: 'held' | 'followed'): string =>
      joined
        .flatMap(({ told }) => told[of])
        .sort((a, b) => a - b)
        .join()
    await until(() => each('held') === '0,1,2' && each('followed') === '0,1,2', 'places', patience)
    expect([needless, answers]).toEqual([[], []])
    await Promise.all(joined.map(({ member }) => member.leave()))
  })

  it('replaces a group consumer that has died for good', async () => {
    await close(await open())
    const kafka = connectKafka({ brokers: brokers ?? [], clientId: 'supervised' }, patient)
    const crashes: ((event: unknown) => void)[] = []
    const assigned: { partitions: readonly number[]; isNew: boolean }[] = []
    const member: GroupMember = joinGroup({
      kafka: {
        consumer: (config) =>
          new Proxy(kafka.consumer(config), {
            get: (consumer, key) => {
              if (key !== 'on') return Reflect.get(consumer, key) as unknown
              return (name: string, listener: (event: unknown) => void): unknown => {
                if (name === 'consumer.crash') crashes.push(listener)
                return Reflect.apply(consumer.on, consumer, [name, listener]) as unknown
              }
            },
          }),
      },
      brokers: brokers ?? [],
      group: full('group'),
      topics: [full('in')],
      partitions: 3,
      timings: { ...usualTimings, ...quickTimings },
      onAssigned: (partitions, isNew) => void assigned.push({ partitions, isNew }),
      onFollowed: () => undefined,
      onTrouble: () => undefined,
      onDenied: () => undefined,
    })
    await until(() => assigned.length === 1, 'a place in the group', patience)
    crashes[0]?.({ payload: { error: new TypeError('dead'), restart: false, groupId: '' } })
    expect(assigned[1]).toEqual({ partitions: [], isNew: true })
    await until(() => assigned[2]?.partitions.length === 3, 'a new place', patience)
    expect(assigned[2]?.isNew).toBe(true)
    await member.leave()
  })
})
