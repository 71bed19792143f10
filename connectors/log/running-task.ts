import { Observable, type Subscriber } from 'rxjs'
import type { Tell } from '../../schemas/happenings.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'
import { ConnectorError } from '../errors.ts'
import type { Admission } from './admission.ts'
import type { Commit, LogRecord, Task, Topology, Turn } from './event-log.ts'
import type { LocalStore, OpenedTask } from './local-store.ts'
import type { WriteQueue } from './write-queue.ts'

/** For tests and scenarios: what befalls a commit. `before`: it is rejected and nothing is kept; `after`: rejected, yet kept. */
export type CommitFault = (task: {
  readonly topology: string
  readonly partition: number
}) => 'before' | 'after' | undefined

/** What a task stands on. */
export interface TaskSurroundings {
  readonly store: Pick<LocalStore, 'end' | 'floor' | 'page'>
  readonly queue: Pick<WriteQueue, 'add'>
  readonly admission: Admission
  readonly clock: Clock
  readonly tell: Tell
  readonly commitFault: CommitFault | undefined
  /** Has every task looked for work in the next turn of the event loop. */
  readonly lookSoon: () => void
}

/** One input of a task: where it is read, where it stands, what is committed of that. */
export interface TaskInput {
  readonly name: string
  readonly topic: number
  readonly slot: number
  next: number
  committed: number | undefined
}

/** A task as its log sees it. */
export interface RunningTask {
  readonly task: Task
  /** Opens a turn when there is one to open. */
  look(): void
  /** Nothing to do before something new arrives or a wake is due. */
  isIdle(): boolean
  /** Aborts, voids the open turn, completes. A commit under way ends. */
  end(): void
}

export interface RunningTaskOptions {
  readonly topology: Topology
  readonly partition: number
  readonly opened: OpenedTask
  readonly inputs: readonly TaskInput[]
  readonly onCommit: () => void
  /** The task has ended by itself: a commit was rejected, its inputs could not be read, its reader left. */
  readonly onFailure: (error: ConnectorError) => void
}

const defaultMostRecords = 500

/** A task's inputs at the positions to go on from, or the first one whose position lies beyond the log's end. */
export const placeInputs = (
  { store, admission }: TaskSurroundings,
  { topology, partition, opened }: Pick<RunningTaskOptions, 'topology' | 'partition' | 'opened'>,
): { inputs: readonly TaskInput[] } | { beyond: { topic: string; position: number; end: number } } => {
  const inputs: TaskInput[] = []
  for (const name of topology.inputs) {
    const slot = admission.slotOf(name, partition)
    const topic = admission.topicOf(name)
    const committed = opened.position(topic)
    const end = store.end(slot)
    if (committed !== undefined && committed > end) return { beyond: { topic: name, position: committed, end } }
    inputs.push({ name, topic, slot, committed, next: committed ?? store.floor(slot) })
  }
  return { inputs }
}

