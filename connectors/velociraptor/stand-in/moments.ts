import type { EpochMs } from '../../../schemas/time.ts'
import { goMoment, integer, readMoment } from './vql/values.ts'

export type TimeUnit = 's' | 'ms' | 'us'

const nsOf: Readonly<Record<string, bigint>> = {
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
}
const unitNs: Readonly<Record<TimeUnit, bigint>> = { s: 1_000_000_000n, ms: 1_000_000n, us: 1000n }

const relative = /^T((?:[+-](?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)*)$/
const signedPart = /([+-])((?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)/g
const amount = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g

/** The moment that `T`, `T+5m`, `T-1d12h` or an RFC 3339 text means, in ns since 1970; null when it is none. */
export const momentNs = (text: string, t0: EpochMs): bigint | null => {
  const [, offsets] = relative.exec(text) ?? []
  if (offsets === undefined) return readMoment(text)
  let ns = BigInt(t0) * 1_000_000n
  for (const [, sign, parts = ''] of offsets.matchAll(signedPart))
    for (const [, count = '0', unit = 's'] of parts.matchAll(amount)) {
      const part = (BigInt(Math.round(Number(count) * 1000)) * (nsOf[unit] ?? 0n)) / 1000n
      ns += sign === '-' ? -part : part
    }
  return ns
}

/** The same as `goMoment`, of a time in ms. */
export const goTime = (at: EpochMs): string => goMoment(BigInt(at) * 1_000_000n)

/** A known time field: a moment's text in the field's unit; whatever else stands there stays. */
export const timeField = (value: unknown, unit: TimeUnit, t0: EpochMs): unknown => {
  const ns = typeof value === 'string' ? momentNs(value, t0) : null
  return ns === null ? value : integer(ns / unitNs[unit])
}
