/** Ids of which nearly all others are told apart; it errs only in that it takes a few for ones it has. Its size is fixed. */
export interface IdFilter {
  /** Whether an id may have been added; false: it certainly was not. */
  mayHave(id: string): boolean
  add(id: string): void
  /** So many were added that it errs too often from now on. */
  isFull(): boolean
  clear(): void
}

/** As many ids as leave few places taken for each other. */
const mostIds = 1_000_000
const bits = 2 ** 24
const probes = 3

interface Hash {
  readonly first: number
  readonly step: number
}

/** Two independent hashes in one pass. */
const hashOf = (id: string): Hash => {
  let a = 0x811c9dc5
  let b = 0x9747b28c
  for (let at = 0; at < id.length; at++) {
    const code = id.charCodeAt(at)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b ^ code, 0x5bd1e995)
    b ^= b >>> 15
  }
  return { first: a ^ (a >>> 13), step: b | 1 }
}

const placeOf = ({ first, step }: Hash, probe: number): number => (first + Math.imul(step, probe)) & (bits - 1)

/** Opens a filter of a million ids: two megabytes from the first one on. */
export const openIdFilter = (): IdFilter => {
  let places: Uint32Array | undefined
  let ids = 0
  /** An id is asked for before it is added. */
  let lastId = ''
  let lastHash = hashOf(lastId)

  const hashed = (id: string): Hash => {
    if (id === lastId) return lastHash
    lastId = id
    return (lastHash = hashOf(id))
  }
  return {
    mayHave(id) {
      if (places === undefined) return false
      const hash = hashed(id)
      for (let probe = 0; probe < probes; probe++) {
        const place = placeOf(hash, probe)
        if (((places[place >>> 5] as number) & (1 << (place & 31))) === 0) return false
      }
      return true
    },
    add(id) {
      places ??= new Uint32Array(bits / 32)
      const hash = hashed(id)
      for (let probe = 0; probe < probes; probe++) {
        const place = placeOf(hash, probe)
        places[place >>> 5] = (places[place >>> 5] as number) | (1 << (place & 31))
      }
      ids++
    },
    isFull: () => ids >= mostIds,
    clear() {
      places?.fill(0)
      ids = 0
    },
  }
}
