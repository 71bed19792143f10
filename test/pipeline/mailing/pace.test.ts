import { describe, expect, it } from 'vitest'
import { openPace } from '../../../pipeline/mailing/pace.ts'
import { virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'

const start = Date.UTC(2026, 3, 22)

describe('a pace', () => {
  const paced = (everyMs: number, count: number) => {
    const clock = virtualClock(start)
    const pace = openPace(clock)
    for (let n = 0; n < count; n++) {
      pace.note()
      clock.advanceTo(clock.now() + everyMs)
    }
    return { clock, pace }
  }

  it('is what the last quarter of a second tells', () => {
    expect(paced(10, 200).pace.in(1000)).toBeCloseTo(100, -1)
    expect(paced(2, 200).pace.in(500)).toBeCloseTo(250, -1)
  })

  it('is unknown at the beginning, after a pause, and after the clock was set', () => {
    expect(paced(10, 3).pace.in(1000)).toBe(0)
    const { clock, pace } = paced(10, 200)
    clock.advanceTo(clock.now() + 5000)
    expect(pace.in(1000)).toBe(0)
    pace.note()
    expect(pace.in(1000)).toBe(0)
  })
})
