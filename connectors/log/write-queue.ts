import type { Tell } from '../../schemas/happenings.ts'
import { ConnectorError } from '../errors.ts'
import type { LocalStore, Write, WriteResult } from './local-store.ts'

/** Gathers what is ready in the same turn of the event loop, so that one fsync serves all of it. */
export interface WriteQueue {
  /** Resolves when durable. Rejects with ConnectorError when nothing of it was kept. */
  add(write: Write): Promise<readonly number[]>
  /** Writes at once what is gathered, unless the store is busy. */
  flush(): void
  isEmpty(): boolean
  /** Resolves when everything added so far was answered. */
  drained(): Promise<void>
}

export interface WriteQueueOptions {
  readonly store: LocalStore
  readonly tell: Tell
  /** Called after each time that something was answered. */
  readonly onWritten: () => void
}

interface Waiting {
  readonly write: Write
  readonly resolve: (offsets: readonly number[]) => void
  readonly reject: (error: ConnectorError) => void
}

/** One transaction holds about this many records, so that the event loop is not held for long. */
const recordsTogether = 5000
const busyRetryMs = 5
const busyMostMs = 10_000

export const openWriteQueue = ({ store, tell, onWritten }: WriteQueueOptions): WriteQueue => {
  const availability = openAvailability(tell)
  let waiting: Waiting[] = []
  let soon: NodeJS.Immediate | undefined
  let later: NodeJS.Timeout | undefined
  let busySince: number | undefined
  let idle: (() => void)[] = []

  const schedule = (): void => {
    if (later === undefined) soon ??= setImmediate(flush)
  }

  const flush = (): void => {
    clearImmediate(soon)
    clearTimeout(later)
    soon = later = undefined
    if (waiting.length === 0) return
    const together = takeTogether(waiting)
    const results = store.write(together.map(({ write }) => write))
    if (results === 'busy') return postpone(together)
    busySince = undefined
    waiting = waiting.slice(together.length)
    answer(together, results)
  }

  const postpone = (together: readonly Waiting[]): void => {
    busySince ??= performance.now()
    if (performance.now() - busySince < busyMostMs) {
      later = setTimeout(() => {
        later = undefined
        flush()
      }, busyRetryMs)
      return
    }
    busySince = undefined
    waiting = waiting.slice(together.length)
    const error = new ConnectorError(
      'LOG_UNAVAILABLE',
      `another process has been writing to the log for ${busyMostMs / 1000} s without a pause: see which one has it open`,
    )
    answer(
      together,
      together.map(() => error),
    )
  }

  const answer = (together: readonly Waiting[], results: readonly WriteResult[]): void => {
    for (const [index, { resolve, reject }] of together.entries()) {
      const result = results[index] as WriteResult
      availability(result)
      if (result instanceof ConnectorError) reject(result)
      else resolve(result)
    }
    if (waiting.length > 0) schedule()
    else {
      for (const call of idle) call()
      idle = []
    }
    onWritten()
  }

  return {
    add: (write) =>
      new Promise((resolve, reject) => {
        waiting.push({ write, resolve, reject })
        schedule()
      }),
    flush,
    isEmpty: () => waiting.length === 0,
    drained: () => (waiting.length === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  }
}

const takeTogether = (waiting: readonly Waiting[]): readonly Waiting[] => {
  let records = 0
  for (const [index, { write }] of waiting.entries()) {
    records += write.records.length
    if (records >= recordsTogether) return waiting.slice(0, index + 1)
  }
  return waiting.slice()
}

/** Says once that nothing can be written, and once that it can again. */
const openAvailability = (tell: Tell): ((result: WriteResult) => void) => {
  let failed = 0
  return (result) => {
    if (result instanceof ConnectorError) {
      if (result.code !== 'LOG_UNAVAILABLE') return
      if (failed++ === 0) tell({ name: 'log unavailable', reason: result.message })
    } else if (failed > 0) {
      tell({ name: 'log available again', failed })
      failed = 0
    }
  }
}
