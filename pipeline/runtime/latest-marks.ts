/** A range of keys. */
export interface Bucket {
  readonly from: string
  readonly to: string
}

/**
 * The first keys of buckets, which are the latest marks: nearly all that is asked for is new, or lies among them, and needs no look at
 * the log. Lives and dies with its task.
 */
export interface LatestMarks {
  /** Whether anything may be marked in a bucket. `keys`: what is marked in it, in order, what the running turn did included. */
  mayHaveAny(bucket: Bucket, keys: () => Iterable<string>): boolean
  /** Whether a key of a bucket that was asked about may be marked; false: it certainly is not. */
  mayHave(bucket: Bucket, key: string): boolean
  /** A key was marked. */
  put(bucket: Bucket, key: string): void
}

/** Digits that the keys of a bucket begin with, and that order them. */
export const orderDigits = 16

interface Known {
  readonly keys: Set<string>
  /** Every marked key before it is among them; undefined: all are. Ends with the digits: behind them the log's order is not that of texts here. */
  readonly until: string | undefined
}

const mostRead = 1000
const mostKept = 20_000

/** Keeps at most 20,000 keys: beyond them it forgets all and reads the first ones anew. */
export const openLatestMarks = (): LatestMarks => {
  const buckets = new Map<string, Known>()
  let kept = 0
  const forget = (): void => {
    buckets.clear()
    kept = 0
  }
  const read = ({ from }: Bucket, keys: Iterable<string>): Known => {
    const first = new Set<string>()
    for (const key of keys) {
      first.add(key)
      if (first.size === mostRead) return { keys: first, until: key.slice(0, from.length + orderDigits) }
    }
    return { keys: first, until: undefined }
  }
  return {
    mayHaveAny(bucket, keys) {
      const known = buckets.get(bucket.from) ?? read(bucket, keys())
      if (!buckets.has(bucket.from)) {
        buckets.set(bucket.from, known)
        kept += known.keys.size
      }
      return known.keys.size > 0
    },
    mayHave({ from }, key) {
      const known = buckets.get(from)
      return known === undefined || known.keys.has(key) || (known.until !== undefined && key >= known.until)
    },
    put({ from }, key) {
      const known = buckets.get(from)
      if (known === undefined) return
      known.keys.add(key)
      if (++kept > mostKept) forget()
    },
  }
}
