import type { Clock } from '../../../../schemas/time.ts'
import type { Scope } from './scope.ts'
import type { Sink } from './sinks.ts'
import type { Value } from './values.ts'

/** The arguments of a call by their names; subqueries are not run yet. */
export type Arguments = ReadonlyMap<string, Value>

/** What a function or plugin may be given: names it must have, names it may have, or anything (`free`). */
export interface Signature {
  readonly required?: readonly string[]
  readonly optional?: readonly string[]
  readonly free?: true
  /** The permission without which it does nothing; its name as in the server's message. */
  readonly needs?: string | ((args: Arguments) => string | null)
  /** The name in messages, where the server's is odd. */
  readonly says?: string
}

/** Gives a value; null also when there is none. */
export interface VqlFunction extends Signature {
  call(args: Arguments, call: CallContext): Value
}

/** Sends rows, now or later, until it is done or `out` is stopped. */
export interface Plugin extends Signature {
  run(args: Arguments, out: Sink, call: CallContext): void
}

/** Where a function or plugin is called. */
export interface CallContext {
  readonly session: Session
  readonly scope: Scope
  /** What an aggregate remembers for this place in the query and this group. */
  readonly memory: <T>(first: () => T) => { value: T }
}

/** One query as it runs. */
export interface Session {
  readonly clock: Clock
  readonly functions: ReadonlyMap<string, VqlFunction>
  readonly plugins: ReadonlyMap<string, Plugin>
  /** Writes a line of the query's log, as it stands on the wire without its newline. */
  log(text: string): void
  allows(permission: string): boolean
  /** What aggregates remember, by their place in the query and the group. */
  readonly memories: Map<object, Map<string, { value: unknown }>>
  /** The group of the row at hand, '' outside of GROUP BY. */
  group: string
}

/** The memories of a place in the query, each group of the session having its own. */
export const memoryOf =
  (place: object, session: Session): CallContext['memory'] =>
  <T>(first: () => T) => {
    let groups = session.memories.get(place)
    if (groups === undefined) session.memories.set(place, (groups = new Map()))
    let memory = groups.get(session.group)
    if (memory === undefined) groups.set(session.group, (memory = { value: first() }))
    return memory as { value: T }
  }

/** The arguments if the signature and the permissions allow them; null after a line in the log that says why not. `name`: as called. */
export const checked = (name: string, signature: Signature, given: Arguments, session: Session): Arguments | null => {
  const { required = [], optional = [], free, needs, says = name } = signature
  if (free === undefined)
    for (const key of given.keys())
      if (!required.includes(key) && !optional.includes(key)) {
        session.log(`${name}: Unexpected arg ${key}`)
        return null
      }
  for (const key of required)
    if (!given.has(key)) {
      session.log(`${name}: Field ${key} is required`)
      return null
    }
  const permission = typeof needs === 'function' ? needs(given) : (needs ?? null)
  if (permission === null || session.allows(permission)) return given
  session.log(`${says}: PermissionDenied: Permission denied: [${permission}]`)
  return null
}
