import type { Tell } from '../../schemas/happenings.ts'
import { ConnectorError } from '../errors.ts'
import type { LocalStore, Write, WriteResult } from './local-store.ts'

/** Gathers what is ready in the same turn of the event loop, and what comes while the store writes, so that one fsync serves all of it. */
export interface WriteQueue {
  /** Resolves when durable. Rejects with ConnectorError when nothing of it was kept. */
  add(write: Write): Promise<readonly number[]>
  /** Hands to the store at once what is gathered. */
  flush(): void
  /** Everything added was answered. */
  isEmpty(): boolean
  /** Resolves when everything added so far was answered. */
  drained(): Promise<void>
}

export interface WriteQueueOptions {
  readonly store: Pick<LocalStore, 'write'>
  readonly tell: Tell
  /** Called after each time that something was answered. */
  readonly onWritten: () => void
}

interface Waiting {
  readonly write: Write
  readonly resolve: (offsets: readonly number[]) => void
  readonly reject: (error: ConnectorError) => void
}

/** One transaction holds about this many records: while it is written, who waits for the one before goes on. */
const recordsTogether = 500
/** Transactions handed to the store at most: the next one lies ready there when one ends. */
const mostUnderWay = 2

export const openWriteQueue = ({ store, tell, onWritten }: WriteQueueOptions): WriteQueue => {
  const availability = openAvailability(tell)
  let waiting: Waiting[] = []
  let recordsWaiting = 0
  let soon: NodeJS.Immediate | undefined
  let underWay = 0
  let added = 0
  let answered = 0
  let drains: { readonly after: number; readonly resolve: () => void }[] = []

  /** A full transaction is handed over at once; a small one waits for others, as long as the store is at work. */
  const schedule = (): void => {
    if (recordsWaiting >= recordsTogether) queueMicrotask(flush)
    else if (underWay === 0 && waiting.length > 0) soon ??= setImmediate(flush)
  }

  const isDue = (): boolean =>
    waiting.length > 0 && (underWay === 0 || (underWay < mostUnderWay && recordsWaiting >= recordsTogether))

  const flush = (): void => {
    clearImmediate(soon)
    soon = undefined
    while (isDue()) {
      const together = takeTogether(waiting)
      waiting = waiting.slice(together.length)
      recordsWaiting -= recordsIn(together)
      underWay++
      const results = store.write(together.map(({ write }) => write))
      if (results instanceof Promise) void results.then((known) => answer(together, known))
      else answer(together, results)
    }
  }

  const answer = (together: readonly Waiting[], results: readonly WriteResult[]): void => {
    underWay--
    answered += together.length
    for (const [index, { resolve, reject }] of together.entries()) {
      const result = results[index] as WriteResult
      availability(result)
      if (result instanceof ConnectorError) reject(result)
      else resolve(result)
    }
    schedule()
    for (const { resolve } of drains.filter(({ after }) => after <= answered)) resolve()
    drains = drains.filter(({ after }) => after > answered)
    onWritten()
  }

  return {
    add: (write) =>
      new Promise((resolve, reject) => {
        added++
        waiting.push({ write, resolve, reject })
        recordsWaiting += write.records.length
        schedule()
      }),
    flush,
    isEmpty: () => added === answered,
    drained: () =>
      added === answered ? Promise.resolve() : new Promise((resolve) => drains.push({ after: added, resolve })),
  }
}

const recordsIn = (some: readonly Waiting[]): number => some.reduce((sum, { write }) => sum + write.records.length, 0)

const takeTogether = (waiting: readonly Waiting[]): readonly Waiting[] => {
  let records = 0
  for (const [index, { write }] of waiting.entries()) {
    records += write.records.length
    if (records >= recordsTogether) return waiting.slice(0, index + 1)
  }
  return waiting
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
