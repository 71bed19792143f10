import type { Clock, EpochMs } from '../../schemas/time.ts'

/** A clock that moves only when told. */
export interface VirtualClock extends Clock {
  /** When something next waits; undefined: nothing does. */
  next(): EpochMs | undefined
  /** Moves to the time and calls what is due, in order of time, then of asking. */
  advanceTo(at: EpochMs): void
}

export const virtualClock = (start: EpochMs): VirtualClock => {
  let now = start
  let asked = 0
  const waiting = new Map<number, { at: EpochMs; call: () => void }>()
  const first = (): [number, { at: EpochMs; call: () => void }] | undefined => {
    let best: [number, { at: EpochMs; call: () => void }] | undefined
    for (const entry of waiting) if (best === undefined || entry[1].at < best[1].at) best = entry
    return best
  }
  return {
    now: () => now,
    at(at, call) {
      const id = asked++
      waiting.set(id, { at, call })
      return () => waiting.delete(id)
    },
    next: () => first()?.[1].at,
    advanceTo(at) {
      for (let due = first(); due !== undefined && due[1].at <= at; due = first()) {
        waiting.delete(due[0])
        now = Math.max(now, due[1].at)
        due[1].call()
      }
      now = Math.max(now, at)
    },
  }
}
