import type { EpochMs } from '../../schemas/time.ts'
import { ConnectorError } from '../errors.ts'
import type { Task, Topology } from './event-log.ts'
import type { LocalStore, OpenedTask } from './local-store.ts'
import { placeInputs, runTask, type RunningTask, type TaskSurroundings } from './running-task.ts'
import type { WriteQueue } from './write-queue.ts'

/** What the seats of one log share. */
export interface SeatSurroundings extends TaskSurroundings {
  readonly store: LocalStore
  readonly queue: WriteQueue
}

/** One partition of a topology: always with a task, or on the way to the next one. */
export interface Seat {
  look(): void
  isIdle(): boolean
  /** Ends the task for good. */
  leave(): void
}

export interface SeatOptions {
  readonly topology: Topology
  readonly partition: number
  readonly emit: (task: Task) => void
  /** The log cannot be used at all: LOG_DENIED. */
  readonly deny: (error: ConnectorError) => void
}

const firstWaitMs = 50
const longestWaitMs = 5000

/** Opens the partition's task, and after its failure the next one, with growing waits until one commits. */
export const openSeat = (surroundings: SeatSurroundings, { topology, partition, emit, deny }: SeatOptions): Seat => {
  const { store, queue, clock, tell } = surroundings
  const coordinates = { topology: topology.name, partition }
  let running: RunningTask | undefined
  let cancelRetry: () => void = () => undefined
  let failures = 0
  let reason: string | undefined
  let isHeld = false
  let isTold = false
  let hasLeft = false

  const retry = (error: unknown): void => {
    running = undefined
    if (hasLeft) return
    if (error instanceof ConnectorError && error.code === 'LOG_DENIED') return deny(error)
    reason ??= error instanceof ConnectorError ? error.code : 'defect'
    const at: EpochMs = clock.now() + Math.min(longestWaitMs, firstWaitMs * 2 ** failures++)
    cancelRetry = clock.at(at, open)
  }

  const hold = (beyond: { topic: string; position: number; end: number }): void => {
    if (!isHeld) tell({ name: 'log position beyond end', ...coordinates, ...beyond })
    isHeld = true
    retry(new ConnectorError('LOG_UNAVAILABLE', `the position in ${beyond.topic} ${partition} lies beyond its end`))
  }

  /** A commit of the task before may still be on its way: what it changes must be seen here. */
  const open = (): void => {
    queue.flush()
    if (queue.isEmpty()) restore()
    else void queue.drained().then(restore)
  }

  const restore = (): void => {
    if (hasLeft) return
    try {
      const opened = store.openTask(topology.name, partition)
      const placed = placeInputs(surroundings, { topology, partition, opened })
      if ('beyond' in placed) return hold(placed.beyond)
      start(opened, placed.inputs)
    } catch (error) {
      retry(error)
    }
  }

  const start = (opened: OpenedTask, inputs: Parameters<typeof runTask>[1]['inputs']): void => {
    isHeld = false
    if (reason !== undefined && !isTold) tell({ name: 'task reopened', ...coordinates, reason, attempts: failures })
    isTold = reason !== undefined
    reason = undefined
    const onCommit = (): void => {
      failures = 0
      isTold = false
    }
    running = runTask(surroundings, { topology, partition, opened, inputs, onCommit, onFailure: retry })
    emit(running.task)
  }

  open()
  return {
    look: () => running?.look(),
    isIdle: () => running?.isIdle() ?? true,
    leave: () => {
      hasLeft = true
      cancelRetry()
      running?.end()
    },
  }
}