export const runTask = (surroundings: TaskSurroundings, options: RunningTaskOptions): RunningTask => {
  const { store, queue, admission, clock, tell, commitFault, lookSoon } = surroundings
  const { topology, partition, opened, inputs, onCommit, onFailure } = options
  const most = topology.mostRecords ?? defaultMostRecords
  const controller = new AbortController()
  const alarm = openAlarm(clock, lookSoon)
  let reader: Subscriber<Turn> | undefined
  let openTurn: Turn | undefined
  let firstInput = 0

  const end = (): void => {
    if (controller.signal.aborted) return
    alarm.clear()
    openTurn = undefined
    controller.abort()
    reader?.complete()
  }

  const fail = (error: ConnectorError): void => {
    if (controller.signal.aborted) return
    end()
    onFailure(error)
  }

  const hasRecords = (): boolean => inputs.some(({ slot, next }) => next < store.end(slot))

  const takeFrom = (input: TaskInput, quota: number): readonly LogRecord[] => {
    const floor = store.floor(input.slot)
    if (input.next < floor) {
      tell({
        name: 'log trimmed before read',
        topology: topology.name,
        topic: input.name,
        partition,
        count: floor - input.next,
      })
      input.next = floor
    }
    const until = store.end(input.slot)
    if (input.next >= until) return []
    const page = store.page(input.slot, input.next, until, quota)
    input.next = (page.at(-1)?.offset ?? until - 1) + 1
    return page
  }

  /** An equal share to each input first, then what others have left over; who comes first changes. */
  const take = (): readonly LogRecord[] => {
    const [only] = inputs
    if (only !== undefined && inputs.length === 1) return takeFrom(only, most)
    const order = [...inputs.slice(firstInput), ...inputs.slice(0, firstInput)]
    firstInput = (firstInput + 1) % inputs.length
    const pages = new Map<TaskInput, LogRecord[]>()
    let left = most
    for (const [index, input] of [...order, ...order].entries()) {
      const sharers = Math.max(1, order.length - index)
      if (left === 0) break
      const page = takeFrom(input, Math.ceil(left / sharers))
      pages.set(input, [...(pages.get(input) ?? []), ...page])
      left -= page.length
    }
    return [...pages.values()].flat()
  }

  const commit = async (step: Commit, fault: ReturnType<CommitFault>): Promise<void> => {
    admission.admitState(step.put)
    const slots = step.append.map(admission.admit)
    const moved = inputs.filter(({ next, committed }) => next !== committed)
    const positions = moved.map(({ topic, next }) => [topic, next] as const)
    if (fault === 'before') throw new ConnectorError('LOG_UNAVAILABLE', 'the commit was refused by a rehearsed fault')
    await queue.add({ records: step.append, slots, put: step.put, task: { id: opened.id, positions } })
    if (fault === 'after') throw new ConnectorError('LOG_UNAVAILABLE', 'the answer was lost by a rehearsed fault')
    for (const [index, input] of moved.entries()) input.committed = positions[index]?.[1]
  }

  const begin = (now: EpochMs, records: readonly LogRecord[]): void => {
    let isCommitted = false
    const turn: Turn = {
      now,
      records,
      commit: async (step) => {
        if (openTurn !== turn) throw closed(`the turn of ${topology.name} ${partition} is void: its task has ended`)
        if (isCommitted) throw closed(`the turn of ${topology.name} ${partition} was committed before`)
        isCommitted = true
        try {
          await commit(step, commitFault?.({ topology: topology.name, partition }))
        } catch (error) {
          fail(error as ConnectorError)
          throw error
        }
        onCommit()
        if (openTurn === turn) openTurn = undefined
        lookSoon()
      },
    }
    openTurn = turn
    reader?.next(turn)
  }

  const look = (): void => {
    if (reader === undefined || openTurn !== undefined || controller.signal.aborted) return
    try {
      const records = hasRecords() ? take() : []
      if (records.length > 0 || alarm.isDue()) {
        if (alarm.isDue()) alarm.clear()
        begin(clock.now(), records)
      }
    } catch (error) {
      fail(error as ConnectorError)
    }
  }

  const turns = new Observable<Turn>((subscriber) => {
    if (controller.signal.aborted) return subscriber.complete()
    if (reader !== undefined)
      return subscriber.error(closed(`the turns of ${topology.name} ${partition} are read already`))
    reader = subscriber
    lookSoon()
    return () => fail(closed(`the reader of ${topology.name} ${partition} has left`))
  })

  return {
    task: {
      topology: topology.name,
      partition,
      lost: controller.signal,
      othersAreDead: opened.othersAreDead,
      state: opened.state,
      turns,
      wake: alarm.set,
    },
    look,
    isIdle: () => reader === undefined || (openTurn === undefined && !hasRecords() && !alarm.isDue()),
    end,
  }
}

const closed = (text: string): ConnectorError => new ConnectorError('CLOSED', text)

interface Alarm {
  readonly set: (at: EpochMs) => void
  isDue(): boolean
  clear(): void
}

/** The earliest time that was set; `ring` is called when it has come. */
const openAlarm = (clock: Clock, ring: () => void): Alarm => {
  let setTo = Infinity
  let hasRung = false
  let cancel: () => void = () => undefined
  const clear = (): void => {
    cancel()
    setTo = Infinity
    hasRung = false
  }
  return {
    set: (at) => {
      if (hasRung || !(at < setTo)) return
      cancel()
      setTo = at
      cancel = clock.at(at, () => {
        hasRung = true
        ring()
      })
    },
    isDue: () => hasRung || setTo <= clock.now(),
    clear,
  }
}
