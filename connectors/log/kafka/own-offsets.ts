/** Offsets of a changelog that its owner has kept by itself, and the reader has not met yet: what stands there need not be kept twice. */
export interface OwnOffsets {
  add(entries: readonly { readonly offset: number }[]): void
  /** Asked in order: what lies below is not asked for any more. */
  has(offset: number): boolean
  /** Everything below is not asked for any more. */
  forget(next: number): void
}

type Span = readonly [first: number, last: number]

export const openOwnOffsets = (): OwnOffsets => {
  /** Entries of one commit mostly stand side by side. */
  let spans: Span[] = []
  return {
    add: (entries) => {
      for (const { offset } of entries) {
        const [first, last] = spans.at(-1) ?? [offset, NaN]
        if (offset === last + 1) spans[spans.length - 1] = [first, offset]
        else spans.push([offset, offset])
      }
    },
    has: (offset) => {
      while ((spans[0]?.[1] ?? Infinity) < offset) spans.shift()
      return (spans[0]?.[0] ?? Infinity) <= offset
    },
    forget: (next) => {
      spans = spans.filter(([, last]) => last >= next)
    },
  }
}
