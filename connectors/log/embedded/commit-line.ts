import { Worker } from 'node:worker_threads'
import type { EpochMs } from '../../../schemas/time.ts'
import { ConnectorError } from '../../errors.ts'
import type { Write, WriteResult } from '../local-store.ts'
import type { CommitTask, Reply, Request, WrittenReply } from './commit-messages.ts'
import { type Flight, isWorthKeeping, packed } from './flight.ts'

/** The line to the thread that commits. */
export interface CommitLine {
  /** Resolves when durable, in the order of the calls. Does not reject. */
  write(writes: readonly Write[], time: EpochMs): Promise<readonly WriteResult[]>
  /** Has it say from now on when another connection changed the file. */
  watch(): void
  /** Runs now, or as soon as nothing is being written. */
  whenFree(call: () => void): void
  /** Resolves when the thread has closed the file. */
  close(): Promise<void>
}

export interface CommitLineOptions extends CommitTask {
  /** Another connection changed the file. */
  readonly onChanged: () => void
  /** For tests: what is to run before each transaction. */
  readonly statements: () => readonly string[]
  /** For tests: sees each thread that starts. */
  readonly unsafeThread?: (thread: Worker) => void
}

interface Flying {
  readonly writes: readonly Write[]
  readonly land: (results: readonly WriteResult[]) => void
}

/** Flights whose memory is kept. */
const mostKept = 2

/** The thread starts with the first write, or when it is to watch; one that died is followed by the next. */
export const openCommitLine = ({ onChanged, statements, unsafeThread, ...task }: CommitLineOptions): CommitLine => {
  let worker: Worker | undefined
  let isWatching = false
  let flying: Flying[] = []
  let waiting: (() => void)[] = []
  let kept: Flight[] = []

  const landed = (reply: WrittenReply): void => {
    const [first, ...others] = flying
    flying = others
    if (kept.length < mostKept && isWorthKeeping(reply.flight)) kept.push(reply.flight)
    first?.land(resultsOf(first.writes, reply))
    if (flying.length > 0) return
    worker?.unref()
    free()
  }

  const free = (): void => {
    const calls = waiting
    waiting = []
    for (const call of calls) call()
  }

  const hear = (reply: Reply): void => {
    if (reply.kind === 'written') landed(reply)
    else onChanged()
  }

  /** What it had not answered is in doubt. */
  const died = (of: Worker, cause: string): void => {
    if (worker !== of) return
    worker = undefined
    const lost = flying
    flying = []
    for (const { writes, land } of lost) {
      const error = new ConnectorError(
        'LOG_UNAVAILABLE',
        `the thread that writes the log ${task.file} has ended (${cause}): the next write starts another`,
      )
      land(writes.map(() => error))
    }
    free()
  }

  const start = (): Worker => {
    const started = new Worker(new URL('./commit-thread.ts', import.meta.url), { workerData: task, execArgv: [] })
    started.unref()
    started.on('message', hear)
    started.on('error', (cause) => died(started, String(cause)))
    started.on('exit', (code) => died(started, `code ${code}`))
    worker = started
    unsafeThread?.(started)
    if (isWatching) ask({ kind: 'watch' })
    return started
  }

  const ask = (request: Request, memory: readonly ArrayBuffer[] = []): Worker => {
    const asked = worker ?? start()
    asked.postMessage(request, [...memory])
    return asked
  }

  return {
    write: (writes, time) =>
      new Promise((land) => {
        flying.push({ writes, land })
        const flight = packed(writes, kept.pop())
        ask({ kind: 'write', flight, time, statements: statements() }, [
          flight.numbers.buffer,
          flight.bytes.buffer,
        ]).ref()
      }),
    watch() {
      if (isWatching) return
      isWatching = true
      if (worker === undefined) start()
      else ask({ kind: 'watch' })
    },
    whenFree: (call) => (flying.length === 0 ? call() : void waiting.push(call)),
    close() {
      const closing = worker
      if (closing === undefined) return Promise.resolve()
      worker = undefined
      return new Promise((resolve) => {
        closing.ref()
        closing.on('exit', () => resolve())
        closing.postMessage({ kind: 'close' } satisfies Request, [])
      })
    },
  }
}

const resultsOf = (writes: readonly Write[], { failures, offsets }: WrittenReply): readonly WriteResult[] => {
  let next = 0
  return writes.map(({ records }, index) => {
    const failure = failures[index] ?? null
    if (failure !== null) return new ConnectorError(failure.code, failure.message)
    const own = [...offsets.subarray(next, next + records.length)]
    next += records.length
    return own
  })
}
