/** Something that a check found. */
export interface Finding {
  readonly kind: 'ok' | 'warning' | 'failure'
  readonly about: string
  /** What was seen, and what to do where it is not well. */
  readonly text: string
}

export interface Findings {
  add(kind: Finding['kind'], about: string, text: string): void
  count(): { readonly failures: number; readonly warnings: number }
}

/** Passes findings on as they come, and counts them. */
export const openFindings = (print: (finding: Finding) => void): Findings => {
  let failures = 0
  let warnings = 0
  return {
    add(kind, about, text) {
      if (kind === 'failure') failures += 1
      if (kind === 'warning') warnings += 1
      print({ kind, about, text })
    },
    count: () => ({ failures, warnings }),
  }
}
