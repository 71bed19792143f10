import { mergeMap, type Subscription } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConnectorError } from '../../connectors/errors.ts'
import type { EventLog, LogRecord, NewRecord, Range, Task, Topology, Turn } from '../../connectors/log/event-log.ts'
import { partitionOf } from '../../connectors/log/partition-of.ts'
import type { EpochMs } from '../../schemas/time.ts'

/** The topics that a harness's log must have. */
export const contractTopics = ['in', 'other', 'out'] as const

/** One empty log to test, made anew for each test. Everything may take its time; offsets may have gaps. */
export interface EventLogHarness {
  readonly log: EventLog
  /** Bytes of key and value of one record at most, as configured. */
  readonly maxRecordBytes: number
  now(): EpochMs
  /** Lets this much time pass on the log's clock, and what is due happen. */
  pass(ms: number): Promise<void>
  /** The next commit of the topology is rejected: before anything was kept, or after all of it was. */
  failNextCommit(topology: string, when: 'before' | 'after'): void
  /** Closes the log and opens it again over what it kept: `log` is the new one. */
  reopen(): Promise<void>
  /** Removes everything. */
  dispose(): Promise<void>
  /** Real milliseconds after which something awaited counts as missing. */
  readonly patience: number
}

/** What every adapter of the log's port promises. */
export const eventLogContract = (name: string, openHarness: () => Promise<EventLogHarness>): void => {
  describe(`${name} keeps the log's contract:`, () => {
    let harness: EventLogHarness
    let subscriptions: Subscription[] = []

    beforeEach(async () => {
      harness = await openHarness()
    })
    afterEach(async () => {
      for (const subscription of subscriptions) subscription.unsubscribe()
      subscriptions = []
      await harness.dispose()
    })

    const until = async <T>(find: () => T | undefined | false, what: string): Promise<T> => {
      const deadline = performance.now() + harness.patience
      for (;;) {
        const found = find()
        if (found !== undefined && found !== false) return found
        if (performance.now() > deadline) throw new Error(`missing after ${harness.patience} ms: ${what}`)
        await harness.pass(5)
      }
    }

    /** Lets the log do what it would do wrongly, if it did. */
    const settle = (): Promise<void> => harness.pass(80)

    interface Listener {
      readonly tasks: Task[]
      readonly turns: { task: Task; turn: Turn }[]
      readonly ended: Task[]
      completed: boolean
      error: unknown
      readonly subscription: Subscription
    }

    /** Takes every task and every turn, and commits nothing by itself. */
    const listen = (topology: Topology, log: EventLog = harness.log): Listener => {
      const heard: Omit<Listener, 'subscription'> = {
        tasks: [],
        turns: [],
        ended: [],
        completed: false,
        error: undefined,
      }
      const subscription = log.tasks(topology).subscribe({
        next: (task) => {
          heard.tasks.push(task)
          task.turns.subscribe({
            next: (turn) => void heard.turns.push({ task, turn }),
            complete: () => void heard.ended.push(task),
          })
        },
        error: (error: unknown) => void (heard.error = error),
        complete: () => void (heard.completed = true),
      })
      subscriptions.push(subscription)
      return Object.assign(heard, { subscription })
    }

    const taskOf = (listener: Listener, partition: number, nth = 1): Promise<Task> =>
      until(
        () => listener.tasks.filter((task) => task.partition === partition)[nth - 1],
        `task ${nth} of partition ${partition}`,
      )

    const turnOf = (listener: Listener, partition: number, nth = 1): Promise<Turn> =>
      until(
        () => listener.turns.filter(({ task }) => task.partition === partition)[nth - 1]?.turn,
        `turn ${nth} of partition ${partition}`,
      )

    /** Runs a topology and gathers what its turns held, until there are that many records. */
    const consume = async (topology: Topology, count: number, log?: EventLog): Promise<LogRecord[]> => {
      const listener = listen(topology, log)
      const records: LogRecord[] = []
      let seen = 0
      await until(() => {
        for (const { turn } of listener.turns.slice(seen)) {
          seen++
          records.push(...turn.records)
          void turn.commit(nothing)
        }
        return records.length >= count
      }, `${count} records, ${records.length} came`)
      return records
    }

    const readAll = async (range: Range, log: EventLog = harness.log): Promise<LogRecord[]> => {
      const records: LogRecord[] = []
      for await (const page of log.read(range)) records.push(...page)
      return records
    }

    const readTopic = async (topic: string, log: EventLog = harness.log): Promise<string[]> => {
      const all = await Promise.all(
        Array.from({ length: log.partitions }, (_, partition) => readAll({ topic, partition }, log)),
      )
      return texts(all.flat())
    }

    describe('append', () => {
      it('answers with the positions, in the order given', async () => {
        const written = numbered('in', 6, { key: (n) => `key-${n % 3}` })
        const positions = await harness.log.append(written)
        expect(positions.map(({ topic }) => topic)).toEqual(written.map(({ topic }) => topic))
        for (const [index, { topic, partition, offset }] of positions.entries()) {
          const [record] = await readAll({ topic, partition, from: { offset }, to: { offset: offset + 1 } })
          expect(record).toMatchObject({ topic, partition, offset, key: written[index]?.key })
          expect([...(record?.value ?? [])]).toEqual([...(written[index]?.value ?? [])])
        }
      })

      it('chooses the partition by the key, as Kafka does, unless the record names one', async () => {
        const { partitions } = harness.log
        const positions = await harness.log.append([
          record('in', 'C.1', 'by key'),
          record('in', 'C.1', 'named', partitions - 1),
          record('in', 'C.1', 'named', 0),
          record('in', '', 'an empty key is a key'),
        ])
        expect(positions.map(({ partition }) => partition)).toEqual([
          partitionOf('C.1', partitions),
          partitions - 1,
          0,
          partitionOf('', partitions),
        ])
      })

      it('keeps keys and values as they are: empty, binary, any letter', async () => {
        const value = Uint8Array.from({ length: 256 }, (_, byte) => byte)
        await harness.log.append([
          { topic: 'in', key: 'ü \u{1F600} \0 ￿', value, partition: 0 },
          { topic: 'in', key: '', value: new Uint8Array(0), partition: 0 },
        ])
        const records = await readAll({ topic: 'in', partition: 0 })
        expect(records.map(({ key }) => key)).toEqual(['ü \u{1F600} \0 ￿', ''])
        expect(records.map((each) => [...each.value])).toEqual([[...value], []])
      })

      it('stamps each record with the time of its append', async () => {
        const before = harness.now()
        await harness.log.append([record('in', 'k', 'v', 0)])
        const [written] = await readAll({ topic: 'in', partition: 0 })
        expect(written?.timestamp).toBeGreaterThanOrEqual(before)
        expect(written?.timestamp).toBeLessThanOrEqual(harness.now())
      })

      it('keeps the order of one caller who does not wait', async () => {
        const appends = range(20).map((n) => harness.log.append([record('in', 'k', `${n}`, 0)]))
        await Promise.all(appends)
        expect(await readTopic('in')).toEqual(range(20).map(String))
      })

      it('appends nothing when there is nothing', async () => {
        expect(await harness.log.append([])).toEqual([])
      })

      it.each([
        ['too large a record', () => ({ ...record('in', 'k', ''), value: new Uint8Array(harness.maxRecordBytes + 1) })],
        ['an unknown topic', () => record('nowhere', 'k', 'v')],
        ['a partition beyond the last', () => record('in', 'k', 'v', harness.log.partitions)],
        ['a negative partition', () => record('in', 'k', 'v', -1)],
      ])('refuses %s, and everything given with it', async (_, bad) => {
        const appending = harness.log.append([record('in', 'k', 'good', 0), bad()])
        await expect(appending).rejects.toMatchObject({ name: 'ConnectorError', code: 'LOG_REFUSED' })
        await harness.log.append([record('in', 'k', 'later', 0)])
        expect(await readTopic('in')).toEqual(['later'])
      })
    })

    describe('turns', () => {
      it('bring the records of each partition in the order of their append, at most as many as asked for', async () => {
        await harness.log.append(numbered('in', 40, { key: (n) => `key-${n % 7}` }))
        const listener = listen({ name: 'reader', inputs: ['in'], mostRecords: 3 })
        const records: LogRecord[] = []
        let seen = 0
        await until(() => {
          for (const { turn } of listener.turns.slice(seen)) {
            seen++
            expect(turn.records.length).toBeLessThanOrEqual(3)
            records.push(...turn.records)
            void turn.commit(nothing)
          }
          return records.length === 40
        }, '40 records')
        for (const partition of range(harness.log.partitions)) {
          const got = records.filter((each) => each.partition === partition)
          expect(texts(got)).toEqual(texts(await readAll({ topic: 'in', partition })))
          expect(got.map(({ offset }) => offset)).toEqual(got.map(({ offset }) => offset).sort((a, b) => a - b))
        }
        const byKey = Map.groupBy(records, ({ key }) => key)
        for (const [key, of] of byKey)
          expect(texts(of)).toEqual(
            range(40)
              .filter((n) => `key-${n % 7}` === key)
              .map(String),
          )
      })

      it('are one at a time: the next follows the commit', async () => {
        const listener = listen({ name: 'reader', inputs: ['in'], mostRecords: 1 })
        await taskOf(listener, 0)
        await harness.log.append([record('in', 'k', 'first', 0), record('in', 'k', 'second', 0)])
        const first = await turnOf(listener, 0)
        await settle()
        expect(listener.turns).toHaveLength(1)
        await first.commit(nothing)
        expect(texts(first.records)).toEqual(['first'])
        expect(texts((await turnOf(listener, 0, 2)).records)).toEqual(['second'])
      })

      it('bring records that were there before and records that come later', async () => {
        await harness.log.append([record('in', 'k', 'before', 0)])
        const listener = listen({ name: 'reader', inputs: ['in'] })
        const first = await turnOf(listener, 0)
        expect(texts(first.records)).toEqual(['before'])
        await first.commit(nothing)
        await harness.log.append([record('in', 'k', 'later', 0)])
        expect(texts((await turnOf(listener, 0, 2)).records)).toEqual(['later'])
      })

      it('bring several inputs that are partitioned alike, each in order', async () => {
        await harness.log.append([...numbered('in', 20), ...numbered('other', 20)])
        const records = await consume({ name: 'joiner', inputs: ['in', 'other'], mostRecords: 4 }, 40)
        for (const topic of ['in', 'other'])
          for (const partition of range(harness.log.partitions)) {
            const got = records.filter((each) => each.topic === topic && each.partition === partition)
            expect(texts(got)).toEqual(texts(await readAll({ topic, partition })))
          }
        expect(records).toHaveLength(40)
      })

      it('come to each partition on its own: an open turn holds up no other', async () => {
        await harness.log.append([record('in', 'k', 'held', 0), record('in', 'k', 'free', 1)])
        const listener = listen({ name: 'reader', inputs: ['in'] })
        await turnOf(listener, 0)
        await (await turnOf(listener, 1)).commit(nothing)
        await harness.log.append([record('in', 'k', 'free again', 1)])
        expect(texts((await turnOf(listener, 1, 2)).records)).toEqual(['free again'])
      })

      it('end their task when their reader leaves: a new one comes and reads from the last commit', async () => {
        await harness.log.append([record('in', 'k', 'v', 0)])
        const tasks: Task[] = []
        subscriptions.push(harness.log.tasks({ name: 'reader', inputs: ['in'] }).subscribe((task) => tasks.push(task)))
        const first = await until(() => tasks.find(({ partition }) => partition === 0), 'a task')
        const turns: Turn[] = []
        const reading = first.turns.subscribe((turn) => turns.push(turn))
        await until(() => turns[0], 'a turn')
        reading.unsubscribe()
        expect(first.lost.aborted).toBe(true)
        await expect(turns[0]?.commit(nothing)).rejects.toMatchObject({ code: 'CLOSED' })
        const second = await until(() => tasks.filter(({ partition }) => partition === 0)[1], 'a second task')
        second.turns.subscribe((turn) => turns.push(turn))
        expect(texts((await until(() => turns[1], 'a turn of the second task')).records)).toEqual(['v'])
      })
    })

    describe('wakes', () => {
      it('open a turn without records, not before their time', async () => {
        const listener = listen({ name: 'sleeper', inputs: ['in'] })
        const at = harness.now() + 60
        ;(await taskOf(listener, 0)).wake(at)
        const turn = await turnOf(listener, 0)
        expect(turn.records).toEqual([])
        expect(turn.now).toBeGreaterThanOrEqual(at)
      })

      it.each([
        ['first', [30, 3_600_000]],
        ['last', [3_600_000, 30]],
      ])('come at the earliest time that was asked for: it was named %s', async (_, waits) => {
        const listener = listen({ name: 'sleeper', inputs: ['in'] })
        const task = await taskOf(listener, 0)
        const from = harness.now()
        for (const wait of waits) task.wake(from + wait)
        const turn = await turnOf(listener, 0)
        expect(turn.now).toBeLessThan(from + 3_600_000)
      })

      it('come at once when their time is past, and once', async () => {
        const listener = listen({ name: 'sleeper', inputs: ['in'] })
        ;(await taskOf(listener, 0)).wake(harness.now() - 1000)
        await (await turnOf(listener, 0)).commit(nothing)
        await settle()
        expect(listener.turns).toHaveLength(1)
      })

      it('wait for the open turn', async () => {
        await harness.log.append([record('in', 'k', 'v', 0)])
        const listener = listen({ name: 'sleeper', inputs: ['in'] })
        const turn = await turnOf(listener, 0)
        ;(await taskOf(listener, 0)).wake(harness.now() + 10)
        await settle()
        expect(listener.turns).toHaveLength(1)
        await turn.commit(nothing)
        expect((await turnOf(listener, 0, 2)).records).toEqual([])
      })

      it('are not durable: a new task has none', async () => {
        const listener = listen({ name: 'sleeper', inputs: ['in'] })
        ;(await taskOf(listener, 0)).wake(harness.now() + 60)
        listener.subscription.unsubscribe()
        const again = listen({ name: 'sleeper', inputs: ['in'] })
        await taskOf(again, 0)
        await settle()
        expect(again.turns).toEqual([])
        expect(listener.turns).toEqual([])
      })
    })

    describe('slots without inputs', () => {
      it('are as many as asked for, wake, keep state and append', async () => {
        const listener = listen({ name: 'collector', inputs: [], slots: 3 })
        for (const slot of range(3)) (await taskOf(listener, slot)).wake(harness.now())
        for (const slot of range(3))
          await (
            await turnOf(listener, slot)
          ).commit({ append: [record('out', `${slot}`, `row of ${slot}`)], put: [['cursor', bytes(`${slot}`)]] })
        expect(listener.tasks.map(({ partition }) => partition).toSorted((a, b) => a - b)).toEqual([0, 1, 2])
        expect((await readTopic('out')).sort()).toEqual(range(3).map((slot) => `row of ${slot}`))
        for (const { state, partition } of listener.tasks) expect(textOf(state.get('cursor'))).toBe(`${partition}`)
      })

      it('are one per partition unless their number is given', async () => {
        const listener = listen({ name: 'collector', inputs: [] })
        for (const slot of range(harness.log.partitions)) await taskOf(listener, slot)
        await settle()
        expect(listener.tasks).toHaveLength(harness.log.partitions)
      })
    })

    describe('a commit', () => {
      it('makes outputs, state and position visible together, also to another topology', async () => {
        await harness.log.append([record('in', 'k', 'one', 0), record('in', 'k', 'two', 0)])
        const listener = listen({ name: 'writer', inputs: ['in'], mostRecords: 1 })
        const task = await taskOf(listener, 0)
        const turn = await turnOf(listener, 0)
        expect(task.state.get('count')).toBeUndefined()
        await turn.commit({
          append: [record('out', 'k', 'made of one'), record('other', 'k', 'also')],
          put: [['count', bytes('1')]],
        })
        expect(textOf(task.state.get('count'))).toBe('1')
        expect(await readTopic('out')).toEqual(['made of one'])
        expect(await readTopic('other')).toEqual(['also'])
        expect(texts((await turnOf(listener, 0, 2)).records)).toEqual(['two'])
        expect(texts(await consume({ name: 'next', inputs: ['out'] }, 1))).toEqual(['made of one'])
      })

      it('brings what it appends to its own inputs back as records', async () => {
        await harness.log.append([record('in', 'k', 'seed', 0)])
        const listener = listen({ name: 'loop', inputs: ['in', 'other'] })
        await (await turnOf(listener, 0)).commit({ append: [record('other', 'k', 'echo', 0)], put: [] })
        expect(texts((await turnOf(listener, 0, 2)).records)).toEqual(['echo'])
      })

      it('shows nothing before it is made', async () => {
        await harness.log.append([record('in', 'k', 'v', 0)])
        const listener = listen({ name: 'writer', inputs: ['in'] })
        await turnOf(listener, 0)
        await settle()
        expect(await readTopic('out')).toEqual([])
      })

      it('can be made once', async () => {
        await harness.log.append([record('in', 'k', 'v', 0)])
        const listener = listen({ name: 'writer', inputs: ['in'] })
        const turn = await turnOf(listener, 0)
        const first = turn.commit({ append: [record('out', 'k', 'once')], put: [] })
        await expect(turn.commit({ append: [record('out', 'k', 'twice')], put: [] })).rejects.toMatchObject({
          code: 'CLOSED',
        })
        await first
        expect(await readTopic('out')).toEqual(['once'])
      })

      const rejectedCommit = async (when: 'before' | 'after'): Promise<Listener> => {
        await harness.log.append([record('in', 'k', 'v', 0)])
        const listener = listen({ name: 'writer', inputs: ['in'] })
        const turn = await turnOf(listener, 0)
        harness.failNextCommit('writer', when)
        const committing = turn.commit({ append: [record('out', 'k', 'made')], put: [['count', bytes('1')]] })
        await expect(committing).rejects.toBeInstanceOf(ConnectorError)
        expect((await taskOf(listener, 0)).lost.aborted).toBe(true)
        await until(() => listener.ended.length === 1, 'the end of the task')
        await expect(turn.commit(nothing)).rejects.toMatchObject({ code: 'CLOSED' })
        await taskOf(listener, 0, 2)
        return listener
      }

      it('that is rejected and was not kept ends the task; the next one does it again', async () => {
        const listener = await rejectedCommit('before')
        const task = await taskOf(listener, 0, 2)
        expect(task.lost.aborted).toBe(false)
        expect(task.state.get('count')).toBeUndefined()
        const turn = await turnOf(listener, 0, 2)
        expect(texts(turn.records)).toEqual(['v'])
        expect(await readTopic('out')).toEqual([])
        await turn.commit({ append: [record('out', 'k', 'made')], put: [['count', bytes('1')]] })
        expect(await readTopic('out')).toEqual(['made'])
      })

      it('that is rejected and was kept ends the task; the next one knows', async () => {
        const listener = await rejectedCommit('after')
        const task = await taskOf(listener, 0, 2)
        expect(textOf(task.state.get('count'))).toBe('1')
        await harness.log.append([record('in', 'k', 'w', 0)])
        expect(texts((await turnOf(listener, 0, 2)).records)).toEqual(['w'])
        expect(await readTopic('out')).toEqual(['made'])
      })

      it('that holds a record too large is refused whole, ends the task, and the record comes again', async () => {
        await harness.log.append([record('in', 'k', 'v', 0)])
        const listener = listen({ name: 'writer', inputs: ['in'] })
        const turn = await turnOf(listener, 0)
        const large = { ...record('out', 'k', ''), value: new Uint8Array(harness.maxRecordBytes + 1) }
        await expect(
          turn.commit({ append: [record('out', 'k', 'good'), large], put: [['count', bytes('1')]] }),
        ).rejects.toMatchObject({ code: 'LOG_REFUSED' })
        expect(texts((await turnOf(listener, 0, 2)).records)).toEqual(['v'])
        expect((await taskOf(listener, 0, 2)).state.get('count')).toBeUndefined()
        expect(await readTopic('out')).toEqual([])
      })

      it('of one task does not suffer from a refused one beside it', async () => {
        await harness.log.append([record('in', 'k', 'a', 0), record('in', 'k', 'b', 1)])
        const listener = listen({ name: 'writer', inputs: ['in'] })
        const [good, bad] = [await turnOf(listener, 0), await turnOf(listener, 1)]
        const results = await Promise.allSettled([
          good.commit({ append: [record('out', 'k', 'good')], put: [] }),
          bad.commit({ append: [record('nowhere', 'k', 'bad')], put: [] }),
        ])
        expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
        expect(await readTopic('out')).toEqual(['good'])
      })

      it('is not needed for an append from outside, whatever turn is open', async () => {
        await harness.log.append([record('in', 'k', 'v', 0)])
        const listener = listen({ name: 'writer', inputs: ['in'] })
        const turn = await turnOf(listener, 0)
        await harness.log.append([record('out', 'k', 'a fact'), record('in', 'k', 'w', 0)])
        expect(await readTopic('out')).toEqual(['a fact'])
        await turn.commit(nothing)
        expect(texts((await turnOf(listener, 0, 2)).records)).toEqual(['w'])
      })
    })

    describe('a lost task', () => {
      const openTurn = async (): Promise<{ listener: Listener; task: Task; turn: Turn }> => {
        await harness.log.append([record('in', 'k', 'v', 0)])
        const listener = listen({ name: 'writer', inputs: ['in'] })
        return { listener, turn: await turnOf(listener, 0), task: await taskOf(listener, 0) }
      }
      const step = { append: [record('out', 'k', 'late')], put: [['count', bytes('1')]] as const }

      it('is told so when nobody takes tasks any more: its turn is void, its turns complete', async () => {
        const { listener, task, turn } = await openTurn()
        listener.subscription.unsubscribe()
        expect(task.lost.aborted).toBe(true)
        await until(() => listener.ended.includes(task), 'the end of its turns')
        await expect(turn.commit(step)).rejects.toMatchObject({ name: 'ConnectorError', code: 'CLOSED' })
        expect(await readTopic('out')).toEqual([])
      })

      it('is told so when the log closes, and no further task comes', async () => {
        const { listener, task, turn } = await openTurn()
        await harness.log.close()
        expect(task.lost.aborted).toBe(true)
        expect(listener.ended).toContain(task)
        expect(listener.completed).toBe(true)
        await expect(turn.commit(step)).rejects.toMatchObject({ name: 'ConnectorError', code: 'CLOSED' })
        await harness.reopen()
        expect(await readTopic('out')).toEqual([])
      })

      it('ends a commit that had begun: kept or not, the next task knows which', async () => {
        const { listener, turn } = await openTurn()
        const committing = turn.commit(step)
        listener.subscription.unsubscribe()
        const again = listen({ name: 'writer', inputs: ['in'] })
        const [{ status }] = await Promise.allSettled([committing])
        const task = await taskOf(again, 0)
        const outputs = await readTopic('out')
        const isKept = task.state.get('count') !== undefined
        expect(outputs).toEqual(isKept ? ['late'] : [])
        if (status === 'fulfilled') expect(isKept).toBe(true)
        await harness.log.append([record('in', 'k', 'w', 0)])
        const records = await consumeFrom(again, 0)
        expect(records).toEqual(isKept ? ['w'] : ['v', 'w'])
      })

      const consumeFrom = async (listener: Listener, partition: number): Promise<string[]> => {
        const got: string[] = []
        let nth = 1
        while (!got.includes('w')) {
          const turn = await turnOf(listener, partition, nth++)
          got.push(...texts(turn.records))
          await turn.commit(nothing)
        }
        return got
      }
    })

    describe('a task that is opened again', () => {
      const work = async (): Promise<Listener> => {
        await harness.log.append(range(4).map((n) => record('in', 'k', `${n}`, 0)))
        const listener = listen({ name: 'worker', inputs: ['in'], mostRecords: 2 })
        await (
          await turnOf(listener, 0)
        ).commit({
          append: [],
          put: [
            ['seen', bytes('0 1')],
            ['gone', bytes('x')],
          ],
        })
        await turnOf(listener, 0, 2)
        return listener
      }

      const goesOn = async (): Promise<void> => {
        const again = listen({ name: 'worker', inputs: ['in'], mostRecords: 2 })
        const turn = await turnOf(again, 0)
        const task = await taskOf(again, 0)
        expect(texts(turn.records)).toEqual(['2', '3'])
        expect(textOf(task.state.get('seen'))).toBe('0 1')
        await turn.commit({ append: [], put: [['gone', null]] })
        expect(task.state.get('gone')).toBeUndefined()
      }

      it('goes on with its state where it stood, after everybody had left', async () => {
        ;(await work()).subscription.unsubscribe()
        await goesOn()
      })

      it('goes on with its state where it stood, after the log was closed and opened', async () => {
        await work()
        await harness.reopen()
        await goesOn()
        await harness.reopen()
        const task = await taskOf(listen({ name: 'worker', inputs: ['in'] }), 0)
        expect(task.state.get('gone')).toBeUndefined()
        expect(textOf(task.state.get('seen'))).toBe('0 1')
      })

      it('goes on after a commit that put and appended nothing', async () => {
        await harness.log.append([record('in', 'k', 'skipped', 0)])
        const listener = listen({ name: 'worker', inputs: ['in'] })
        await (await turnOf(listener, 0)).commit(nothing)
        await harness.reopen()
        await harness.log.append([record('in', 'k', 'next', 0)])
        const again = listen({ name: 'worker', inputs: ['in'] })
        expect(texts((await turnOf(again, 0)).records)).toEqual(['next'])
      })
    })

    describe('topologies', () => {
      it('read the same topic each for itself, from the oldest record on', async () => {
        await harness.log.append(numbered('in', 5))
        expect(texts(await consume({ name: 'first', inputs: ['in'] }, 5)).sort()).toEqual(range(5).map(String))
        expect(texts(await consume({ name: 'second', inputs: ['in'] }, 5)).sort()).toEqual(range(5).map(String))
      })

      it('have state of their own, and so has each partition', async () => {
        const one = listen({ name: 'one', inputs: ['in'] })
        const two = listen({ name: 'two', inputs: ['in'] })
        await harness.log.append([record('in', 'k', 'v', 0)])
        await (await turnOf(one, 0)).commit({ append: [], put: [['key', bytes('of one')]] })
        await turnOf(two, 0)
        expect(textOf((await taskOf(one, 0)).state.get('key'))).toBe('of one')
        expect((await taskOf(two, 0)).state.get('key')).toBeUndefined()
        expect((await taskOf(one, 1)).state.get('key')).toBeUndefined()
      })

      it('with an unknown input are refused', async () => {
        const listener = listen({ name: 'lost', inputs: ['nowhere'] })
        await until(() => listener.error !== undefined, 'the refusal')
        expect(listener.error).toMatchObject({ name: 'ConnectorError', code: 'LOG_REFUSED' })
      })
    })

    describe('state', () => {
      const writer = async (): Promise<{
        task: Task
        put: (entries: readonly (readonly [string, Uint8Array | null])[]) => Promise<void>
      }> => {
        const listener = listen({ name: 'keeper', inputs: [], slots: 1 })
        const task = await taskOf(listener, 0)
        let nth = 1
        return {
          task,
          put: async (entries) => {
            task.wake(harness.now())
            await (await turnOf(listener, 0, nth++)).commit({ append: [], put: entries })
          },
        }
      }
      const keysOf = (task: Task, from: string, to: string): string[] =>
        [...task.state.range(from, to)].map(([key]) => key)

      it('holds what was put last, also within one commit; null deletes', async () => {
        const { task, put } = await writer()
        await put([
          ['a', bytes('1')],
          ['a', bytes('2')],
          ['b', bytes('1')],
          ['b', null],
          ['c', null],
          ['c', bytes('3')],
          ['never', null],
          ['empty', new Uint8Array(0)],
        ])
        expect(textOf(task.state.get('a'))).toBe('2')
        expect(task.state.get('b')).toBeUndefined()
        expect(textOf(task.state.get('c'))).toBe('3')
        expect(task.state.get('empty')).toHaveLength(0)
        await put([
          ['a', null],
          ['c', bytes('4')],
        ])
        expect(task.state.get('a')).toBeUndefined()
        expect(textOf(task.state.get('c'))).toBe('4')
        expect(keysOf(task, '', '~')).toEqual(['c', 'empty'])
      })

      it('is ranged by the bytes of its keys, from inclusive, to exclusive', async () => {
        const { task, put } = await writer()
        const keys = ['b', 'a', 'a/2', 'a/10', 'a0', 'B', 'é', '\u{1F600}', '\uFFFD', 'z', 'a/', 'a\0']
        await put(keys.map((key) => [key, bytes(key)] as const))
        const ordered = keys.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)))
        expect(keysOf(task, '', '\u{10FFFF}')).toEqual(ordered)
        expect(keysOf(task, 'a/', 'a0')).toEqual(['a/', 'a/10', 'a/2'])
        expect(keysOf(task, 'a', 'a')).toEqual([])
        expect(keysOf(task, 'z', 'a')).toEqual([])
        expect([...task.state.range('z', 'z\0')].map(([, value]) => textOf(value))).toEqual(['z'])
      })

      it('is ranged whole, however much there is, while commits go on', async () => {
        const { task, put } = await writer()
        const keys = range(1000).map((n) => `k${String(n).padStart(4, '0')}`)
        await put(keys.map((key) => [key, bytes(key)] as const))
        expect(keysOf(task, 'k', 'l')).toEqual(keys)
        const iterator = task.state.range('k', 'l')[Symbol.iterator]()
        expect(iterator.next().value?.[0]).toBe('k0000')
        await put([['k0000', null]])
        expect(keysOf(task, 'k', 'k0003')).toEqual(['k0001', 'k0002'])
      })

      it('is not changed by who holds the bytes', async () => {
        const { task, put } = await writer()
        const value = bytes('kept')
        await put([['key', value]])
        value.fill(0)
        expect(textOf(task.state.get('key'))).toBe('kept')
      })
    })

    describe('read', () => {
      it('gives a range by offset: from inclusive, to exclusive', async () => {
        const positions = await harness.log.append(range(10).map((n) => record('in', 'k', `${n}`, 0)))
        const offset = (n: number): { offset: number } => ({ offset: positions[n]?.offset ?? -1 })
        expect(texts(await readAll({ topic: 'in', partition: 0, from: offset(3), to: offset(6) }))).toEqual([
          '3',
          '4',
          '5',
        ])
        expect(texts(await readAll({ topic: 'in', partition: 0, from: offset(8) }))).toEqual(['8', '9'])
        expect(texts(await readAll({ topic: 'in', partition: 0, to: offset(2) }))).toEqual(['0', '1'])
        expect(await readAll({ topic: 'in', partition: 0, from: offset(6), to: offset(3) })).toEqual([])
        expect(await readAll({ topic: 'in', partition: 1 })).toEqual([])
      })

      it('gives a range by time: from the first record at or after one to the first at or after another', async () => {
        const times: EpochMs[] = []
        for (const n of range(4)) {
          await harness.log.append([record('in', 'k', `${n}`, 0), record('in', 'k', `${n}'`, 0)])
          times.push((await readAll({ topic: 'in', partition: 0 })).at(-1)?.timestamp ?? 0)
          await harness.pass(20)
        }
        const at = (n: number): { timestamp: EpochMs } => ({ timestamp: (times[n] ?? 0) - (n > 0 ? 5 : 0) })
        expect(texts(await readAll({ topic: 'in', partition: 0, from: at(1), to: at(3) }))).toEqual([
          '1',
          "1'",
          '2',
          "2'",
        ])
        expect(await readAll({ topic: 'in', partition: 0, from: { timestamp: -3_600_000 } })).toHaveLength(8)
        expect(texts(await readAll({ topic: 'in', partition: 0, from: { timestamp: 0 }, to: at(1) }))).toEqual([
          '0',
          "0'",
        ])
        expect(await readAll({ topic: 'in', partition: 0, from: { timestamp: harness.now() + 60_000 } })).toEqual([])
        expect(await readAll({ topic: 'in', partition: 0, to: { timestamp: harness.now() + 60_000 } })).toHaveLength(8)
      })

      it('ends where the log ended when it was called, while the writer goes on', async () => {
        await harness.log.append(range(1200).map((n) => record('in', 'k', `${n}`, 0)))
        const reading = harness.log.read({ topic: 'in', partition: 0 })
        await settle()
        const later: NewRecord[] = [record('in', 'k', 'later', 0)]
        const records: LogRecord[] = []
        for await (const page of reading) {
          records.push(...page)
          await harness.log.append(later)
        }
        expect(records.length).toBeGreaterThanOrEqual(1200)
        expect(texts(records.slice(0, 1200))).toEqual(range(1200).map(String))
        expect(texts(records).filter((text) => text === 'later').length).toBeLessThanOrEqual(1)
        expect((await readAll({ topic: 'in', partition: 0 })).length).toBeGreaterThan(1200)
      })

      it('can be left early', async () => {
        await harness.log.append(range(1200).map((n) => record('in', 'k', `${n}`, 0)))
        for await (const page of harness.log.read({ topic: 'in', partition: 0 })) {
          expect(page.length).toBeGreaterThan(0)
          break
        }
        await harness.log.append([record('in', 'k', 'goes on', 0)])
      })

      it('moves nobody: a topology still gets every record', async () => {
        await harness.log.append(numbered('in', 5))
        await readTopic('in')
        expect(await consume({ name: 'reader', inputs: ['in'] }, 5)).toHaveLength(5)
      })

      it('refuses an unknown topic and an unknown partition', async () => {
        await expect(readAll({ topic: 'nowhere', partition: 0 })).rejects.toMatchObject({ code: 'LOG_REFUSED' })
        await expect(readAll({ topic: 'in', partition: 99 })).rejects.toMatchObject({ code: 'LOG_REFUSED' })
      })
    })

    describe('close', () => {
      it('may be called twice', async () => {
        await Promise.all([harness.log.close(), harness.log.close()])
        await harness.log.close()
      })

      it('lets an append that had begun end', async () => {
        const appending = harness.log.append([record('in', 'k', 'begun', 0)])
        await harness.log.close()
        await appending
        await harness.reopen()
        expect(await readTopic('in')).toEqual(['begun'])
      })

      it('refuses everything afterwards with CLOSED', async () => {
        await harness.log.close()
        await expect(harness.log.append([record('in', 'k', 'v')])).rejects.toMatchObject({ code: 'CLOSED' })
        await expect(readAll({ topic: 'in', partition: 0 })).rejects.toMatchObject({ code: 'CLOSED' })
        const listener = listen({ name: 'late', inputs: ['in'] })
        await until(() => listener.error !== undefined, 'the refusal')
        expect(listener.error).toMatchObject({ code: 'CLOSED' })
      })

      it('ends a running read with CLOSED, so that half a range is not taken for the whole', async () => {
        await harness.log.append(range(1200).map((n) => record('in', 'k', `${n}`, 0)))
        const reading = harness.log.read({ topic: 'in', partition: 0 })[Symbol.asyncIterator]()
        const first = await reading.next()
        expect(first.value?.length).toBeLessThan(1200)
        await harness.log.close()
        const rest = async (): Promise<void> => {
          while ((await reading.next()).done !== true);
        }
        await expect(rest()).rejects.toMatchObject({ code: 'CLOSED' })
      })
    })

    it('a counting topology counts every record once, through rejected commits and reopenings', async () => {
      const count = 60
      const topology: Topology = { name: 'counter', inputs: ['in'], mostRecords: 7 }
      let turns = 0
      const run = (): Subscription => {
        const subscription = harness.log
          .tasks(topology)
          .pipe(mergeMap((task) => task.turns.pipe(mergeMap(async (turn) => countTurn(task, turn)))))
          .subscribe({ error: () => undefined })
        subscriptions.push(subscription)
        return subscription
      }
      const countTurn = async ({ state }: Task, turn: Turn): Promise<void> => {
        if (++turns % 3 === 0) harness.failNextCommit('counter', turns % 2 === 0 ? 'before' : 'after')
        const before = Number(textOf(state.get('count')) ?? '0')
        const append = turn.records.map(({ key, value }): NewRecord => ({ topic: 'out', key, value }))
        const put = [['count', bytes(`${before + turn.records.length}`)]] as const
        // A rejected commit has ended its task, the next one goes on.
        await turn.commit({ append, put }).catch(() => undefined)
      }
      const running = run()
      for (const n of range(count)) await harness.log.append([record('in', `key-${n}`, `${n}`)])
      running.unsubscribe()
      run()
      await untilOut(count)
      await settle()
      expect((await readTopic('out')).map(Number).sort((a, b) => a - b)).toEqual(range(count))
      await harness.reopen()
      const listener = listen(topology)
      let total = 0
      for (const partition of range(harness.log.partitions))
        total += Number(textOf((await taskOf(listener, partition)).state.get('count')) ?? '0')
      expect(total).toBe(count)
    })

    const untilOut = async (count: number): Promise<void> => {
      const deadline = performance.now() + harness.patience
      while ((await readTopic('out')).length < count) {
        if (performance.now() > deadline) throw new Error(`missing after ${harness.patience} ms: ${count} outputs`)
        await harness.pass(20)
      }
    }
  })
}

const nothing = { append: [], put: [] } as const

const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const textOf = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value)

const texts = (records: readonly LogRecord[]): string[] => records.map(({ value }) => textOf(value) ?? '')

const record = (topic: string, key: string, text: string, partition?: number): NewRecord => ({
  topic,
  key,
  value: bytes(text),
  ...(partition === undefined ? {} : { partition }),
})

const numbered = (topic: string, count: number, { key = (n: number) => `key-${n}` } = {}): NewRecord[] =>
  range(count).map((n) => record(topic, key(n), `${n}`))
