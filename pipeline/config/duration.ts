import { z } from 'zod'

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const pattern = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

/** A duration such as 30s or 2h as milliseconds, or null. */
export const durationMs = (text: string): number | null => {
  const [, amount, unit] = pattern.exec(text) ?? []
  return amount === undefined || unit === undefined ? null : Math.round(Number(amount) * (unitsMs[unit] as number))
}

/** Milliseconds as a duration is written, in the largest unit that needs no fraction. */
export const durationText = (ms: number): string => {
  const [unit, size] = Object.entries(unitsMs).findLast(([, each]) => ms % each === 0) ?? ['ms', 1]
  return `${ms / size}${unit}`
}

/** A duration between two bounds, as it is written in the file. */
export const durationShape = (least: string, most: string, description: string) => {
  const wanted = `must be a duration from ${least} to ${most}, such as 30s or 2h`
  return z
    .string(wanted)
    .refine((text) => {
      const ms = durationMs(text)
      return ms !== null && ms >= (durationMs(least) as number) && ms <= (durationMs(most) as number)
    }, wanted)
    .meta({ description })
}
