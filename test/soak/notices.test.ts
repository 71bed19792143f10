import { expect, it } from 'vitest'
import { keepNotices } from './notices.ts'

it('notices stay open while the mail server is away, and a new process finds and sends them', async () => {
  const { open, filled, resumed } = await keepNotices(3000)
  expect(open).toBe(3000)
  expect(resumed.firstLetterMs).toBeGreaterThan(0)
  expect(Math.max(filled.rss, resumed.rss)).toBeLessThan(350e6)
}, 60_000)
