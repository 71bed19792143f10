import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { ConnectorError } from '../../../connectors/errors.ts'
import { throughOutages } from '../../../pipeline/runtime/outage.ts'
import { virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'
import type { Happening } from '../../../schemas/happenings.ts'

const away = new ConnectorError('VELOCIRAPTOR_UNAVAILABLE', 'nothing listens')

const open = () => {
  const clock = virtualClock(0)
  const told: Happening[] = []
  const lost = new AbortController()
  const tries: number[] = []
  const go = (...results: readonly (Error | string)[]): Promise<string> => {
    let n = 0
    const once = (): Promise<string> => {
      tries.push(clock.now())
      const result = results[Math.min(n++, results.length - 1)] ?? ''
      return result instanceof Error ? Promise.reject(result) : Promise.resolve(result)
    }
    return throughOutages(once, lost.signal, {
      clock,
      random: () => 0,
      tell: (happening) => void told.push(happening),
      waits: { firstMs: 1000, longestMs: 4000 },
      began: (reason) => ({ name: 'lookups away', reason }),
      ended: (away_ms, failures) => ({ name: 'lookups back', away_ms, tries: failures }),
    })
  }
  const pass = async (to: number): Promise<void> => {
    for (await setImmediate(); (clock.next() ?? Infinity) <= to; await setImmediate())
      clock.advanceTo(clock.next() ?? 0)
  }
  return { clock, told, lost, tries, go, pass }
}

describe('through an outage', () => {
  it('what succeeds at once is not spoken of', async () => {
    const { go, told } = open()
    expect(await go('found')).toBe('found')
    expect(told).toEqual([])
  })

  it('it is tried with growing waits; its begin and its end are said once', async () => {
    const { go, pass, told, tries } = open()
    const going = go(away, away, away, away, 'found')
    await pass(60_000)
    expect(await going).toBe('found')
    expect(tries).toEqual([0, 500, 1500, 3500, 5500])
    expect(told).toEqual([
      { name: 'lookups away', reason: 'nothing listens' },
      { name: 'lookups back', away_ms: 5500, tries: 4 },
    ])
  })

  it.each([new ConnectorError('VELOCIRAPTOR_DENIED', 'no'), new Error('a defect')])(
    'another error is thrown at once: %s',
    async (error) => {
      const { go, told } = open()
      await expect(go(error)).rejects.toBe(error)
      expect(told).toEqual([])
    },
  )

  it('another error after an outage is thrown too', async () => {
    const { go, pass } = open()
    const going = expect(go(away, new Error('a defect'))).rejects.toThrow('a defect')
    await pass(60_000)
    await going
  })

  it('the loss of the task ends the waiting, at once', async () => {
    const { go, lost, tries, clock } = open()
    const going = expect(go(away)).rejects.toThrow('left')
    await setImmediate()
    lost.abort(new Error('left'))
    await going
    expect([tries, clock.next()]).toEqual([[0], undefined])
  })
})
