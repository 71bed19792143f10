import { z } from 'zod'
import type { RateRule } from '../../operators/rate-limit.ts'
import type { MailLimits } from './configuration.ts'
import { isRecord } from './is-record.ts'
import type { Path, Report } from './problem.ts'
import { readRecord } from './record.ts'
import { limitsShape, ratePattern } from './relay-shape.ts'

const unitsMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const dayMs = unitsMs.d
const longestMs = 7 * dayMs
const mostLetters = 1_000_000
/** Without a burst of its own a limit lets this part of it go at once. */
const usualBurst = 0.1

const noLimits: MailLimits = { channel: null, recipient: null, domain: null }

/** Letters in a time as they are written, such as 60/h or 10/15m; null: it is something else. */
export const rateOf = (text: string): Omit<RateRule, 'burst'> | null => {
  const [, count, spans, unit] = ratePattern.exec(text.trim()) ?? []
  const most = Number(count)
  const perMs = Number(spans === '' ? 1 : spans) * unitsMs[unit as keyof typeof unitsMs]
  const isRate = unit !== undefined && most >= 1 && most <= mostLetters && perMs > 0 && perMs <= longestMs
  return isRate ? { most, perMs } : null
}

const readRate = (text: unknown, path: Path, report: Report): Omit<RateRule, 'burst'> | null => {
  const rate = typeof text === 'string' ? rateOf(text) : null
  if (rate === null) report(path, 'must be letters in a time, such as 60/h, 10/15m or 2000/d')
  return rate
}

const readLimit = (value: unknown, path: Path, report: Report): RateRule | null => {
  const written = isRecord(value)
    ? readRecord({ rate: z.unknown(), burst: z.int().min(1).optional() }, value, path, report)
    : { rate: value, burst: undefined }
  if (written === null) return null
  if (written.rate === undefined && isRecord(value))
    return (report([...path, 'rate'], 'is missing: such as 60/h'), null)
  const rate = readRate(written.rate, isRecord(value) ? [...path, 'rate'] : path, report)
  if (rate === null) return null
  const burst = written.burst ?? Math.ceil(rate.most * usualBurst)
  if (burst <= rate.most) return { ...rate, burst }
  report([...path, 'burst'], `must be at most ${rate.most}, what the rate lets go in all`)
  return null
}

/** Reads `limits:` of a mail channel; left out: none. */
export const readLimits = (value: unknown, path: Path, report: Report): MailLimits => {
  if (value === undefined || value === null) return noLimits
  const names = Object.fromEntries(Object.keys(limitsShape.shape).map((name) => [name, z.unknown()]))
  const read = readRecord(names, value, path, report)
  const limit = (name: keyof MailLimits): RateRule | null =>
    read?.[name] === undefined ? null : readLimit(read[name], [...path, name], report)
  return { channel: limit('channel'), recipient: limit('recipient'), domain: limit('domain') }
}

/** Each partition of the log has its share of what many recipients have together; a share must not be nothing. */
export const checkShares = (limits: MailLimits, partitions: number, path: Path, report: Report): void => {
  for (const name of ['channel', 'domain'] as const) {
    const limit = limits[name]
    if (limit === null || limit.most >= partitions) continue
    const aDay = Math.floor((limit.most * dayMs) / limit.perMs)
    const hint = limit.perMs < dayMs && aDay >= partitions ? `write ${aDay}/d` : 'raise it'
    report(
      [...path, name],
      `is shared by the ${partitions} partitions of the log, so it must be at least ${partitions}: ${hint}`,
    )
  }
}
