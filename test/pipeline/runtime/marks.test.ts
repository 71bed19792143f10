import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openSortedMap } from '../../../connectors/log/sorted-map.ts'
import { type LatestMarks, openLatestMarks } from '../../../pipeline/runtime/latest-marks.ts'
import { openMarkMemory } from '../../../pipeline/runtime/mark-memory.ts'
import { type MarkPlace, type Marks, marksIn, marksOf, prefixRange } from '../../../pipeline/runtime/marks.ts'
import { openTurnState, type TurnState } from '../../../pipeline/runtime/turn-state.ts'

const hour = 3_600_000
const T = Date.UTC(2026, 3, 22, 14)

/** Marks over turns that commit one after the other. */
const openMarks = (prefix = 'seen/root/Q', bucketMs = hour, known: Pick<MarkPlace, 'memory' | 'latest'> = {}) => {
  const map = openSortedMap<Uint8Array>()
  return {
    turn<R>(use: (marks: Marks) => R): R {
      const state = openTurnState(map)
      const result = use(marksOf('Mark', state, { prefix, bucketMs, ...known }))
      for (const [key, bytes] of state.puts()) map.set(key, bytes ?? undefined)
      return result
    },
    count: () => [...map.range(...prefixRange(`${prefix}/`))].length,
  }
}
const at = (ms: number) => ({ event: 'e', at: ms })
const withLatest = (state: TurnState, latest: LatestMarks): Marks =>
  marksOf('Mark', state, { prefix: 'seen', bucketMs: hour, latest })

