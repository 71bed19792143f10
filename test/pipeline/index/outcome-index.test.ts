import Sqlite from 'better-sqlite3'
import fc from 'fast-check'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type KeptOutcome, openIndexWriter } from '../../../pipeline/index/index-writer.ts'
import { hashOf, isFoundBy } from '../../../pipeline/index/outcome-keys.ts'
import { inMemory, openIndex, openIndexForReading, type OutcomeIndex } from '../../../pipeline/index/outcome-index.ts'
import { placeOf } from '../../../pipeline/index/place.ts'
import type { Outcome } from '../../../schemas/generated.ts'
import { dumpOf } from './index-dump.ts'
import { deliveryWith, outcomeWith, verdictWith } from './outcomes.ts'

let dir: string
let file: string
const opened: OutcomeIndex[] = []
const open = (at = file): OutcomeIndex => {
  const index = openIndex(at)
  opened.push(index)
  return index
}
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'relay-index-'))
  file = join(dir, 'outcomes.index.db')
})
afterEach(() => {
  for (const index of opened.splice(0)) index.close()
  rmSync(dir, { recursive: true, force: true })
})

const keptAs = (outcomes: readonly Outcome[], from = 0): readonly KeptOutcome[] =>
  outcomes.map((outcome, n) => ({ offset: from + n, timestamp: 1000 + from + n, outcome }))
const indexOf = (...outcomes: readonly Outcome[]): OutcomeIndex => {
  const index = open(inMemory)
  openIndexWriter(index).apply(0, 0, keptAs(outcomes))
  return index
}
const foundBy = (index: OutcomeIndex, word: string): readonly number[] => index.find(hashOf(word), 0, 100)

describe('an outcome is found', () => {
  const judged = outcomeWith({ hunt: 'H.1', verdicts: [verdictWith({ notices: ['n1'] })] })
  const delivered = outcomeWith({ deliveries: [deliveryWith()] })

  it.each(['root/C.1/F.1/1', 'F.1', 'f.1', 'C.1', 'H.1'])('with its verdicts by %s', (word) => {
    expect(foundBy(indexOf(judged), word)).toEqual([0])
    expect(isFoundBy(judged, word)).toBe(true)
  })
  it.each(['root/C.1/F.1/1', 'SOC@Example.org', '<m1@example.org>'])('with its delivery by %s', (word) => {
    expect(foundBy(indexOf(judged, delivered), word)).toContain(1)
    expect(isFoundBy(delivered, word)).toBe(true)
  })
  it.each(['F.2', 'soc@example.com', ''])('not by %s', (word) => {
    expect(foundBy(indexOf(judged, delivered), word)).toEqual([])
  })
  it('by its monitor, the newest first', () => {
    const event_at = { topic: 'events.flows', partition: 0, offset: 1 }
    const other = outcomeWith({ event_at: { ...event_at, offset: 2 }, verdicts: [verdictWith({ monitor: 'other' })] })
    const index = indexOf(judged, { ...judged, event_at }, other)
    expect(index.ofMonitor('soc', 10)).toEqual([1, 0])
    expect(index.ofMonitor('soc', 1)).toEqual([1])
    expect(index.ofMonitor('nobody', 10)).toEqual([])
  })
  it('the newest first, as many as are wanted, through all segments', () => {
    const index = open(inMemory)
    const writer = openIndexWriter(index, 3)
    for (let n = 0; n < 10; n++) writer.apply(0, n, keptAs([outcomeWith({ verdicts: [verdictWith()] })], n))
    expect(index.database.prepare('SELECT count(*) FROM segment').pluck().get()).toBeGreaterThan(5)
    expect(foundBy(index, 'F.1')).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    expect(index.find(hashOf('F.1'), 0, 4)).toEqual([9, 8, 7, 6])
    expect(index.find(hashOf('F.1'), 1, 4)).toEqual([])
  })
})

describe('an index', () => {
  it('is readable by its user alone', () => {
    open()
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })
  it('keeps what was applied, and its position', () => {
    openIndexWriter(open()).apply(0, 0, keptAs([outcomeWith({ verdicts: [verdictWith()] })]))
    const reading = openIndexForReading(file)
    expect(reading?.applied(0)).toEqual({ next: 1, time: 1000 })
    expect(reading?.coverage({ lane: { id: 1, topic: 'events.flows', partition: 0 }, from: 0 })).toEqual({
      count: 1,
      first: 0,
      last: 0,
    })
    reading?.close()
  })
  it('of another version is made anew by its writer and none for a reader', () => {
    openIndexWriter(open()).apply(0, 0, keptAs([outcomeWith({ verdicts: [verdictWith()] })]))
    const other = new Sqlite(file)
    other.pragma('user_version = 99')
    other.close()
    opened.pop()?.close()
    expect(openIndexForReading(file)).toBeNull()
    expect(open().applied(0)).toEqual({ next: 0, time: 0 })
  })
  it('that is damaged is made anew by its writer and none for a reader', () => {
    writeFileSync(file, 'this is no database, and is long enough to be seen as one that is none'.repeat(20))
    expect(openIndexForReading(file)).toBeNull()
    expect(open().applied(0)).toEqual({ next: 0, time: 0 })
  })
  it('that is missing is none for a reader, and no file is made', () => {
    expect(openIndexForReading(file)).toBeNull()
    expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined()
  })
  it('takes no outcomes from elsewhere than where it stands', () => {
    const writer = openIndexWriter(open())
    expect(writer.apply(0, 5, keptAs([outcomeWith()], 5))).toBe(false)
    expect(open().applied(0).next).toBe(0)
  })
})

