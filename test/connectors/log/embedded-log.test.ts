import type { Database } from 'better-sqlite3'
import Sqlite from 'better-sqlite3'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
  closeSync,
  cpSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openEmbeddedLog, type EmbeddedLog, type EmbeddedLogOptions } from '../../../connectors/log/embedded-log.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'
import type { Happening } from '../../../schemas/happenings.ts'
import { contractTopics, eventLogContract, type EventLogHarness } from '../../contracts/event-log.contract.ts'
import { bytes, listen, nothing, pass, quiet, range, readAll, record, refusalOf, texts, until } from './log-world.ts'

const maxRecordBytes = 10_000
const topics = contractTopics.map((name) => ({ name }))
/** Commits in a write-ahead log: each one's last frame says how large the database is then. */
const transactionsIn = (wal: Buffer): number => {
  const frameBytes = 24 + wal.readUInt32BE(8)
  let count = 0
  for (let at = 32; at + frameBytes <= wal.length; at += frameBytes)
    if (wal.readUInt32BE(at + 4) !== 0 && wal.compare(wal, 16, 24, at + 8, at + 16) === 0) count++
  return count
}
const temporaryDir = (): string => mkdtempSync(join(tmpdir(), 'relay-log-'))

const openHarness = async (): Promise<EventLogHarness> => {
  const dir = temporaryDir()
  const clock = systemClock()
  const faults: { topology: string; when: 'before' | 'after' }[] = []
  const open = (): Promise<EmbeddedLog> =>
    openEmbeddedLog({
      dir,
      topics,
      partitions: 3,
      clock,
      tell: () => undefined,
      maxRecordBytes,
      commitFault: ({ topology }) => {
        const at = faults.findIndex((fault) => fault.topology === topology)
        return at < 0 ? undefined : faults.splice(at, 1)[0]?.when
      },
    })
  let log = await open()
  return {
    get log() {
      return log
    },
    maxRecordBytes,
    patience: 5000,
    now: clock.now,
    pass: (ms) => setTimeout(ms),
    failNextCommit: (topology, when) => void faults.push({ topology, when }),
    reopen: async () => {
      await log.close()
      log = await open()
    },
    dispose: async () => {
      await log.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

eventLogContract('the embedded log', openHarness)

describe('the embedded log', () => {
  let root = ''
  let dir = ''
  let told: Happening[] = []
  let logs: EmbeddedLog[] = []
  let children: ChildProcess[] = []
  beforeEach(() => {
    root = temporaryDir()
    dir = join(root, 'data')
    told = []
  })
  afterEach(async () => {
    for (const child of children) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
    }
    for (const log of logs) await log.close()
    logs = []
    children = []
    rmSync(root, { recursive: true, force: true })
  })

  const open = async (options: Partial<EmbeddedLogOptions> = {}): Promise<EmbeddedLog> => {
    const tell = (happening: Happening): void => void told.push(happening)
    const log = await openEmbeddedLog({ dir, topics, clock: systemClock(), tell, ...options })
    logs.push(log)
    return log
  }
  const file = (): string => join(dir, 'log.db')
  const inFile = <T>(work: (database: Database) => T): T => {
    const database = new Sqlite(file())
    try {
      return work(database)
    } finally {
      database.close()
    }
  }
  const toldOf = (name: Happening['name']): Happening[] => told.filter((happening) => happening.name === name)

  const startProcess = (deed: 'own' | 'append'): { child: ChildProcess; said: () => Promise<string> } => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'owner-process.ts'), dir, deed], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    children.push(child)
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
    return { child, said: async () => String((await lines.next()).value) }
  }

  describe('its files', () => {
    it('are for their owner only', async () => {
      const log = await open()
      listen(log, { name: 'reader', inputs: ['in'] })
      await log.append([record('in', 'v')])
      expect(statSync(dir).mode & 0o777).toBe(0o700)
      const names = readdirSync(dir).sort()
      expect(names).toEqual(['log.db', 'log.db-shm', 'log.db-wal', 'owner.lock', 'owner.pid'])
      for (const name of names) expect(statSync(join(dir, name)).mode & 0o777, name).toBe(0o600)
    })

    it('are written with each commit synced, also when the log is opened again', async () => {
      const unsafeStatements = (): readonly string[] => [
        'CREATE TABLE IF NOT EXISTS seen (synchronous, journal_mode)',
        'INSERT INTO seen SELECT synchronous, journal_mode FROM pragma_synchronous, pragma_journal_mode',
      ]
      for (const text of ['first', 'second']) {
        const log = await open({ unsafeStatements })
        await log.append([record('in', text)])
        await log.close()
      }
      const database = new Sqlite(file())
      expect(database.prepare('SELECT * FROM seen').raw().all()).toEqual([
        [2, 'wal'],
        [2, 'wal'],
      ])
      database.close()
    })

    it('are refused when the directory is a file', async () => {
      writeFileSync(dir, '')
      expect(await refusalOf(open(), 'LOG_DENIED')).toContain(dir)
    })
  })

  describe('its settings', () => {
    it('are 4 partitions unless said otherwise, and then as it was made', async () => {
      expect((await open()).partitions).toBe(4)
      dir = join(dir, 'other')
      await (await open({ partitions: 7 })).close()
      expect((await open()).partitions).toBe(7)
    })

    it('refuse another number of partitions, and say which is right', async () => {
      await (await open({ partitions: 2 })).close()
      const text = await refusalOf(open({ partitions: 3 }), 'LOG_DENIED')
      expect(text).toContain('2 partitions, not 3')
      expect(text).toContain('Configure 2')
    })

    it('take new topics, in whatever order they are listed', async () => {
      const first = await open({ topics: [{ name: 'in' }] })
      await first.append([record('in', 'v')])
      await first.close()
      const second = await open({ topics: [{ name: 'new' }, { name: 'in' }] })
      await second.append([record('new', 'w')])
      expect(texts(await readAll(second, { topic: 'in', partition: 0 }))).toEqual(['v'])
      expect(texts(await readAll(second, { topic: 'new', partition: 0 }))).toEqual(['w'])
    })
  })

  describe('its version', () => {
    it('is refused when a newer program wrote it, and nothing is changed', async () => {
      await (await open()).close()
      inFile((database) => database.pragma('user_version = 99'))
      const text = await refusalOf(open(), 'LOG_DENIED')
      expect(text).toContain('version 99')
      expect(text).toContain('newer program')
      expect(inFile((database) => database.pragma('user_version', { simple: true }))).toBe(99)
    })

    it('is refused when the file is a database of another program, and nothing is changed', async () => {
      await (await open()).close()
      rmSync(file())
      inFile((database) => database.exec('CREATE TABLE theirs (a)'))
      const before = readFileSync(file())
      expect(await refusalOf(open(), 'LOG_DENIED')).toContain('another program')
      expect(readFileSync(file()).equals(before)).toBe(true)
    })
  })

  describe('the ownership of tasks', () => {
    it('is for one: the second is refused, naming directory and process, yet may append and read', async () => {
      const [first, second] = [await open(), await open()]
      const owner = listen(first, { name: 'reader', inputs: ['in'] })
      const refused = listen(second, { name: 'reader', inputs: ['in'] })
      expect(refused.error).toMatchObject({ name: 'ConnectorError', code: 'LOG_DENIED' })
      expect((refused.error as Error).message).toContain(dir)
      expect((refused.error as Error).message).toContain(`process ${process.pid}`)
      await second.append([record('in', 'from the second')])
      const { turn } = await until(() => owner.turns[0], 'a turn')
      expect(texts(turn.records)).toEqual(['from the second'])
      await turn.commit({ append: [record('out', 'answer')], put: [] })
      expect(texts(await readAll(second, { topic: 'out', partition: 0 }))).toEqual(['answer'])
    })

    it('ends with close', async () => {
      const first = await open()
      listen(first, { name: 'reader', inputs: ['in'] })
      await first.close()
      const again = listen(await open(), { name: 'reader', inputs: ['in'] })
      expect(again.error).toBeUndefined()
      expect(again.tasks).toHaveLength(4)
      // Who gave it back may still wait for a mail server's reply.
      expect(again.tasks.map(({ othersAreDead }) => othersAreDead)).toEqual([false, false, false, false])
    })

    it('ends with its process, even a killed one', async () => {
      const { child, said } = startProcess('own')
      expect(await said()).toBe('owns')
      const log = await open()
      const refused = listen(log, { name: 'reader', inputs: ['in'] })
      expect((refused.error as Error).message).toContain(`process ${child.pid}`)
      child.kill('SIGKILL')
      await once(child, 'exit')
      const { tasks } = listen(log, { name: 'reader', inputs: ['in'] })
      expect(tasks.map(({ othersAreDead }) => othersAreDead)).toEqual([true, true, true, true])
    })

    it('is not given twice for one topology in one process', async () => {
      const log = await open()
      listen(log, { name: 'reader', inputs: ['in'] })
      expect(listen(log, { name: 'reader', inputs: ['in'] }).error).toMatchObject({ code: 'LOG_DENIED' })
    })
  })

  describe('other processes', () => {
    it('append beside the owner, who is woken by it', async () => {
      const log = await open()
      const owner = listen(log, { name: 'reader', inputs: ['in'] })
      await log.append([record('in', 'own')])
      await (await until(() => owner.turns[0], 'a turn')).turn.commit(nothing)
      expect(await startProcess('append').said()).toBe('appended')
      const { turn } = await until(() => owner.turns[1], 'a second turn')
      expect(texts(turn.records)).toEqual(['from outside'])
      await turn.commit({ append: [record('in', 'after it')], put: [] })
      expect(texts(await readAll(log, { topic: 'in', partition: 0 }))).toEqual(['own', 'from outside', 'after it'])
    })

    it('and this one take turns at the end of a partition, and see all of it', async () => {
      const both = [await open(), await open()]
      for (const n of range(6)) {
        const [position] = (await both[n % 2]?.append([record('in', `${n}`)])) ?? []
        expect(position?.offset).toBe(n)
      }
      for (const n of range(9).slice(6)) {
        await both[n % 2]?.append([record('in', `${n}`)])
        for (const log of both)
          expect(texts(await readAll(log, { topic: 'in', partition: 0 }))).toEqual(range(n + 1).map(String))
      }
    })

    it('are waited for without holding the event loop while they write', async () => {
      const log = await open()
      const other = new Sqlite(file())
      other.exec('BEGIN IMMEDIATE')
      const appending = log.append([record('in', 'v')])
      await setTimeout(60)
      other.exec('COMMIT')
      other.close()
      await appending
      expect(texts(await readAll(log, { topic: 'in', partition: 0 }))).toEqual(['v'])
    })

    it('may make the same new log at the same time', async () => {
      const said = await Promise.all(range(4).map(() => startProcess('append').said()))
      expect(said).toEqual(['appended', 'appended', 'appended', 'appended'])
      expect(await readAll(await open(), { topic: 'in', partition: 0 })).toHaveLength(4)
    })
  })

  describe('commits that are ready together', () => {
    it('share one transaction', async () => {
      const log = await open()
      const heard = listen(log, { name: 'reader', inputs: ['in'] })
      await log.append(range(4).map((partition) => record('in', 'v', partition)))
      await until(() => heard.turns.length === 4, '4 turns')
      const before = transactionsIn(readFileSync(`${file()}-wal`))
      await Promise.all([...heard.turns.map(({ turn }) => turn.commit(nothing)), log.append([record('out', 'v')])])
      expect(transactionsIn(readFileSync(`${file()}-wal`)) - before).toBe(1)
    })

    it('do not suffer from one that the database cannot take', async () => {
      const log = await open({
        unsafeStatements: () => [
          `CREATE TEMP TRIGGER IF NOT EXISTS bad BEFORE INSERT ON state WHEN new.key = 'bad'
            BEGIN SELECT zeroblob(3000000000); END`,
        ],
      })
      const heard = listen(log, { name: 'reader', inputs: ['in'] })
      await log.append(range(3).map((partition) => record('in', 'v', partition)))
      await until(() => heard.turns.length === 3, '3 turns')
      const results = await Promise.allSettled(
        heard.turns.map(({ task, turn }) =>
          turn.commit({
            append: [record('out', `${task.partition}`)],
            put: [[task.partition === 1 ? 'bad' : 'good', bytes('1')]],
          }),
        ),
      )
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      const outputs = await readAll(log, { topic: 'out', partition: 0 })
      expect(outputs.map(({ key, offset }) => [key, offset])).toEqual([
        ['0', 0],
        ['2', 1],
      ])
    })
  })

  describe('a damaged file', () => {
    const fill = async (): Promise<void> => {
      const log = await open()
      await log.append(range(400).map((n) => ({ ...record('in', `${n}`), value: new Uint8Array(2000).fill(65) })))
      await log.close()
    }

    it('is refused, naming it and what to do, when it is no database', async () => {
      await fill()
      writeFileSync(file(), 'this is not a database, but a text of more than a hundred bytes'.repeat(10))
      const text = await refusalOf(open(), 'LOG_DENIED')
      expect(text).toContain(file())
      expect(text).toContain('backup')
    })

    it('is refused at once when it was cut short', async () => {
      await fill()
      truncateSync(file(), statSync(file()).size - 8192 * 3)
      expect(await refusalOf(open(), 'LOG_DENIED')).toContain('damaged')
    })

    const overwrite = (at: number): void => {
      const handle = openSync(file(), 'r+')
      writeSync(handle, Buffer.alloc(8192 * 20, 0xff), 0, 8192 * 20, at)
      closeSync(handle)
    }

    it('is found before tasks run when the owner before had crashed, again and again', async () => {
      await fill()
      writeFileSync(join(dir, 'owner.pid'), '1\n')
      overwrite(8192 * 60)
      const log = await open()
      for (const name of ['first', 'second']) {
        const { error } = listen(log, { name, inputs: ['in'] })
        expect(error).toMatchObject({ code: 'LOG_DENIED' })
        expect((error as Error).message).toContain(file())
      }
    })

    it('ends the tasks for good when it shows only while they run', async () => {
      await fill()
      overwrite(8192 * 60)
      const log = await open()
      const heard = listen(log, { name: 'reader', inputs: ['in'] })
      let seen = 0
      await until(() => {
        for (const { turn } of heard.turns.slice(seen)) {
          seen++
          void turn.commit(nothing)
        }
        return heard.error !== undefined
      }, 'the error')
      expect(heard.error).toMatchObject({ name: 'ConnectorError', code: 'LOG_DENIED' })
      await refusalOf(readAll(log, { topic: 'in', partition: 0 }), 'LOG_DENIED')
    })
  })

  describe('a full disk', () => {
    it('ends tasks with LOG_UNAVAILABLE and opens them again with growing waits; with room everything goes on', async () => {
      const clock = virtualClock(1_700_000_000_000)
      let statements: readonly string[] = []
      const log = await open({ clock, unsafeStatements: () => statements })
      const limit = (pages: number): void => void (statements = [`PRAGMA max_page_count = ${pages}`])
      await log.append(range(5).map((n) => record('in', `${n}`)))
      const heard = listen(log, { name: 'copier', inputs: ['in'], mostRecords: 1 })
      const large = { ...record('out', 'large'), value: new Uint8Array(9000) }
      const copy = async ({ task, turn }: (typeof heard.turns)[number]): Promise<void> => {
        const count = Number(new TextDecoder().decode(task.state.get('count') ?? bytes('0')))
        const outputs = turn.records.map(({ value }) => ({ ...large, key: new TextDecoder().decode(value) }))
        await turn.commit({ append: outputs, put: [['count', bytes(`${count + 1}`)]] })
      }
      await copy(await until(() => heard.turns[0], 'a turn'))

      limit(1)
      const opened: number[] = []
      for (const nth of range(9)) {
        const next = await until(() => heard.turns[nth + 1], `turn ${nth + 2}`)
        expect(texts(next.turn.records)).toEqual(['1'])
        const text = await refusalOf(copy(next), 'LOG_UNAVAILABLE')
        expect(text).toContain('make room')
        expect(next.task.lost.aborted).toBe(true)
        const failedAt = clock.now()
        await until(() => {
          if (heard.tasks.length > 4 + nth) return true
          const due = clock.next()
          if (due !== undefined) clock.advanceTo(due)
          return false
        }, 'the next task')
        opened.push(clock.now() - failedAt)
      }
      expect(opened).toEqual([50, 100, 200, 400, 800, 1600, 3200, 5000, 5000])
      await refusalOf(log.append([large]), 'LOG_UNAVAILABLE')

      limit(1_000_000)
      for (const nth of range(4)) await copy(await until(() => heard.turns[nth + 10], 'a turn with room'))
      const outputs = await readAll(log, { topic: 'out', partition: 0 })
      expect(outputs.map(({ key }) => key)).toEqual(range(5).map(String))
      expect(outputs.map(({ offset }) => offset)).toEqual(range(5))
      expect(new TextDecoder().decode(heard.tasks.at(-1)?.state.get('count'))).toBe('5')
      expect(toldOf('log unavailable')).toHaveLength(1)
      expect(toldOf('log available again')).toEqual([{ name: 'log available again', failed: 10 }])
      expect(toldOf('task reopened')).toEqual([
        { name: 'task reopened', topology: 'copier', partition: 0, reason: 'LOG_UNAVAILABLE', attempts: 1 },
      ])
    })
  })

  describe('retention', () => {
    const start = 1_700_000_000_000
    const hour = 3_600_000
    const aging = [{ name: 'in', keptMs: hour }, { name: 'out' }, { name: 'other', compacted: true as const }]

    it('removes by time what was read and what was not, and says how many went unread', async () => {
      const clock = virtualClock(start)
      const log = await open({ clock, topics: aging })
      const heard = listen(log, { name: 'reader', inputs: ['in'], mostRecords: 3 })
      await log.append(range(10).map((n) => record('in', `${n}`)))
      await log.append([record('out', 'for ever')])
      await (await until(() => heard.turns[0], 'a turn')).turn.commit(nothing)
      const held = await until(() => heard.turns[1], 'a second turn')
      await pass(clock, hour / 2)
      await log.append([record('in', 'young')])
      await pass(clock, hour / 2 + 70_000)
      expect(texts(await readAll(log, { topic: 'in', partition: 0 }))).toEqual(['young'])
      expect(texts(await readAll(log, { topic: 'out', partition: 0 }))).toEqual(['for ever'])
      await held.turn.commit(nothing)
      expect(texts((await until(() => heard.turns[2], 'a third turn')).turn.records)).toEqual(['young'])
      expect(toldOf('log trimmed before read')).toEqual([
        { name: 'log trimmed before read', topology: 'reader', topic: 'in', partition: 0, count: 4 },
      ])
    })

    it('jumps to the oldest record kept when a task opens after it, and the offsets go on', async () => {
      const clock = virtualClock(start)
      const log = await open({ clock, topics: aging })
      const first = listen(log, { name: 'reader', inputs: ['in'] })
      await log.append([record('in', 'read')])
      await (await until(() => first.turns[0], 'a turn')).turn.commit(nothing)
      first.subscription.unsubscribe()
      await log.append(range(5).map((n) => record('in', `${n}`)))
      await pass(clock, hour + 70_000)
      expect(await readAll(log, { topic: 'in', partition: 0 })).toEqual([])
      await log.close()
      const again = await open({ clock, topics: aging })
      const [position] = await again.append([record('in', 'new')])
      expect(position?.offset).toBe(6)
      const heard = listen(again, { name: 'reader', inputs: ['in'] })
      expect(texts((await until(() => heard.turns[0], 'a turn')).turn.records)).toEqual(['new'])
      expect(toldOf('log trimmed before read').map(({ count }) => count)).toEqual([5])
    })

    it('removes by size the oldest first, a bounded number a step, and the space is used again', async () => {
      const clock = virtualClock(start)
      const maxBytes = 4_000_000
      const log = await open({
        clock,
        topics: [{ name: 'in', keptMs: 1000 * hour }, { name: 'out' }],
        retention: { maxBytes },
      })
      listen(log, { name: 'idle', inputs: [], slots: 1 })
      await log.append([record('out', 'for ever')])
      const sizes: number[] = []
      for (const round of range(12)) {
        await log.append(
          range(1500).map((n) => ({ ...record('in', `${round * 1500 + n}`), value: new Uint8Array(1000) })),
        )
        await pass(clock, 1000)
        sizes.push(inFile((database) => Number(database.pragma('page_count', { simple: true })) * 8192))
      }
      const kept = await readAll(log, { topic: 'in', partition: 0 })
      expect(kept.at(-1)?.offset).toBe(17_999)
      expect(kept.map(({ offset }) => offset)).toEqual(range(kept.length).map((n) => 18_000 - kept.length + n))
      expect(kept.length * 1000).toBeLessThan(maxBytes)
      expect(kept.length * 1000).toBeGreaterThan(maxBytes / 3)
      expect(Math.max(...sizes)).toBeLessThan(2 * maxBytes)
      expect(sizes.at(-1)).toBe(sizes.at(-4))
      expect(texts(await readAll(log, { topic: 'out', partition: 0 }))).toEqual(['for ever'])
      for (const { count } of toldOf('retention removed records')) expect(Number(count)).toBeLessThanOrEqual(1000)
    })

    it('keeps the newest record of each key of a compacted topic', async () => {
      const clock = virtualClock(start)
      const log = await open({ clock, topics: aging })
      const heard = listen(log, { name: 'idle', inputs: [], slots: 1 })
      const keyed = (key: string, text: string) => ({ ...record('other', text), key })
      await log.append([keyed('a', 'a1'), keyed('b', 'b1'), keyed('a', 'a2'), keyed('c', 'c1'), keyed('a', 'a3')])
      await pass(clock, 1000)
      expect(texts(await readAll(log, { topic: 'other', partition: 0 }))).toEqual(['b1', 'c1', 'a3'])
      heard.subscription.unsubscribe()
      const reader = listen(log, { name: 'reader', inputs: ['other'] })
      expect(texts((await until(() => reader.turns[0], 'a turn')).turn.records)).toEqual(['b1', 'c1', 'a3'])
      expect(toldOf('log trimmed before read')).toEqual([])
    })

    it('leaves the log alone in a process that does not own the tasks', async () => {
      const clock = virtualClock(start)
      const log = await open({ clock, topics: aging })
      await log.append([record('in', 'old')])
      await pass(clock, 2 * hour)
      expect(texts(await readAll(log, { topic: 'in', partition: 0 }))).toEqual(['old'])
    })
  })

  describe('a position beyond the end', () => {
    it('holds its partition, says so once, and goes on when the log has grown', async () => {
      const clock = virtualClock(1_700_000_000_000)
      const log = await open({ clock })
      const first = listen(log, { name: 'reader', inputs: ['in'] })
      await log.append(range(4).map((partition) => record('in', 'v', partition)))
      await until(() => first.turns.length === 4, '4 turns')
      await Promise.all(first.turns.map(({ turn }) => turn.commit(nothing)))
      first.subscription.unsubscribe()
      inFile((database) => database.exec('UPDATE position SET next = 3 WHERE task = 2'))
      const heard = listen(log, { name: 'reader', inputs: ['in'] })
      await pass(clock, 60_000)
      expect(heard.tasks.map(({ partition }) => partition)).toEqual([0, 2, 3])
      expect(toldOf('log position beyond end')).toEqual([
        { name: 'log position beyond end', topology: 'reader', partition: 1, topic: 'in', position: 3, end: 1 },
      ])
      await log.append(range(3).map((n) => record('in', `${n}`, 1)))
      await pass(clock, 5000)
      expect(heard.tasks.map(({ partition }) => partition)).toEqual([0, 2, 3, 1])
      expect(texts(heard.turns[0]?.turn.records ?? [])).toEqual(['2'])
    })
  })

  it('finds the first record at or after a time though the clock was set back', async () => {
    const times = [1000, 2000, 5000, 1500, 1600, 6000]
    let now = 0
    const log = await open({ clock: { now: () => now, at: () => () => undefined } })
    for (const time of times) {
      now = time
      await log.append([record('in', `${time}`)])
    }
    const from = async (timestamp: number): Promise<string[]> =>
      texts(await readAll(log, { topic: 'in', partition: 0, from: { timestamp } }))
    expect(await from(1500)).toEqual(['2000', '5000', '1500', '1600', '6000'])
    expect(await from(2001)).toEqual(['5000', '1500', '1600', '6000'])
    expect(await from(5001)).toEqual(['6000'])
    expect(await from(6001)).toEqual([])
  })

  it('shares a turn fairly between its inputs, and wastes no room in it', async () => {
    const log = await open()
    await log.append([...range(100).map((n) => record('in', `${n}`)), ...range(4).map((n) => record('other', `${n}`))])
    const heard = listen(log, { name: 'joiner', inputs: ['in', 'other', 'out'], mostRecords: 12 })
    const first = await until(() => heard.turns[0], 'a turn')
    expect(first.turn.records.filter(({ topic }) => topic === 'other')).toHaveLength(4)
    expect(first.turn.records).toHaveLength(12)
    await first.turn.commit(nothing)
    expect((await until(() => heard.turns[1], 'a second turn')).turn.records).toHaveLength(12)
  })

  it('gives large records in small turns', async () => {
    const log = await open({ maxRecordBytes: 3_000_000 })
    await log.append(range(6).map((n) => ({ ...record('in', `${n}`), value: new Uint8Array(2_500_000) })))
    const heard = listen(log, { name: 'reader', inputs: ['in'] })
    const { turn } = await until(() => heard.turns[0], 'a turn')
    expect(turn.records).toHaveLength(2)
  })

  it('opens what was copied while it ran, once the write-ahead log is copied too', async () => {
    const log = await open()
    await log.append(range(20).map((n) => record('in', `${n}`)))
    const copy = join(root, 'copy')
    cpSync(dir, copy, { recursive: true, filter: (source) => !source.endsWith('-shm') })
    await quiet()
    dir = copy
    expect(await readAll(await open(), { topic: 'in', partition: 0 })).toHaveLength(20)
  })
})
