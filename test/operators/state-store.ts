import type { StateStore } from '../../operators/with-state.ts'

/** A store that shows what was asked of it. */
export interface ShownStore<S> extends StateStore<S> {
  readonly states: Map<string, S>
  readonly calls: string[]
}

/** States in a map, as a log's state keeps them. */
export const openStore = <S>(): ShownStore<S> => {
  const states = new Map<string, S>()
  const calls: string[] = []
  return {
    states,
    calls,
    get: (key) => states.get(key),
    put(key, state, now) {
      calls.push(`put ${key} at ${now}`)
      if (state === undefined) states.delete(key)
      else states.set(key, state)
    },
    wake: (key, at) => void calls.push(`wake ${key} at ${at}`),
  }
}
