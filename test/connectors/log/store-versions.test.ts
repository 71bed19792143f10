import Sqlite, { type Database } from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bringUpToDate, type Upgrade } from '../../../connectors/log/embedded/store-versions.ts'
import type { Happening } from '../../../schemas/happenings.ts'

describe('a store of an older version', () => {
  let database: Database
  let told: Happening[]
  beforeEach(() => {
    database = new Sqlite(':memory:')
    told = []
    bringUpToDate(database, options())
    database.exec(`INSERT INTO setting VALUES ('partitions', 4)`)
  })
  afterEach(() => void database.close())

  const options = (...steps: Upgrade[]) => ({
    file: 'log.db',
    tell: (happening: Happening) => void told.push(happening),
    ...(steps.length === 0 ? {} : { steps: [neverAgain, ...steps] }),
  })
  const neverAgain: Upgrade = () => {
    throw new Error('a step that was taken is not taken again')
  }
  const version = (): unknown => database.pragma('user_version', { simple: true })
  const columns = (): unknown => database.prepare('SELECT name FROM pragma_table_info(?)').pluck().all('setting')

  it('is led through each step in order, keeps what it holds, and this is said', () => {
    bringUpToDate(
      database,
      options(
        (db) => db.exec(`ALTER TABLE setting ADD COLUMN note TEXT DEFAULT 'none'`),
        (db) => db.exec(`UPDATE setting SET note = note || ' yet'`),
      ),
    )
    expect(version()).toBe(3)
    expect(database.prepare('SELECT * FROM setting').all()).toEqual([
      { name: 'partitions', value: 4, note: 'none yet' },
    ])
    expect(told).toEqual([{ name: 'store upgraded', from: 1, to: 3 }])
  })

  it('stays as it was when a step fails', () => {
    const failing = options(
      (db) => db.exec('ALTER TABLE setting ADD COLUMN note TEXT'),
      () => {
        throw new Error('power cut')
      },
    )
    expect(() => bringUpToDate(database, failing)).toThrow('power cut')
    expect(version()).toBe(1)
    expect(columns()).toEqual(['name', 'value'])
    expect(told).toEqual([])
  })

  it('is left alone when it is up to date, without a word', () => {
    bringUpToDate(database, options())
    expect(told).toEqual([])
  })

  it('is refused when it is newer, with what to do', () => {
    database.pragma('user_version = 2')
    expect(() => bringUpToDate(database, options())).toThrow(
      expect.objectContaining({ code: 'LOG_DENIED', message: expect.stringContaining('newer program') }),
    )
  })
})
