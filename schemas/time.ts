/** Milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMs = number

/** The one clock of a runtime; virtual in scenarios and replay. */
export interface Clock {
  now(): EpochMs
  /** Calls once, at `at` or as soon as possible after. Returns what cancels it; calling that twice is harmless. */
  at(at: EpochMs, call: () => void): () => void
}
