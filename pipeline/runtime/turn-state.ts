import type { StateKey, TaskState } from '../../connectors/log/event-log.ts'
import { decode, encode, type SchemaName } from '../../schemas/codec.ts'
import type { Schemas } from '../../schemas/generated.ts'

/** A task's state as a turn sees it: what was committed, overlaid by what this turn puts. */
export interface TurnState {
  get<N extends SchemaName>(name: N, key: StateKey): Schemas[N] | undefined
  getBytes(key: StateKey): Uint8Array | undefined
  put<N extends SchemaName>(name: N, key: StateKey, value: Schemas[N]): void
  putBytes(key: StateKey, bytes: Uint8Array): void
  delete(key: StateKey): void
  /** Committed keys from `from` (inclusive) to `to` (exclusive), without those that this turn deleted or put anew. */
  committedKeys(from: StateKey, to: StateKey): Iterable<StateKey>
  /** All keys from `from` (inclusive) to `to` (exclusive), in order, as this turn sees them at the call. */
  keys(from: StateKey, to: StateKey): Iterable<StateKey>
  /** Whether this turn put or deleted the key. */
  isChanged(key: StateKey): boolean
  /** The first key from `from` (inclusive) to `to` (exclusive) as the turn found it; a look at the log only at the first call. */
  firstFound(from: StateKey, to: StateKey): StateKey | undefined
  /** What the turn commits. */
  puts(): readonly (readonly [StateKey, Uint8Array | null])[]
}

export const openTurnState = (state: TaskState): TurnState => {
  const values = new Map<StateKey, unknown>()
  const changed = new Map<StateKey, Uint8Array | null>()
  const firsts = new Map<StateKey, { readonly to: StateKey; readonly first: StateKey | undefined }>()
  const getBytes = (key: StateKey): Uint8Array | undefined =>
    changed.has(key) ? (changed.get(key) ?? undefined) : state.get(key)
  const putBytes = (key: StateKey, bytes: Uint8Array | null): void => {
    values.delete(key)
    changed.set(key, bytes)
  }
  const added = (from: StateKey, to: StateKey): StateKey[] =>
    [...changed]
      .filter(([key, bytes]) => bytes !== null && key >= from && key < to)
      .map(([key]) => key)
      .sort()
  function* committedKeys(from: StateKey, to: StateKey): Generator<StateKey> {
    for (const [key] of state.range(from, to)) if (!changed.has(key)) yield key
  }
  return {
    get<N extends SchemaName>(name: N, key: StateKey) {
      if (values.has(key)) return values.get(key) as Schemas[N]
      const bytes = getBytes(key)
      if (bytes === undefined) return undefined
      // A turn asks for the same again and again, row by row.
      const value = decode(name, bytes)
      values.set(key, value)
      return value
    },
    getBytes,
    put(name, key, value) {
      putBytes(key, encode(name, value))
      values.set(key, value)
    },
    putBytes,
    delete: (key) => putBytes(key, null),
    committedKeys,
    *keys(from, to) {
      // Keys put in this turn are few; the committed ones may be many, and are read as far as they are asked for.
      const fresh = added(from, to)
      for (const key of committedKeys(from, to)) {
        while (fresh.length > 0 && (fresh[0] as string) < key) yield fresh.shift() as string
        yield key
      }
      yield* fresh
    },
    isChanged: (key) => changed.has(key),
    firstFound(from, to) {
      const known = firsts.get(from)
      if (known?.to === to) return known.first
      const [entry] = state.range(from, to)
      firsts.set(from, { to, first: entry?.[0] })
      return entry?.[0]
    },
    puts: () => [...changed],
  }
}

/** The key after every key that begins with `prefix`. Prefixes end in ASCII. */
export const afterPrefix = (prefix: string): string =>
  prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)
