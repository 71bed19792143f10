/** A map whose keys are ordered by their UTF-8 bytes. */
export interface SortedMap<V> {
  get(key: string): V | undefined
  /** undefined deletes. */
  set(key: string, value: V | undefined): void
  /** Entries from `from` (inclusive) to `to` (exclusive), as they are when the first is taken. */
  range(from: string, to: string): Iterable<readonly [string, V]>
}

export const openSortedMap = <V>(): SortedMap<V> => {
  const values = new Map<string, V>()
  const keys: string[] = []

  const indexFrom = (key: string): number => {
    let low = 0
    let high = keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareUtf8(keys[middle] as string, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    get: (key) => values.get(key),
    set: (key, value) => {
      const isKnown = values.has(key)
      if (value === undefined) {
        if (isKnown) keys.splice(indexFrom(key), 1)
        values.delete(key)
        return
      }
      if (!isKnown) keys.splice(indexFrom(key), 0, key)
      values.set(key, value)
    },
    range: function* (from, to) {
      const entries = keys.slice(indexFrom(from), indexFrom(to)).map((key) => [key, values.get(key) as V] as const)
      yield* entries
    },
  }
}

/** UTF-16 puts surrogates before U+E000, UTF-8 after U+FFFF. */
const rank = (unit: number): number => (unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit)

/** Order of two well-formed texts by their UTF-8 bytes: negative, zero or positive. */
const compareUtf8 = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const difference = rank(a.charCodeAt(at)) - rank(b.charCodeAt(at))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
