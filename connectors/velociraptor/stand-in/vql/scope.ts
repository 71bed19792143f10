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

const builtInNames = ['_SessionId', '$device_manager', 'config', '$acl', 'Artifact', '$repository', '$root']

/** The names in reach as the server lists them: the request's own first, then those of each row, outermost first. */
export const scopeText = (scope: Scope): string => {
  const frames: string[] = []
  let at = scope
  for (; at.parent !== null; at = at.parent) frames.unshift(`, [${at.names().join(', ')}]`)
  const own = at.names().filter((name) => !builtInNames.includes(name))
  return `[NULL], [${[...own, ...builtInNames].join(', ')}], [$Query]${frames.join('')}`
}
