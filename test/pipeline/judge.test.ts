import { describe, expect, it } from 'vitest'
import { openSortedMap } from '../../connectors/log/sorted-map.ts'
import { memoryIn, type OpenMemory } from '../../pipeline/judge.ts'
import { openTurnState } from '../../pipeline/runtime/turn-state.ts'
import type { Suppression } from '../../schemas/generated.ts'

const day = 86_400_000
const T = Date.UTC(2026, 3, 22, 14)
const window = (at: number, count = 0): Suppression => ({
  event: `e${at}`,
  at,
  count,
  clients: count === 0 ? [] : ['C.1'],
  more: false,
})

/** Turns that commit one after the other. */
const openTurns = (name = 'errors') => {
  const map = openSortedMap<Uint8Array>()
  return <R>(use: (memory: OpenMemory) => R, monitor = name): R => {
    const state = openTurnState(map)
    const result = use(memoryIn(state, { name: monitor }))
    for (const [key, bytes] of state.puts()) map.set(key, bytes ?? undefined)
    return result
  }
}

describe('windows that count', () => {
  it('keep their count from turn to turn, each monitor its own', () => {
    const turn = openTurns()
    turn(({ countedWindows }) => countedWindows.put('X', window(T), T))
    turn(({ countedWindows }) => countedWindows.put('X', window(T, 3), T + 5))
    expect(turn(({ countedWindows }) => countedWindows.get('X', T + 10))).toEqual(window(T, 3))
    expect(turn(({ countedWindows }) => countedWindows.get('X', T + 10), 'other')).toBeUndefined()
  })

  it('stay open for what is live while older events open one of their own', () => {
    const turn = openTurns()
    turn(({ countedWindows }) => countedWindows.put('X', window(T, 2), T))
    expect(turn(({ countedWindows }) => countedWindows.get('X', T - 500))).toBeUndefined()
    turn(({ countedWindows }) => countedWindows.put('X', window(T - 500, 1), T - 500))
    expect(turn(({ countedWindows }) => countedWindows.get('X', T - 100))).toEqual(window(T - 500, 1))
    expect(turn(({ countedWindows }) => countedWindows.get('X', T + 100))).toEqual(window(T, 2))
  })

  it('are forgotten with the rest when they are old', () => {
    const turn = openTurns()
    turn(({ countedWindows }) => countedWindows.put('X', window(T, 2), T))
    turn(({ forget }) => forget(T + 60 * day))
    expect(turn(({ countedWindows }) => countedWindows.get('X', T))).toBeUndefined()
  })
})
