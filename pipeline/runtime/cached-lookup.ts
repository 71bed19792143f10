import type { Dictionary } from '../../connectors/velociraptor/lookups.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'

/** Looks names up, each at most once in a while; the answer holds every name asked for. */
export type CachedLookup = (org: string, names: readonly string[]) => Promise<ReadonlyMap<string, Dictionary | null>>

export interface CachedLookupOptions {
  readonly clock: Clock
  /** How long an answer holds, ms. What was not found is asked again each time. */
  readonly keptMs: number
  /** Answers kept at most; the oldest go first. */
  readonly most: number
  readonly lookUp: (org: string, names: readonly string[]) => Promise<ReadonlyMap<string, Dictionary | null>>
}

export const cachedLookup = ({ clock, keptMs, most, lookUp }: CachedLookupOptions): CachedLookup => {
  const kept = new Map<string, { readonly value: Dictionary; readonly until: EpochMs }>()
  const keep = (key: string, value: Dictionary): void => {
    kept.delete(key)
    kept.set(key, { value, until: clock.now() + keptMs })
    for (const oldest of kept.keys()) {
      if (kept.size <= most) break
      kept.delete(oldest)
    }
  }
  return async (org, names) => {
    const found = new Map<string, Dictionary | null>()
    const asked: string[] = []
    for (const name of names) {
      const entry = kept.get(`${org}/${name}`)
      if (entry !== undefined && entry.until > clock.now()) found.set(name, entry.value)
      else asked.push(name)
    }
    if (asked.length === 0) return found
    for (const [name, value] of await lookUp(org, asked)) {
      found.set(name, value)
      if (value !== null) keep(`${org}/${name}`, value)
    }
    return found
  }
}
