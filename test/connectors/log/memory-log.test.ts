import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { openMemoryLog, type MemoryLog } from '../../../connectors/log/memory-log.ts'
import type { Task, Turn } from '../../../connectors/log/event-log.ts'
import { virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'
import type { Happening } from '../../../schemas/happenings.ts'
import { contractTopics, eventLogContract, type EventLogHarness } from '../../contracts/event-log.contract.ts'

const maxRecordBytes = 10_000
const start = 1_700_000_000_000

const openHarness = async (): Promise<EventLogHarness> => {
  const clock = virtualClock(start)
  const faults: { topology: string; when: 'before' | 'after' }[] = []
  let log: MemoryLog = openMemoryLog({
    topics: contractTopics.map((name) => ({ name })),
    partitions: 3,
    clock,
    tell: () => undefined,
    maxRecordBytes,
    commitFault: ({ topology }) => {
      const at = faults.findIndex((fault) => fault.topology === topology)
      return at < 0 ? undefined : faults.splice(at, 1)[0]?.when
    },
  })
  const quiet = async (): Promise<void> => {
    for (let round = 0; round < 4; round++) await setImmediate()
  }
  return {
    get log() {
      return log
    },
    maxRecordBytes,
    patience: 2000,
    now: clock.now,
    pass: async (ms) => {
      const end = clock.now() + ms
      await quiet()
      for (let next = clock.next(); next !== undefined && next <= end; next = clock.next()) {
        clock.advanceTo(next)
        await quiet()
      }
      clock.advanceTo(end)
    },
    failNextCommit: (topology, when) => void faults.push({ topology, when }),
    reopen: async () => {
      await log.close()
      log = log.reopened()
    },
    dispose: () => log.close(),
  }
}

eventLogContract('the log in memory', openHarness)

describe('the log in memory', () => {
  const open = ({ topics = [{ name: 'in' }] as { name: string; keptMs?: number; compacted?: true }[] } = {}) => {
    const clock = virtualClock(start)
    const told: Happening[] = []
    const log = openMemoryLog({ topics, partitions: 1, clock, tell: (happening) => void told.push(happening) })
    return { clock, told, log }
  }
  const value = new Uint8Array(1)
  const untilIdle = async (log: MemoryLog): Promise<void> => {
    for (let round = 0; round < 100 && !log.isIdle(); round++) await setImmediate()
    expect(log.isIdle()).toBe(true)
  }

  it('is idle exactly when nothing is under way', async () => {
    const { log, clock } = open()
    expect(log.isIdle()).toBe(true)
    const appending = log.append([{ topic: 'in', key: 'k', value }])
    expect(log.isIdle()).toBe(false)
    await appending
    await untilIdle(log)
    const turns: Turn[] = []
    const tasks: Task[] = []
    log.tasks({ name: 'reader', inputs: ['in'] }).subscribe((task) => {
      tasks.push(task)
      task.turns.subscribe((turn) => turns.push(turn))
    })
    expect(log.isIdle(), 'a record waits').toBe(false)
    while (turns.length === 0) await setImmediate()
    await setImmediate()
    expect(log.isIdle(), 'a turn is open').toBe(false)
    const committing = turns[0]?.commit({ append: [], put: [] })
    expect(log.isIdle(), 'a commit is pending').toBe(false)
    await committing
    await untilIdle(log)
    tasks[0]?.wake(clock.now() + 10)
    expect(log.isIdle(), 'a wake is not due').toBe(true)
    clock.advanceTo(clock.now() + 10)
    expect(log.isIdle(), 'a wake is due').toBe(false)
    await log.close()
  })

  it('is idle for a task that nobody listens to', async () => {
    const { log } = open()
    await log.append([{ topic: 'in', key: 'k', value }])
    log.tasks({ name: 'reader', inputs: ['in'] }).subscribe()
    await untilIdle(log)
    await log.close()
  })

  it('lets no clock run by itself when nothing is asked for', async () => {
    const { log, clock } = open()
    log.tasks({ name: 'reader', inputs: ['in'] }).subscribe((task) => task.turns.subscribe())
    await untilIdle(log)
    expect(clock.next()).toBeUndefined()
    await log.close()
  })

  it('removes what is kept no longer, and says so to who had not read it', async () => {
    const { log, clock, told } = open({ topics: [{ name: 'in', keptMs: 1000 }] })
    const record = { topic: 'in', key: 'k', value }
    const turns: Turn[] = []
    const subscribe = () =>
      log
        .tasks({ name: 'reader', inputs: ['in'] })
        .subscribe((task) => task.turns.subscribe((turn) => turns.push(turn)))
    await log.append([record])
    const subscription = subscribe()
    while (turns.length === 0) await setImmediate()
    await turns[0]?.commit({ append: [], put: [] })
    subscription.unsubscribe()
    await log.append([record, record])
    clock.advanceTo(clock.now() + 1001)
    await log.append([record])
    subscribe()
    while (turns.length === 1) await setImmediate()
    expect(turns[1]?.records.map(({ offset }) => offset)).toEqual([3])
    expect(told).toEqual([{ name: 'log trimmed before read', topology: 'reader', topic: 'in', partition: 0, count: 2 }])
    await log.close()
  })

  it('keeps the newest record of each key of a compacted topic', async () => {
    const { log } = open({ topics: [{ name: 'in', compacted: true }] })
    for (const key of ['a', 'b', 'a']) await log.append([{ topic: 'in', key, value }])
    const records = []
    for await (const page of log.read({ topic: 'in', partition: 0 })) records.push(...page)
    expect(records.map(({ key, offset }) => [key, offset])).toEqual([
      ['b', 1],
      ['a', 2],
    ])
    await log.close()
  })
})
