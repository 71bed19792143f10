/** What stands between a process and its world: nothing passes while it is frozen, and nothing ever again once it is killed. */
export interface Gate {
  /** Resolves once the process runs. */
  pass(): Promise<void>
  /** Calls once the process runs: now, if it does. */
  run(call: () => void): void
  freeze(): void
  thaw(): void
  kill(): void
  isDead(): boolean
  isFrozen(): boolean
}

export const openGate = (): Gate => {
  let state: 'running' | 'frozen' | 'dead' = 'running'
  let waiting: (() => void)[] = []
  const run = (call: () => void): void => {
    if (state === 'running') call()
    else if (state === 'frozen') waiting.push(call)
  }
  return {
    run,
    pass: () => new Promise((resolve) => run(resolve)),
    freeze() {
      if (state === 'running') state = 'frozen'
    },
    thaw() {
      if (state !== 'frozen') return
      state = 'running'
      // One of them may freeze or kill it again.
      for (const call of waiting.splice(0)) run(call)
    },
    kill() {
      state = 'dead'
      waiting = []
    },
    isDead: () => state === 'dead',
    isFrozen: () => state === 'frozen',
  }
}
