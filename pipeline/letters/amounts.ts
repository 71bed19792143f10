import type { EpochMs } from '../../schemas/time.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const WEEK = 7 * DAY
const MONTH = 30 * DAY
const YEAR = 12 * MONTH

// [below this distance, counted in this unit, said so]; without a unit the words stand alone.
const DISTANCES: readonly (readonly [below: number, unit: number, words: string])[] = [
  [2 * SECOND, 0, '1 second'],
  [MINUTE, SECOND, 'seconds'],
  [2 * MINUTE, 0, '1 minute'],
  [HOUR, MINUTE, 'minutes'],
  [2 * HOUR, 0, '1 hour'],
  [DAY, HOUR, 'hours'],
  [2 * DAY, 0, '1 day'],
  [WEEK, DAY, 'days'],
  [2 * WEEK, 0, '1 week'],
  [MONTH, WEEK, 'weeks'],
  [2 * MONTH, 0, '1 month'],
  [YEAR, MONTH, 'months'],
  [1.5 * YEAR, 0, '1 year'],
  [2 * YEAR, 0, '2 years'],
  [37 * YEAR, YEAR, 'years'],
  [Infinity, 0, 'a long while'],
]
const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const
const LAST_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/** RFC 3339 in UTC and whole seconds, and how long ago; `(never)` when there is no time or it is not after 1970 began. */
export function timestamp(at: EpochMs | null, now: EpochMs): string {
  if (at === null || Number.isNaN(at) || at < SECOND) return '(never)'
  if (at > LAST_TIME) return '(after the year 9999)'
  return `${new Date(at).toISOString().slice(0, 19)}Z (${relativeTime(at, now)})`
}

/** How far a time is from now, in one unit: `now`, `3 hours ago`, `2 days from now`. */
export function relativeTime(at: EpochMs, now: EpochMs): string {
  const distance = Math.abs(now - at)
  if (distance < SECOND) return 'now'
  const [, unit, words] = DISTANCES.find(([below]) => distance < below) ?? [0, 0, 'a long while']
  const amount = unit === 0 ? words : `${Math.floor(distance / unit)} ${words}`
  return `${amount} ${at > now ? 'from now' : 'ago'}`
}

/** A number of things: `1 client`, `2 clients`. */
export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}

/** A number of bytes in decimal units, as the server's own pages write it: `9 B`, `2.6 kB`, `480 kB`. */
export function bytes(count: number): string {
  if (count < 10) return `${count} B`
  let power = 0
  let scale = 1
  while (power < BYTE_UNITS.length - 1 && count >= scale * 1_000) {
    power++
    scale *= 1_000
  }
  const value = Math.floor((count / scale) * 10 + 0.5) / 10
  return `${value < 10 ? value.toFixed(1) : wholeHalfToEven(value)} ${BYTE_UNITS[power] ?? ''}`
}

/** Nanoseconds as seconds with one decimal: `61.4 s`. */
export function duration(nanoseconds: number): string {
  return `${(nanoseconds / 1e9).toFixed(1)} s`
}

// The server rounds 10.5 to 10 and 11.5 to 12; its pages and our letters shall show the same number.
function wholeHalfToEven(value: number): number {
  const below = Math.floor(value)
  return value - below === 0.5 ? below + (below % 2) : Math.round(value)
}
