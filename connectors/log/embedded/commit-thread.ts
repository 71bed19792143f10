/** The thread that commits: it waits for the disk, so that the others need not. Its messages are in commit-messages.ts. */
import Sqlite from 'better-sqlite3'
import { parentPort, workerData } from 'node:worker_threads'
import { ConnectorError } from '../../errors.ts'
import type { WriteResult } from '../local-store.ts'
import type { CommitTask, Reply, Request, WrittenReply } from './commit-messages.ts'
import { type Committer, openCommitter } from './committer.ts'
import { setUpWriting } from './connection.ts'
import { unpacked } from './flight.ts'
import { asLogError } from './store-errors.ts'

/** Another process may be writing. */
const busyMostMs = 10_000
/** How soon what other processes wrote is seen. */
const lookAroundMs = 20

const { file, tables, topicIds } = workerData as CommitTask
let database: Sqlite.Database | undefined
let committer: Committer | undefined

/** Opened by the first write that can: an error that passes is no reason to give up. */
const open = (): Committer => {
  if (committer !== undefined) return committer
  database ??= new Sqlite(file, { timeout: busyMostMs })
  setUpWriting(database, file)
  return (committer = openCommitter({ database, file, tables, topicIds }))
}

const say = (reply: Reply, memory: readonly ArrayBuffer[] = []): void => parentPort?.postMessage(reply, [...memory])

const writtenBy = ({ flight, time, statements }: Extract<Request, { kind: 'write' }>): readonly WriteResult[] => {
  const writes = unpacked(flight)
  try {
    const opened = open()
    for (const statement of statements) database?.exec(statement)
    return opened.write(writes, time)
  } catch (cause) {
    const error = asLogError(cause, file)
    return writes.map(() => error)
  }
}

const failureOf = (result: WriteResult): WrittenReply['failures'][number] =>
  result instanceof ConnectorError ? { code: result.code, message: result.message } : null

const write = (request: Extract<Request, { kind: 'write' }>): void => {
  const results = writtenBy(request)
  lookAround()
  const failures = results.map(failureOf)
  const offsets = Float64Array.from(results.flatMap((result) => (result instanceof ConnectorError ? [] : result)))
  say({ kind: 'written', failures, offsets, flight: request.flight }, [
    offsets.buffer,
    request.flight.numbers.buffer,
    request.flight.bytes.buffer,
  ])
}

const lookAround = (): void => {
  try {
    if (open().hasChanged()) say({ kind: 'changed' })
  } catch {
    // The tasks meet the same trouble when they read, and end with it.
    say({ kind: 'changed' })
  }
}

let lookout: NodeJS.Timeout | undefined
parentPort?.on('message', (request: Request) => {
  if (request.kind === 'write') return write(request)
  if (request.kind === 'watch') return void (lookout ??= setInterval(lookAround, lookAroundMs))
  clearInterval(lookout)
  database?.close()
  parentPort?.close()
})
