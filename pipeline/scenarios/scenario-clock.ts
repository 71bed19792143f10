import type { Clock, EpochMs } from '../../schemas/time.ts'
import { virtualClock } from '../runtime/virtual-clock.ts'

/** The virtual clock of a scenario, one for everybody; each sees it through a view that tells what is waited for. */
export interface ScenarioClock {
  now(): EpochMs
  view(): ClockView
  /** When something next waits; undefined: nothing does. */
  next(): EpochMs | undefined
  advanceTo(at: EpochMs): void
}

export interface ClockView extends Clock {
  /** When its next call comes; Infinity: none is to come. */
  next(): EpochMs
  /** How often it was read or asked: while that grows, somebody is at work. */
  uses(): number
  /** Puts off every call that is to come. */
  putOff(ms: number): void
}

interface Waiting {
  at: EpochMs
  readonly call: () => void
  cancel: () => void
}

export const scenarioClock = (start: EpochMs): ScenarioClock => {
  const clock = virtualClock(start)
  const view = (): ClockView => {
    const waiting = new Set<Waiting>()
    let uses = 0
    const enter = (one: Waiting): void => {
      one.cancel = clock.at(one.at, () => {
        waiting.delete(one)
        one.call()
      })
    }
    return {
      now: () => {
        uses++
        return clock.now()
      },
      at(at, call) {
        uses++
        const one: Waiting = { at, call, cancel: () => undefined }
        waiting.add(one)
        enter(one)
        return () => {
          waiting.delete(one)
          one.cancel()
        }
      },
      next: () => Math.min(Infinity, ...[...waiting].map(({ at }) => at)),
      uses: () => uses,
      putOff(ms) {
        for (const one of waiting) {
          one.cancel()
          one.at += ms
          enter(one)
        }
      },
    }
  }
  return { now: clock.now, view, next: clock.next, advanceTo: clock.advanceTo }
}
