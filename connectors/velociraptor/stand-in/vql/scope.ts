import type { Value } from './values.ts'

/** Names that an expression can read, the innermost first. */
export interface Scope {
  readonly parent: Scope | null
  /** undefined: not here. */
  read(name: string): Value | undefined
  /** The names here, for the server's message about one that is missing. */
  names(): readonly string[]
}

/** A scope that also knows what a dictionary holds. */
export const within = (parent: Scope | null, frame: ReadonlyMap<string, Value>): Scope => ({
  parent,
  read: (name) => frame.get(name),
  names: () => [...frame.keys()],
})

/** The value of a name; undefined when no scope knows it. */
export const lookUp = (scope: Scope, name: string): Value | undefined => {
  for (let at: Scope | null = scope; at !== null; at = at.parent) {
    const value = at.read(name)
    if (value !== undefined) return value
  }
  return undefined
}
