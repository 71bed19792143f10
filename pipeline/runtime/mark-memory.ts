import { openIdFilter } from './id-filter.ts'

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

const mostMoments = 50_000
/** More ids of a moment are not worth reading: they are looked for one by one. */
const mostRead = 32

type Known = 'looked' | 'whole' | 'large'

/** Opens a memory of at most a million ids. */
export const openMarkMemory = (): MarkMemory => {
  const ids = openIdFilter()
  const moments = new Map<string, Known>()
  /** Moments come in a row. */
  let lastBegun = ''

  const read = (earlier: Iterable<string>): Known => {
    let left = mostRead
    for (const id of earlier) {
      if (left-- === 0) return 'large'
      ids.add(id)
    }
    return 'whole'
  }
  return {
    beginTurn() {
      if (!ids.isFull() && moments.size < mostMoments) return
      ids.clear()
      moments.clear()
      lastBegun = ''
    },
    mayHave: (id) => ids.mayHave(id),
    add: (id) => ids.add(id),
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
