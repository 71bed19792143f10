/** Ends what runs: once, and all that hangs on it. */
export interface Stop {
  readonly stopped: boolean
  stop(): void
  /** Calls at the stop, or at once after it. Returns what forgets the call. */
  whenStopped(call: () => void): () => void
}

/** A stop of its own; also stopped when `parent` is. */
export const makeStop = (parent?: Stop): Stop => {
  const calls = new Set<() => void>()
  let stopped = false
  let forget: (() => void) | undefined
  const self: Stop = {
    get stopped() {
      return stopped
    },
    stop: () => {
      if (stopped) return
      stopped = true
      forget?.()
      for (const call of [...calls]) call()
      calls.clear()
    },
    whenStopped: (call) => {
      if (stopped) {
        call()
        return () => undefined
      }
      calls.add(call)
      return () => calls.delete(call)
    },
  }
  if (parent !== undefined) forget = parent.whenStopped(self.stop)
  return self
}
