import { setImmediate as nextTurn } from 'node:timers/promises'
import { Observable } from 'rxjs'
import type { Tell } from '../../schemas/happenings.ts'
import type { Clock } from '../../schemas/time.ts'
import { ConnectorError } from '../errors.ts'
import type { Admission } from './admission.ts'
import type { Bound, EventLog, LogRecord, NewRecord, Position, Range, Task, Topology } from './event-log.ts'
import type { LocalStore } from './local-store.ts'
import type { CommitFault } from './running-task.ts'
import { openSeat, type Seat, type SeatSurroundings } from './seat.ts'
import { openWriteQueue } from './write-queue.ts'

/** A log whose tasks run in this process. */
export interface LocalLog extends EventLog {
  /** No open turn, no pending commit, no undelivered record or due wake for a task that is listened to. */
  isIdle(): boolean
}

export interface LocalLogOptions {
  readonly store: LocalStore
  readonly admission: Admission
  readonly partitions: number
  readonly clock: Clock
  readonly tell: Tell
  readonly commitFault?: CommitFault | undefined
}

/** What else its adapter needs of it. */
export interface LocalLogInside {
  readonly log: LocalLog
  /** Something came from outside: tasks look for work. */
  readonly lookSoon: () => void
}

/** Records of one batch of a read at most. */
const readMost = 500

export const openLocalLog = (options: LocalLogOptions): LocalLogInside => {
  const { store, admission, partitions, clock, tell, commitFault } = options
  const seats = new Set<Seat>()
  const running = new Map<string, () => void>()
  let soon: NodeJS.Immediate | undefined
  let closing: Promise<void> | undefined

  const look = (): void => {
    soon = undefined
    for (const seat of seats) seat.look()
  }
  const lookSoon = (): void => void (soon ??= setImmediate(look))
  const queue = openWriteQueue({ store, tell, onWritten: lookSoon })
  const surroundings: SeatSurroundings = { store, queue, admission, clock, tell, commitFault, lookSoon }

  const append = async (records: readonly NewRecord[]): Promise<readonly Position[]> => {
    if (closing !== undefined) throw closed()
    const slots = records.map(admission.admit)
    const offsets = await queue.add({ records, slots, put: [], task: undefined })
    return records.map(({ topic }, index) => ({
      topic,
      partition: (slots[index] as number) % partitions,
      offset: offsets[index] as number,
    }))
  }

  const admitTopology = ({ name, inputs }: Topology): void => {
    if (closing !== undefined) throw closed()
    inputs.forEach(admission.topicOf)
    if (running.has(name))
      throw new ConnectorError(
        'LOG_DENIED',
        `the tasks of ${name} run in this process already: give one of the two another name`,
      )
    store.own()
  }

  const tasks = (topology: Topology): Observable<Task> =>
    new Observable((subscriber) => {
      try {
        admitTopology(topology)
      } catch (error) {
        return subscriber.error(error)
      }
      const own: Seat[] = []
      const emit = (task: Task): void => subscriber.next(task)
      const deny = (error: ConnectorError): void => subscriber.error(error)
      running.set(topology.name, () => subscriber.complete())
      subscriber.add(() => {
        running.delete(topology.name)
        for (const seat of own) {
          seats.delete(seat)
          seat.leave()
        }
      })
      const count = topology.inputs.length === 0 ? (topology.slots ?? partitions) : partitions
      for (let partition = 0; partition < count && !subscriber.closed; partition++) {
        const seat = openSeat(surroundings, { topology, partition, emit, deny })
        if (subscriber.closed) return seat.leave()
        own.push(seat)
        seats.add(seat)
      }
    })

  const offsetOf = (slot: number, bound: Bound): number =>
    'offset' in bound ? bound.offset : store.offsetAt(slot, bound.timestamp)

  const resolve = ({ topic, partition, from, to }: Range): { slot: number; from: number; to: number } => {
    if (closing !== undefined) throw closed()
    const slot = admission.slotOf(topic, partition)
    if (store.refresh(slot)) lookSoon()
    const end = store.end(slot)
    return {
      slot,
      from: from === undefined ? store.floor(slot) : offsetOf(slot, from),
      to: to === undefined ? end : Math.min(end, offsetOf(slot, to)),
    }
  }

  const read = (range: Range): AsyncIterable<readonly LogRecord[]> => {
    const resolved = attempt(() => resolve(range))
    return pages(() => {
      if (closing !== undefined) throw closed()
    }, resolved)
  }

  async function* pages(check: () => void, resolved: () => ReturnType<typeof resolve>) {
    const { slot, from, to } = resolved()
    for (let next = from; next < to;) {
      check()
      const page = store.page(slot, next, to, readMost)
      if (page.length === 0) return
      next = (page.at(-1) as LogRecord).offset + 1
      yield page
      // A reader that awaits nothing itself must not hold the event loop.
      await nextTurn()
    }
  }

  const end = async (): Promise<void> => {
    for (const complete of [...running.values()]) complete()
    await queue.drained()
    clearImmediate(soon)
    soon = undefined
    await store.close()
  }

  const isIdle = (): boolean => soon === undefined && queue.isEmpty() && [...seats].every((seat) => seat.isIdle())

  return {
    log: { partitions, append, tasks, read, close: () => (closing ??= end()), isIdle },
    lookSoon,
  }
}

/** Runs now, answers or throws when it is asked. */
const attempt = <T>(call: () => T): (() => T) => {
  try {
    const value = call()
    return () => value
  } catch (error) {
    return () => {
      throw error
    }
  }
}

const closed = (): ConnectorError => new ConnectorError('CLOSED', 'the log is closed')
