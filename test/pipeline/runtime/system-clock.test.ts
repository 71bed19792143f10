import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'

const T = Date.UTC(2026, 3, 22)
const hour = 3_600_000

/** Timers count monotonic time; the wall clock is moved beside them. */
const jump = (ms: number): void => void vi.setSystemTime(Date.now() + ms)

describe('the system clock', () => {
  beforeEach(() => void vi.useFakeTimers({ now: T, toFake: ['setTimeout', 'clearTimeout', 'Date'] }))
  afterEach(() => void vi.useRealTimers())

  const called = (at: number): number[] => {
    const clock = systemClock()
    const times: number[] = []
    clock.at(at, () => times.push(clock.now()))
    return times
  }

  it('is the machine’s', () => expect(systemClock().now()).toBe(T))

  it('calls once at the time, however far it is', () => {
    const near = called(T + 500)
    const far = called(T + 30 * 24 * hour)
    vi.advanceTimersByTime(30 * 24 * hour - 1)
    expect([near, far]).toEqual([[T + 500], []])
    vi.advanceTimersByTime(hour)
    expect(far).toEqual([T + 30 * 24 * hour])
  })

  it('calls at once what is over, but not before it has answered', () => {
    const times = called(T - 1)
    expect(times).toEqual([])
    vi.advanceTimersByTime(1)
    expect(times).toHaveLength(1)
  })

  it('calls within a minute of a jump forward', () => {
    const times = called(T + 10 * hour)
    jump(10 * hour)
    vi.advanceTimersByTime(60_001)
    expect(times).toHaveLength(1)
  })

  it('does not call too early after a jump back', () => {
    const times = called(T + 30_000)
    jump(-hour)
    vi.advanceTimersByTime(hour + 29_999)
    expect(times).toEqual([])
    vi.advanceTimersByTime(1)
    expect(times).toHaveLength(1)
  })

  it('does not call what was cancelled, also after its first minute', () => {
    const cancel = systemClock().at(T + hour, () => expect.unreachable())
    vi.advanceTimersByTime(70_000)
    cancel()
    cancel()
    vi.advanceTimersByTime(2 * hour)
    expect(vi.getTimerCount()).toBe(0)
  })
})
