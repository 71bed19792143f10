import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Marks } from '../../../pipeline/runtime/marks.ts'
import { anyQueue } from '../../../pipeline/sources/queue-source.ts'
import { openEqualRows } from '../../../pipeline/sources/equal-rows.ts'
import { substanceHash } from '../../../pipeline/sources/substance.ts'
import { cameBefore } from '../../../pipeline/sources/twins.ts'
import type { Mark } from '../../../schemas/generated.ts'

const T = 1_776_875_483_000
const queue = anyQueue('Custom.Events')

const openMarks = (): Marks => {
  const marks = new Map<string, Mark>()
  return { get: (id) => marks.get(id), put: (id, mark) => marks.set(id, mark), forget: () => undefined }
}

interface Stored {
  /** Ms of its sending, and how much later it was written. */
  readonly sentAt: number
  readonly lateMs: number
}

/** How many rows are new when all are watched and then read back so often. */
const told = (rows: readonly Stored[], { live, readings }: { live: readonly boolean[]; readings: number }) => {
  const seen = openMarks()
  let fresh = 0
  const take = (row: object, origin: 'live' | 'history', equal: ReturnType<typeof openEqualRows>): void => {
    const copy = equal.next(substanceHash(row, ''))
    if (!cameBefore(seen, queue.identify('root', row, 0, copy), origin)) fresh++
  }
  const watching = openEqualRows()
  rows.forEach(({ sentAt }, n) => {
    if (live[n] === true) take({ A: 1, _ts: Math.floor((T + sentAt) / 1000) }, 'live', watching)
  })
  for (let reading = 0; reading < readings; reading++) {
    const equal = openEqualRows()
    for (const { sentAt, lateMs } of rows) take({ A: 1, _ts: T + sentAt + lateMs }, 'history', equal)
  }
  return fresh
}

describe('equal rows of a queue', () => {
  it('that were sent at the end of a second and written in the next are one', () => {
    expect(told([{ sentAt: 999, lateMs: 3 }], { live: [true], readings: 3 })).toBe(1)
  })

  it('are one too when they are read back before they are told live', () => {
    const seen = openMarks()
    expect(cameBefore(seen, queue.identify('root', { A: 1, _ts: T + 1002 }, 0), 'history')).toBe(false)
    expect(cameBefore(seen, queue.identify('root', { A: 1, _ts: T / 1000 }, 0), 'live')).toBe(true)
    expect(cameBefore(seen, queue.identify('root', { A: 1, _ts: T / 1000 + 1 }, 0, 1), 'live')).toBe(false)
  })

  const inOrderOfWriting = (rows: readonly Stored[]): readonly Stored[] => {
    let last = 0
    return rows
      .toSorted((a, b) => a.sentAt - b.sentAt)
      .map(({ sentAt, lateMs }) => {
        last = Math.max(last, sentAt + lateMs)
        return { sentAt, lateMs: last - sentAt }
      })
  }

  it('are as many as were stored when all came live, wherever the second ends', () =>
    fc.assert(
      fc.property(
        fc.nat(999),
        fc.array(fc.record({ burst: fc.nat(3), within: fc.nat(80), lateMs: fc.nat(40) }), { maxLength: 12 }),
        (at, all) => {
          const rows = inOrderOfWriting(
            all.map(({ burst, within, lateMs }) => ({ sentAt: burst * 3000 + at + within, lateMs })),
          )
          expect(told(rows, { live: rows.map(() => true), readings: 3 })).toBe(rows.length)
        },
      ),
    ))

  it('are never fewer than were stored, whatever of them came live', () =>
    fc.assert(
      fc.property(
        fc.array(fc.record({ sentAt: fc.nat(3000), lateMs: fc.nat(40) }), { maxLength: 8 }),
        fc.infiniteStream(fc.boolean()),
        (all, some) => {
          const rows = inOrderOfWriting(all)
          const live = [...some.take(rows.length)]
          expect(told(rows, { live, readings: 2 })).toBeGreaterThanOrEqual(rows.length)
        },
      ),
    ))
})
