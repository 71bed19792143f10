import type { Bounds } from './partition-reader.ts'

/** Where a task goes on in an input. */
export interface InputPlace {
  readonly name: string
  /** The position that stands; undefined: none does. */
  readonly committed: number | undefined
  /** The first offset that is kept. */
  readonly low: number
}

/** A position that lies beyond the end of its input. */
export interface BeyondEnd {
  readonly topic: string
  readonly position: number
  readonly end: number
}

export interface InputPlacesOptions {
  readonly names: readonly string[]
  readonly committedOf: (name: string) => number | undefined
  /** Bounds of the inputs, by their names, as they were before the task's owner was ended. */
  readonly before: ReadonlyMap<string, Bounds>
  /** As they are now. */
  readonly boundsNow: () => Promise<ReadonlyMap<string, Bounds>>
  /** Makes the error of a position beyond the end. */
  readonly beyond: (at: BeyondEnd) => Error
}

/** Places the inputs of a task. Rejects with the error of the first position that lies beyond its input's end. */
export const placeInputs = async (options: InputPlacesOptions): Promise<readonly InputPlace[]> => {
  const { names, committedOf, before, boundsNow, beyond } = options
  const isBeyond = (name: string, bounds: ReadonlyMap<string, Bounds>): boolean =>
    (committedOf(name) ?? 0) > (bounds.get(name) as Bounds).high
  // Whoever had the partition may have read what came since.
  const bounds = names.some((name) => isBeyond(name, before)) ? await boundsNow() : before
  return names.map((name) => {
    const { low, high } = bounds.get(name) as Bounds
    const committed = committedOf(name)
    if (committed !== undefined && isBeyond(name, bounds)) throw beyond({ topic: name, position: committed, end: high })
    return { name, committed, low }
  })
}
