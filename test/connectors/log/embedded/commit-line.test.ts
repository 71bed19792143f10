import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ConnectorError } from '../../../../connectors/errors.ts'
import { type CommitLine, openCommitLine } from '../../../../connectors/log/embedded/commit-line.ts'
import { type LogDatabase, openDatabase } from '../../../../connectors/log/embedded/database.ts'
import { openShelves } from '../../../../connectors/log/embedded/shelves.ts'
import type { Write } from '../../../../connectors/log/local-store.ts'
import { bytes } from '../log-world.ts'

let dir = ''
let database: LogDatabase
let line: CommitLine
let threads: Worker[] = []
let changes = 0

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'relay-line-'))
  threads = []
  changes = 0
  database = openDatabase({ dir, tell: () => undefined })
  const shelves = openShelves(database, { topics: [{ name: 'in' }], partitions: 1 })
  line = openCommitLine({
    file: database.file,
    tables: shelves.map(({ table, topicId, partition }) => ({ name: table, topicId, partition })),
    topicIds: [1],
    onChanged: () => void changes++,
    statements: () => [],
    unsafeThread: (thread) => void threads.push(thread),
  })
})
afterEach(async () => {
  await line.close()
  database.close()
  rmSync(dir, { recursive: true, force: true })
})

const write = (value: string): Write => ({
  records: [{ topic: 'in', key: 'k', value: bytes(value) }],
  slots: [0],
  put: [],
  task: undefined,
})

it('answers with offsets in the order of the calls, several under way at once', async () => {
  const flights = await Promise.all(['a', 'b', 'c'].map((value) => line.write([write(value), write(value)], 1)))
  expect(flights).toEqual([
    [[0], [1]],
    [[2], [3]],
    [[4], [5]],
  ])
  expect(threads).toHaveLength(1)
})

it('says that what a dead thread had under way is in doubt, and the next write starts another', async () => {
  await line.write([write('kept')], 1)
  const doubtful = Promise.all([line.write([write('perhaps')], 1), line.write([write('perhaps')], 1)])
  await threads[0]?.terminate()
  for (const [result] of await doubtful) {
    expect(result).toBeInstanceOf(ConnectorError)
    expect(result).toMatchObject({ code: 'LOG_UNAVAILABLE' })
  }
  const [[offset] = []] = (await line.write([write('after')], 1)) as readonly (readonly number[])[]
  expect(offset).toBeGreaterThan(0)
  expect(threads).toHaveLength(2)
})

it('runs what must not meet a write between two of them', async () => {
  const said: string[] = []
  line.whenFree(() => said.push('at once'))
  const flight = line.write([write('a')], 1).then(() => said.push('written'))
  line.whenFree(() => said.push('after it'))
  expect(said).toEqual(['at once'])
  await flight
  expect(said).toEqual(['at once', 'after it', 'written'])
})