describe('marks', () => {
  it.each([
    ['without a memory', () => ({})],
    ['with a memory', () => ({ memory: openMarkMemory() })],
    ['with the latest known', () => ({ latest: openLatestMarks() })],
  ])('are found whatever their ids end with and in whatever order they came, and no others, %s', (_, open) => {
    const end = fc.oneof(
      fc.nat({ max: 3 }),
      fc.maxSafeNat(),
      fc.constantFrom('', '9'.repeat(16), '9'.repeat(30), 'x', '05'),
    )
    const id = fc.tuple(fc.constantFrom('a', 'a/b', '', '\u{1F600}/ￚ', '7'), end).map((parts) => parts.join('/'))
    const time = fc.nat({ max: 3 }).map((hours) => T + hours * hour)
    fc.assert(
      fc.property(fc.array(fc.array(fc.tuple(id, time, fc.boolean()))), (turns) => {
        const { turn } = openMarks('seen/root/Q', hour, open())
        const kept = new Map<string, number>()
        for (const deeds of turns)
          turn((marks) => {
            for (const [name, ms, isPut] of deeds) {
              const known = kept.get(name)
              const isNear = known !== undefined && Math.abs(known - ms) <= hour
              expect(marks.get(name, ms)?.at).toBe(isNear ? known : undefined)
              if (!isPut || known !== undefined) continue
              marks.put(name, at(ms))
              kept.set(name, ms)
            }
          })
      }),
    )
  })

  it('of a moment that begins in a memory’s time are never looked for: what it has not is new', () => {
    const map = openSortedMap<Uint8Array>()
    const memory = openMarkMemory()
    let looks = 0
    const counted = { ...map, get: (key: string) => (looks++, map.get(key)) }
    for (let turn = 0; turn < 20; turn++) {
      const state = openTurnState(counted)
      const marks = marksIn(state, 'seen', hour, memory)
      for (let n = 0; n < 50; n++) {
        expect(marks.get(`root/F.${turn}.${n}/1776868947`, T)).toBeUndefined()
        marks.put(`root/F.${turn}.${n}/1776868947`, at(T))
      }
      for (const [key, bytes] of state.puts()) map.set(key, bytes ?? undefined)
    }
    expect(looks).toBe(0)
    expect(marksIn(openTurnState(counted), 'seen', hour, memory).get('root/F.3.7/1776868947', T)).toBeDefined()
  })

  it.each([
    ['few', 20, 1],
    ['many', 2000, 50],
  ])('of a moment that had %s before a memory began are looked for until it knows them all', (_, before, most) => {
    const map = openSortedMap<Uint8Array>()
    const idOf = (n: number): string => `root/F.${n}/1776868947`
    const first = openTurnState(map)
    for (let n = 0; n < before; n++) marksIn(first, 'seen', hour).put(idOf(n), at(T))
    for (const [key, bytes] of first.puts()) map.set(key, bytes ?? undefined)
    let looks = 0
    const counted = { ...map, get: (key: string) => (looks++, map.get(key)) }
    const marks = marksIn(openTurnState(counted), 'seen', hour, openMarkMemory())
    for (let n = 0; n < 50; n++) expect(marks.get(idOf(before + n), T)).toBeUndefined()
    expect(looks).toBe(most)
    for (let n = 0; n < before; n++) expect(marks.get(idOf(n), T)).toEqual(at(T))
  })

  it('are found by a memory that was full and has forgotten', () => {
    const map = openSortedMap<Uint8Array>()
    const memory = openMarkMemory()
    const idOf = (n: number): string => `root/F.${n}/${1_776_868_947 + n}`
    for (let from = 0; from < 120_000; from += 20_000) {
      memory.beginTurn()
      const state = openTurnState(map)
      const marks = marksIn(state, 'seen', hour, memory)
      for (let n = from; n < from + 20_000; n++) marks.put(idOf(n), at(T + n * 1000))
      for (const [key, bytes] of state.puts()) map.set(key, bytes ?? undefined)
      memory.beginTurn()
      const asked = marksIn(openTurnState(map), 'seen', hour, memory)
      for (let n = 0; n < from + 20_000; n += 97) {
        expect(asked.get(idOf(n), T + n * 1000)).toBeDefined()
        expect(asked.get(`x/${idOf(n)}`, T + n * 1000)).toBeUndefined()
      }
    }
  })

  it('among the latest are known without a look, older ones are looked for', () => {
    const map = openSortedMap<Uint8Array>()
    const id = (n: number): string => `root/F.${n}/${1_776_868_947 + n}`
    const put = openTurnState(map)
    const earlier = marksIn(put, 'seen', hour)
    for (let n = 0; n < 3000; n += 2) earlier.put(id(n), at(T))
    for (const [key, bytes] of put.puts()) map.set(key, bytes ?? undefined)
    let looks = 0
    const counted = { ...map, get: (key: string) => (looks++, map.get(key)) }
    const marks = withLatest(openTurnState(counted), openLatestMarks())
    for (let n = 2999; n > 1001; n -= 2) expect(marks.get(id(n), T)).toBeUndefined()
    expect(looks).toBe(0)
    for (let n = 0; n < 3000; n++) expect(marks.get(id(n), T)?.at).toBe(n % 2 === 0 ? T : undefined)
  })

  it('are found when more were marked than the latest can be kept', () => {
    const map = openSortedMap<Uint8Array>()
    const latest = openLatestMarks()
    const id = (n: number): string => `root/F.${n}/${1_776_868_947 + n}`
    for (let turn = 0; turn < 25; turn++) {
      const state = openTurnState(map)
      const marks = withLatest(state, latest)
      for (let n = turn * 1000; n < (turn + 1) * 1000; n++) {
        expect(marks.get(id(n), T)).toBeUndefined()
        marks.put(id(n), at(T))
        expect(marks.get(id(n), T)).toBeDefined()
      }
      for (const [key, bytes] of state.puts()) map.set(key, bytes ?? undefined)
    }
    const marks = withLatest(openTurnState(map), latest)
    for (let n = 0; n < 25_000; n += 100) expect(marks.get(id(n), T)).toBeDefined()
  })

  it('later than all of a bucket are known to be new by one look a turn', () => {
    const map = openSortedMap<Uint8Array>()
    const put = (ids: readonly number[], state = openTurnState(map)): void => {
      const marks = marksIn(state, 'seen', hour)
      for (const n of ids) {
        expect(marks.get(`root/C.1/F.${n}/${n}`, T)).toBeUndefined()
        marks.put(`root/C.1/F.${n}/${n}`, at(T))
      }
      for (const [key, bytes] of state.puts()) map.set(key, bytes ?? undefined)
    }
    put([5, 6, 7])
    let looks = 0
    const counted = { get: (key: string) => (looks++, map.get(key)), range: map.range }
    put([8, 9, 10, 11], openTurnState(counted))
    expect(looks).toBe(0)
    put([4], openTurnState(counted))
    expect(looks).toBe(1)
  })

  it('are found by their id at any time within a bucket, across its borders', () => {
    const { turn } = openMarks()
    turn((marks) => marks.put('id', at(T + hour - 1)))
    const found = (ms: number): boolean => turn((marks) => marks.get('id', ms) !== undefined)
    expect([T - hour, T, T + hour, T + 2 * hour - 1].map(found)).toEqual([true, true, true, true])
    expect([T - hour - 1, T + 2 * hour].map(found)).toEqual([false, false])
    expect(turn((marks) => marks.get('other', T))).toBeUndefined()
  })

  it('are seen in the turn that puts them', () => {
    const { turn } = openMarks()
    turn((marks) => {
      marks.put('id', at(T))
      expect(marks.get('id', T)).toEqual(at(T))
    })
  })

  it('older than the given time are forgotten by whole buckets, those at it kept', () => {
    const { turn, count } = openMarks()
    turn((marks) => [T - 2 * hour, T - 1, T, T + hour].forEach((ms, n) => marks.put(`id${n}`, at(ms))))
    turn((marks) => marks.forget(T))
    expect(count()).toBe(2)
    expect(turn((marks) => [marks.get('id1', T - 1), marks.get('id2', T)?.at])).toEqual([undefined, T])
  })

  it('are forgotten 200 a turn at most', () => {
    const { turn, count } = openMarks()
    turn((marks) => {
      for (let n = 0; n < 450; n++) marks.put(`id${n}`, at(T - hour - n))
    })
    const left = [1, 2, 3].map(() => {
      turn((marks) => marks.forget(T))
      return count()
    })
    expect(left).toEqual([250, 50, 0])
  })

  it('of the farthest times are ordered too: what an endpoint’s clock says of the year 9999 is kept', () => {
    const { turn, count } = openMarks()
    const farthest = Date.UTC(9999, 11, 31)
    turn((marks) => [farthest, Date.UTC(2199, 0, 1)].forEach((ms) => marks.put(`id${ms}`, at(ms))))
    turn((marks) => marks.forget(T))
    expect(count()).toBe(2)
    turn((marks) => marks.forget(farthest + hour))
    expect(count()).toBe(0)
  })

  it('before 1970 lie in the first bucket, and forgetting before 1970 forgets nothing', () => {
    const { turn, count } = openMarks()
    turn((marks) => marks.put('id', at(-1)))
    expect(turn((marks) => marks.get('id', 0))).toMatchObject(at(-1))
    turn((marks) => marks.forget(-hour))
    expect(count()).toBe(1)
  })

  it('of another prefix are left alone', () => {
    const map = openSortedMap<Uint8Array>()
    const state = openTurnState(map)
    marksIn(state, 'told/a', hour).put('id', at(T))
    marksIn(state, 'told/b', hour).put('id', at(T))
    for (const [key, bytes] of state.puts()) map.set(key, bytes ?? undefined)
    const next = openTurnState(map)
    marksIn(next, 'told/a', hour).forget(T + 2 * hour)
    expect(next.puts()).toHaveLength(1)
    expect(marksIn(next, 'told/b', hour).get('id', T)).toBeDefined()
  })
})
