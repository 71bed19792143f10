import type { AlertEvent } from '../schemas/generated.ts'
import { remembering } from '../schemas/remembering.ts'

const parsed = new WeakMap<AlertEvent, unknown>()

const parse = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}

/** What the alert's `event_data` holds, parsed once for all who ask; null where it is no JSON. */
export const alertData = (event: AlertEvent): unknown => {
  const known = parsed.get(event)
  if (known !== undefined) return known
  const data = parse(event.event_data)
  parsed.set(event, data)
  return data
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

/** The names are those of tables, and few. */
const stepsOf = remembering((name) => name.split('.'))

/** A member by its name; dots lead into what is nested, also by the index of a list. undefined: there is none. */
export const memberOf = (data: unknown, name: string): unknown => {
  let at = data
  for (const step of stepsOf(name)) {
    if (!isObject(at) || !Object.hasOwn(at, step)) return undefined
    at = at[step]
  }
  return at
}

/** Foreign values may nest deeper than can be written: those say nothing. */
const jsonOf = (value: object): string => {
  try {
    return JSON.stringify(value)
  } catch {
    return ''
  }
}

/** A member's value as text; empty for what is missing or says nothing: null, an empty text, list or object. */
export const memberText = (value: unknown): string => {
  if (value === undefined || value === null) return ''
  if (isObject(value)) return Object.keys(value).length === 0 ? '' : jsonOf(value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}
