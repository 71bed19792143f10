import { describe, expect, it } from 'vitest'
import { bytes, duration, relativeTime, timestamp } from '../../../pipeline/letters/amounts.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const YEAR = 360 * DAY
const NOW = Date.UTC(2026, 3, 22, 14, 42, 27)

describe('relativeTime', () => {
  it.each([
    [400, 'now'],
    [1_500, '1 second ago'],
    [59 * SECOND, '59 seconds ago'],
    [61 * SECOND, '1 minute ago'],
    [8 * MINUTE, '8 minutes ago'],
    [90 * MINUTE, '1 hour ago'],
    [25 * HOUR, '1 day ago'],
    [8 * DAY, '1 week ago'],
    [15 * DAY, '2 weeks ago'],
    [45 * DAY, '1 month ago'],
    [400 * DAY, '1 year ago'],
    [600 * DAY, '2 years ago'],
  ])('RD-07 says of an age of %d ms: %s', (age, words) => {
    expect(relativeTime(NOW - age, NOW)).toBe(words)
  })

  it.each([
    [0, 'now'],
    [SECOND - 1, 'now'],
    [SECOND, '1 second ago'],
    [2 * SECOND - 1, '1 second ago'],
    [2 * SECOND, '2 seconds ago'],
    [MINUTE - 1, '59 seconds ago'],
    [MINUTE, '1 minute ago'],
    [2 * MINUTE - 1, '1 minute ago'],
    [2 * MINUTE, '2 minutes ago'],
    [HOUR - 1, '59 minutes ago'],
    [HOUR, '1 hour ago'],
    [2 * HOUR - 1, '1 hour ago'],
    [2 * HOUR, '2 hours ago'],
    [DAY - 1, '23 hours ago'],
    [DAY, '1 day ago'],
    [2 * DAY - 1, '1 day ago'],
    [2 * DAY, '2 days ago'],
    [7 * DAY - 1, '6 days ago'],
    [7 * DAY, '1 week ago'],
    [14 * DAY - 1, '1 week ago'],
    [14 * DAY, '2 weeks ago'],
    [30 * DAY - 1, '4 weeks ago'],
    [30 * DAY, '1 month ago'],
    [60 * DAY - 1, '1 month ago'],
    [60 * DAY, '2 months ago'],
    [YEAR - 1, '11 months ago'],
    [YEAR, '1 year ago'],
    [540 * DAY - 1, '1 year ago'],
    [540 * DAY, '2 years ago'],
    [2 * YEAR - 1, '2 years ago'],
    [2 * YEAR, '2 years ago'],
    [3 * YEAR, '3 years ago'],
    [37 * YEAR - 1, '36 years ago'],
    [37 * YEAR, 'a long while ago'],
  ])('RD-07 changes its words exactly at the boundary: %d ms is %s', (age, words) => {
    expect(relativeTime(NOW - age, NOW)).toBe(words)
    expect(relativeTime(NOW + age, NOW)).toBe(words.replace('ago', 'from now'))
  })
})

describe('timestamp', () => {
  it('RD-08 drops the fraction from the text only', () => {
    expect(timestamp(NOW + 900, NOW + 1_400)).toBe('2026-04-22T14:42:27Z (now)')
    expect(timestamp(NOW + 900, NOW + 1_900)).toBe('2026-04-22T14:42:27Z (1 second ago)')
  })

  it.each([
    [null, '(never)'],
    [0, '(never)'],
    [999, '(never)'],
    [-5_000, '(never)'],
    [Number.NaN, '(never)'],
    [1_000, '1970-01-01T00:00:01Z (a long while ago)'],
    [Date.UTC(9999, 11, 31, 23, 59, 59), '9999-12-31T23:59:59Z (a long while from now)'],
    [Number.MAX_SAFE_INTEGER, '(after the year 9999)'],
    [Infinity, '(after the year 9999)'],
  ])('writes %s as %s', (at, text) => {
    expect(timestamp(at, NOW)).toBe(text)
  })
})

describe('bytes', () => {
  it.each([
    [0, '0 B'],
    [9, '9 B'],
    [747, '747 B'],
    [1_000, '1.0 kB'],
    [2_600, '2.6 kB'],
    [87_000, '87 kB'],
    [480_123, '480 kB'],
    [999_999, '1000 kB'],
    [1_048_576, '1.0 MB'],
  ])('RD-06 writes %d as %s', (count, text) => {
    expect(bytes(count)).toBe(text)
  })

  it.each([
    [10, '10 B'],
    [999, '999 B'],
    [9_949, '9.9 kB'],
    [9_950, '10 kB'],
    [10_500, '10 kB'],
    [11_500, '12 kB'],
    [1e9, '1.0 GB'],
    [3e12, '3.0 TB'],
    [5e15, '5.0 PB'],
    [7e18, '7.0 EB'],
    [7e21, '7000 EB'],
  ])('writes %d as the server does: %s', (count, text) => {
    expect(bytes(count)).toBe(text)
  })
})

describe('duration', () => {
  it.each([
    [1, '0.0 s'],
    [2.5e9, '2.5 s'],
    [61.44e9, '61.4 s'],
  ])('writes %d ns as %s', (nanoseconds, text) => {
    expect(duration(nanoseconds)).toBe(text)
  })
})
