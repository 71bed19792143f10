import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TaskState } from '../../../connectors/log/event-log.ts'
import { openSortedMap } from '../../../connectors/log/sorted-map.ts'
import { afterPrefix, openTurnState } from '../../../pipeline/runtime/turn-state.ts'
import { decode, encode } from '../../../schemas/codec.ts'

const mark = (at: number) => ({ event: 'e', at })
const committed = (...keys: readonly string[]): TaskState => {
  const map = openSortedMap<Uint8Array>()
  keys.forEach((key, n) => map.set(key, encode('Mark', mark(n))))
  return map
}

describe('the state of a turn', () => {
  it('shows what was committed until it puts something else', () => {
    const state = openTurnState(committed('a', 'b'))
    expect(state.get('Mark', 'a')).toMatchObject(mark(0))
    state.put('Mark', 'a', mark(7))
    expect(state.get('Mark', 'a')).toEqual(mark(7))
    state.delete('b')
    expect([state.get('Mark', 'b'), state.getBytes('b'), state.get('Mark', 'never')]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })

  it('commits the last change of each key', () => {
    const state = openTurnState(committed('a'))
    state.put('Mark', 'a', mark(1))
    state.put('Mark', 'a', mark(2))
    state.delete('a')
    state.put('Mark', 'b', mark(3))
    state.putBytes('b', Uint8Array.of(9))
    state.delete('c')
    state.put('Mark', 'c', mark(4))
    const puts = new Map(state.puts())
    expect([puts.get('a'), puts.get('b'), puts.size]).toEqual([null, Uint8Array.of(9), 3])
    expect(decode('Mark', puts.get('c') ?? Uint8Array.of())).toMatchObject(mark(4))
  })

  it('forgets a value it remembered when bytes take its place', () => {
    const state = openTurnState(committed())
    state.put('Mark', 'a', mark(1))
    state.putBytes('a', encode('Mark', mark(2)))
    expect(state.get('Mark', 'a')).toMatchObject(mark(2))
  })

  it('lists committed keys without those that it changed', () => {
    const state = openTurnState(committed('a', 'b', 'c', 'd'))
    state.delete('b')
    state.put('Mark', 'c', mark(1))
    state.put('Mark', 'bb', mark(1))
    expect([...state.committedKeys('a', 'd')]).toEqual(['a'])
  })

  it('lists all keys in order, as it sees them', () => {
    const key = fc.stringMatching(/^[a-d]{1,3}$/)
    const change = fc.tuple(key, fc.boolean())
    fc.assert(
      fc.property(fc.uniqueArray(key), fc.array(change), key, key, (before, changes, from, to) => {
        const state = openTurnState(committed(...before))
        const expected = new Set(before)
        const within = (): string[] => [...expected].filter((each) => each >= from && each < to).toSorted()
        const [first] = within()
        expect(state.firstFound(from, to)).toBe(first)
        for (const [changed, isPut] of changes) {
          if (isPut) state.put('Mark', changed, mark(1))
          else state.delete(changed)
          if (isPut) expected.add(changed)
          else expected.delete(changed)
        }
        expect([...state.keys(from, to)]).toEqual(within())
        expect(state.firstFound(from, to)).toBe(first)
        for (const each of expected) expect(state.isChanged(each)).toBe(changes.some(([changed]) => changed === each))
      }),
    )
  })

  it('may be changed while its keys are listed', () => {
    const state = openTurnState(committed('a', 'b', 'c'))
    state.put('Mark', 'bb', mark(1))
    const seen: string[] = []
    for (const key of state.keys('a', 'z')) {
      seen.push(key)
      state.delete(key)
    }
    expect(seen).toEqual(['a', 'b', 'bb', 'c'])
    expect([...state.keys('a', 'z')]).toEqual([])
  })
})

describe('the key after a prefix', () => {
  it('follows every key with the prefix, and none other', () => {
    expect(['due/', 'due/z', 'due/￿'].every((key) => key < afterPrefix('due/'))).toBe(true)
    expect('due0' < afterPrefix('due/')).toBe(false)
  })
})
