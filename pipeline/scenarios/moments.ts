import { momentNs } from '../../connectors/velociraptor/stand-in/moments.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { Path, Report } from '../config/problem.ts'

const howMoment = 'write T, T+90s, T-1d (ms, s, m, h, d), or a time such as 2026-04-22T14:42:27Z'
const nsPerMs = 1_000_000n

/** The moment that a text means, epoch ms; undefined when it is none, and that was reported. */
export const readMomentAt = (value: unknown, t0: EpochMs, path: Path, report: Report): EpochMs | undefined => {
  const ns = typeof value === 'string' ? momentNs(value, t0) : null
  if (ns !== null) return Number(ns / nsPerMs)
  report(path, value === undefined || value === null ? `is missing: ${howMoment}` : `is no moment: ${howMoment}`)
  return undefined
}

/** Reports a known time field whose text is no moment. Numbers and null are in the field's own unit already. */
export const checkTimeField = (value: unknown, t0: EpochMs, path: Path, report: Report): void => {
  if (value === undefined || value === null || typeof value === 'number' || typeof value === 'bigint') return
  if (typeof value !== 'string' || momentNs(value, t0) === null)
    report(path, `is no moment: ${howMoment}; a number is taken in the field's own unit`)
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The length of a duration such as 5m or 1h30m, ms; undefined when it is none, and that was reported. */
export const readDuration = (value: unknown, path: Path, report: Report): number | undefined => {
  if (typeof value === 'string' && /^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(value)) {
    let ms = 0
    for (const [, amount, unit = ''] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
      ms += Number(amount) * (units[unit] ?? 0)
    return Math.round(ms)
  }
  report(path, 'is no duration: write 90s, 5m, 1h30m (ms, s, m, h, d)')
  return undefined
}
