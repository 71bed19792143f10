import { describe, expect, it } from 'vitest'
import { cachedLookup } from '../../../pipeline/runtime/cached-lookup.ts'
import { virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'

const open = ({ most = 100, missing = [] as readonly string[] } = {}) => {
  const clock = virtualClock(0)
  const asked: string[] = []
  const absent = new Set(missing)
  const look = cachedLookup({
    clock,
    keptMs: 1000,
    most,
    lookUp: (org, names) => {
      asked.push(`${org}: ${names.join()}`)
      return Promise.resolve(new Map(names.map((name) => [name, absent.has(name) ? null : { name, at: clock.now() }])))
    },
  })
  return { clock, asked, look, absent }
}

describe('a cached lookup', () => {
  it('asks only for what it does not hold, and answers for all', async () => {
    const { look, asked } = open()
    await look('root', ['a', 'b'])
    expect([...(await look('root', ['a', 'b', 'c'])).keys()].toSorted()).toEqual(['a', 'b', 'c'])
    await look('root', ['c'])
    expect(asked).toEqual(['root: a,b', 'root: c'])
  })

  it('asks for nothing when nothing is wanted', async () => {
    const { look, asked } = open()
    expect((await look('root', [])).size).toBe(0)
    expect(asked).toEqual([])
  })

  it('keeps organisations apart', async () => {
    const { look, asked } = open()
    await look('root', ['a'])
    await look('O1', ['a'])
    expect(asked).toEqual(['root: a', 'O1: a'])
  })

  it('asks again once an answer is old', async () => {
    const { look, asked, clock } = open()
    await look('root', ['a'])
    clock.advanceTo(999)
    await look('root', ['a'])
    clock.advanceTo(1000)
    await look('root', ['a'])
    expect(asked).toHaveLength(2)
  })

  it('asks each time for what was not there', async () => {
    const { look, asked, absent } = open({ missing: ['a'] })
    expect((await look('root', ['a'])).get('a')).toBeNull()
    absent.clear()
    expect((await look('root', ['a'])).get('a')).not.toBeNull()
    expect(asked).toHaveLength(2)
  })

  it('holds no more than it may; the oldest go first', async () => {
    const { look, asked } = open({ most: 2 })
    await look('root', ['a'])
    await look('root', ['b'])
    await look('root', ['c'])
    await look('root', ['b', 'c'])
    await look('root', ['a'])
    expect(asked).toEqual(['root: a', 'root: b', 'root: c', 'root: a'])
  })

  it('passes an error on and keeps nothing of it', async () => {
    const { clock } = open()
    let fails = true
    const look = cachedLookup({
      clock,
      keptMs: 1000,
      most: 1,
      lookUp: (_, names) =>
        fails ? Promise.reject(new Error('away')) : Promise.resolve(new Map(names.map((name) => [name, { name }]))),
    })
    await expect(look('root', ['a'])).rejects.toThrow('away')
    fails = false
    expect((await look('root', ['a'])).get('a')).toEqual({ name: 'a' })
  })
})
