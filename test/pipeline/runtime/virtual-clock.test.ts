import { describe, expect, it } from 'vitest'
import { virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'

describe('the virtual clock', () => {
  it('stands still until it is told to move', () => {
    const clock = virtualClock(100)
    const called: number[] = []
    clock.at(50, () => called.push(clock.now()))
    expect([clock.now(), clock.next(), called]).toEqual([100, 50, []])
  })

  it('calls what is due in order of time, then of asking, each at its own time', () => {
    const clock = virtualClock(0)
    const called: string[] = []
    const call = (name: string) => () => called.push(`${name} at ${clock.now()}`)
    clock.at(20, call('c'))
    clock.at(10, call('a'))
    clock.at(20, call('d'))
    clock.at(10, call('b'))
    clock.at(31, call('later'))
    clock.advanceTo(30)
    expect(called).toEqual(['a at 10', 'b at 10', 'c at 20', 'd at 20'])
    expect([clock.now(), clock.next()]).toEqual([30, 31])
  })

  it('calls what is asked for on the way, when it is due', () => {
    const clock = virtualClock(0)
    const called: number[] = []
    const again = (): void => {
      called.push(clock.now())
      clock.at(clock.now() + 10, again)
    }
    clock.at(10, again)
    clock.advanceTo(35)
    expect(called).toEqual([10, 20, 30])
  })

  it('calls what is overdue at its present time, for it never goes back', () => {
    const clock = virtualClock(100)
    let at = 0
    clock.at(50, () => (at = clock.now()))
    clock.advanceTo(60)
    expect([at, clock.now()]).toEqual([100, 100])
  })

  it('forgets what was cancelled, also twice', () => {
    const clock = virtualClock(0)
    const cancel = clock.at(10, () => expect.unreachable())
    cancel()
    cancel()
    clock.advanceTo(20)
    expect(clock.next()).toBeUndefined()
  })
})
