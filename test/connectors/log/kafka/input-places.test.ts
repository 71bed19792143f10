import { describe, expect, it } from 'vitest'
import { placeInputs } from '../../../../connectors/log/kafka/input-places.ts'

describe('the places of inputs', () => {
  const place = (committed: Readonly<Record<string, number>>, endBefore: number, endNow: number) => {
    const bounds = (high: number) => new Map(['a', 'b'].map((name) => [name, { low: 2, high }]))
    let looks = 0
    const placed = placeInputs({
      names: ['a', 'b'],
      committedOf: (name) => committed[name],
      before: bounds(endBefore),
      boundsNow: async () => (looks++, bounds(endNow)),
      beyond: ({ topic, position, end }) => new Error(`${topic}: ${position} beyond ${end}`),
    })
    return { placed, looks: () => looks }
  }

  it('are the positions that stand, and where an input begins', async () => {
    const { placed, looks } = place({ b: 5 }, 5, 9)
    expect(await placed).toEqual([
      { name: 'a', committed: undefined, low: 2 },
      { name: 'b', committed: 5, low: 2 },
    ])
    expect(looks()).toBe(0)
  })

  it('may lie beyond what the ends were before: they were read meanwhile', async () => {
    const { placed } = place({ a: 5, b: 7 }, 5, 7)
    expect((await placed).map(({ committed }) => committed)).toEqual([5, 7])
  })

  it('beyond the end are no places', async () => {
    await expect(place({ a: 5, b: 8 }, 5, 7).placed).rejects.toThrow('b: 8 beyond 7')
  })
})
