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
  let entries: (readonly [string, V])[] = []
  /** Whoever reads a range goes on over these entries: they are copied before the next change. */
  let isShared = false

  const indexFrom = (key: string): number => {
    let low = 0
    let high = entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareUtf8((entries[middle] as readonly [string, V])[0], key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    get: (key) => values.get(key),
    set: (key, value) => {
      const isKnown = values.has(key)
      if (value === undefined && !isKnown) return
      if (isShared) entries = entries.slice()
      isShared = false
      const removed = isKnown ? 1 : 0
      if (value === undefined) {
        entries.splice(indexFrom(key), removed)
        values.delete(key)
      } else {
        entries.splice(indexFrom(key), removed, [key, value])
        values.set(key, value)
      }
    },
    // Who wants only the first entry must not pay for all.
    range: function* (from, to) {
      isShared = true
      const seen = entries
      const end = indexFrom(to)
      for (let at = indexFrom(from); at < end; at++) yield seen[at] as readonly [string, V]
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