describe('what is decided and what is delivered', () => {
  const judged = outcomeWith({ verdicts: [verdictWith({ notices: ['n1', 'n2'] })] })
  const delivered = (notice: string): Outcome => outcomeWith({ deliveries: [deliveryWith({ notice })] })
  const owed = (index: OutcomeIndex): readonly (readonly [string, number])[] =>
    index.owed().map(({ notice, balance }) => [notice, balance])

  it('comes out even', () => expect(owed(indexOf(judged, delivered('n1'), delivered('n2')))).toEqual([]))
  it('comes out even in any order', () => expect(owed(indexOf(delivered('n1'), judged, delivered('n2')))).toEqual([]))
  it('leaves what is not delivered', () => expect(owed(indexOf(judged, delivered('n2')))).toEqual([['n1', 1]]))
  it('leaves what is delivered twice', () =>
    expect(owed(indexOf(judged, delivered('n1'), delivered('n2'), delivered('n1')))).toEqual([['n1', -1]]))
  it('leaves what was never decided', () => expect(owed(indexOf(delivered('n9')))).toEqual([['n9', -1]]))
})

describe('outcomes that the log has removed', () => {
  it('are forgotten with their words, and those that it keeps stay', () => {
    const index = open(inMemory)
    const writer = openIndexWriter(index, 6)
    const outcomes = Array.from({ length: 20 }, (_, n) =>
      outcomeWith({
        event: `e${n}`,
        flow: `F.${n}`,
        event_at: { topic: 'events.flows', partition: 0, offset: n },
        verdicts: [verdictWith({ notices: [`n${n}`] })],
        deliveries: n < 15 ? [deliveryWith({ notice: `n${n}` })] : [],
      }),
    )
    outcomes.forEach((outcome, n) => writer.apply(0, n, keptAs([outcome], n)))
    expect(writer.prune([10])).toBe(false)
    const lane = { id: 1, topic: 'events.flows', partition: 0 }
    expect([...index.judged({ lane, from: 0 })]).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
    expect([...index.outcomes(0)]).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
    expect(foundBy(index, 'F.2')).toEqual([])
    expect(foundBy(index, 'F.12')).toEqual([12])
    dumpOf(index)
    writer.prune([20])
    expect(index.coverage({ lane, from: 0 })).toBeNull()
    expect(index.owed()).toEqual([])
  })
})

/** An event's verdicts are written into its own partition, its deliveries into any. */
const arbitraryOutcome = (own: number): fc.Arbitrary<Outcome> =>
  fc
    .record({
      event: fc.nat(5),
      other: fc.nat(1),
      topic: fc.constantFrom('events.flows', 'events.flows', 'events.flows', 'raw.flow-completions', ''),
      kind: fc.constantFrom('told', 'objected', 'rejected'),
      notices: fc.subarray(['a', 'b', 'c']),
      delivered: fc.option(fc.constantFrom('a', 'b', 'c')),
    })
    .map(({ event, other, topic, kind, notices, delivered }) => {
      const partition = delivered === null ? own : other
      const noticeOf = (name: string): string => `${name} of ${topic}/${partition}/${event}`
      const told = kind === 'told' ? notices.map(noticeOf) : []
      return outcomeWith({
        event: `e${event}`,
        flow: `F.${event}`,
        event_at: { topic, partition, offset: event },
        verdicts: delivered === null ? [verdictWith({ outcome: kind, notices: told })] : [],
        deliveries: delivered === null ? [] : [deliveryWith({ notice: noticeOf(delivered) })],
      })
    })

describe('an index that was killed and fed again', () => {
  it('holds what one holds that was made in one go', () => {
    const feeding = fc.record({ partition: fc.nat(1), from: fc.nat(30), count: fc.nat(12), isKilled: fc.boolean() })
    let runs = 0
    fc.assert(
      fc.property(
        fc.array(arbitraryOutcome(0), { maxLength: 30 }),
        fc.array(arbitraryOutcome(1), { maxLength: 30 }),
        fc.array(feeding),
        (first, second, feedings) => {
          const log = [keptAs(first), keptAs(second)] as const
          const file = join(dir, `${runs++}.db`)
          let index = openIndex(file)
          let writer = openIndexWriter(index, 7)
          for (const { partition, from, count, isKilled } of feedings) {
            const { next } = index.applied(partition)
            // What a task is fed after a kill may begin before the index's position, never behind it.
            writer.apply(
              partition,
              next,
              log[partition === 0 ? 0 : 1].slice(Math.min(from, next), Math.min(from, next) + count),
            )
            if (!isKilled) continue
            index.close()
            index = openIndex(file)
            writer = openIndexWriter(index, 7)
          }
          log.forEach((outcomes, partition) => writer.apply(partition, index.applied(partition).next, outcomes))
          const whole = openIndex(inMemory)
          log.forEach((outcomes, partition) => openIndexWriter(whole).apply(partition, 0, outcomes))
          expect(dumpOf(index)).toEqual(dumpOf(whole))
          index.close()
          whole.close()
        },
      ),
      { numRuns: 40 },
    )
  })
})

describe('places', () => {
  it('keep a partition apart from the next', () => {
    expect(placeOf(1, 0) - placeOf(0, 0)).toBe(2 ** 40)
  })
})
