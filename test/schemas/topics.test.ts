import { describe, expect, it } from 'vitest'
import { allTopics, topics } from '../../schemas/topics.ts'

const days = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 86_400_000)

describe('the topics', () => {
  it('have names of their own that a broker takes', () => {
    expect(new Set(allTopics.map(({ name }) => name)).size).toBe(allTopics.length)
    for (const { name } of allTopics) expect(name).toMatch(/^[a-z][a-z.-]{0,200}$/)
  })

  it('keep raw rows for 7 days, schemas for ever, everything else for 30 days', () => {
    for (const { name, keptMs } of allTopics)
      expect([name, days(keptMs)]).toEqual([name, name.startsWith('raw.') ? 7 : name === 'schemas' ? undefined : 30])
    expect(topics.schemas.compacted).toBe(true)
  })
})
