/**
 * Which ids a task has marked since the memory began, so that rows that come together are not looked for one by one. It answers wrongly
 * only in that it takes a few ids for marked. Its size is fixed, whatever passes through. Lives and dies with its task.
 */
export interface MarkMemory {
  /** Called before the first mark of each turn: only then does it forget when it is full, all at once. */
  beginTurn(): void
  /** Whether an id may have been marked since the memory began; false: it certainly was not. */
  mayHave(id: string): boolean
  add(id: string): void
  /** Notes that a moment had no mark when the turn began. */
  begin(moment: string): void
  /** Whether it knows all ids of a moment, also those marked before it began. `earlier`: these. */
  isWhole(moment: string, earlier: () => Iterable<string>): boolean
}

/** As many ids as leave few places taken for each other. */
const mostIds = 1_000_000
const mostMoments = 50_000
const bits = 2 ** 24
const probes = 3
/** More ids of a moment are not worth reading: they are looked for one by one. */
const mostRead = 32

type Known = 'looked' | 'whole' | 'large'

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

/** Opens a memory of at most a million ids: two megabytes from the first one on. */
export const openMarkMemory = (): MarkMemory => {
  let places: Uint32Array | undefined
  let ids = 0
  const moments = new Map<string, Known>()
  /** An id is asked for before it is added, and moments come in a row. */
  let lastId = ''
  let lastHash = hashOf(lastId)
  let lastBegun = ''

  const hashed = (id: string): Hash => {
    if (id === lastId) return lastHash
    lastId = id
    return (lastHash = hashOf(id))
  }
  const mayHave = (id: string): boolean => {
    if (places === undefined) return false
    const hash = hashed(id)
    for (let probe = 0; probe < probes; probe++) {
      const place = placeOf(hash, probe)
      if (((places[place >>> 5] as number) & (1 << (place & 31))) === 0) return false
    }
    return true
  }
  const add = (id: string): void => {
    places ??= new Uint32Array(bits / 32)
    const hash = hashed(id)
    for (let probe = 0; probe < probes; probe++) {
      const place = placeOf(hash, probe)
      places[place >>> 5] = (places[place >>> 5] as number) | (1 << (place & 31))
    }
    ids++
  }
  const read = (earlier: Iterable<string>): Known => {
    let left = mostRead
    for (const id of earlier) {
      if (left-- === 0) return 'large'
      add(id)
    }
    return 'whole'
  }
  return {
    beginTurn() {
      if (ids < mostIds && moments.size < mostMoments) return
      places?.fill(0)
      ids = 0
      moments.clear()
      lastBegun = ''
    },
    mayHave,
    add,
    begin(moment) {
      if (moment === lastBegun) return
      lastBegun = moment
      if (!moments.has(moment)) moments.set(moment, 'whole')
    },
    isWhole(moment, earlier) {
      const known = moments.get(moment)
      // One look is not worth reading them all.
      if (known === undefined) moments.set(moment, 'looked')
      else if (known === 'looked') moments.set(moment, read(earlier()))
      return moments.get(moment) === 'whole'
    },
  }
}
