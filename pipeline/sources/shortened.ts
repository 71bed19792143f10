import { exactJson, isDictionary } from '../../connectors/velociraptor/exact-json.ts'

interface Limits {
  /** Characters of a text. */
  readonly text: number
  /** Members of a list or object. */
  readonly members: number
  readonly depth: number
}

// From mild to harsh; the last leaves next to nothing, however the value is made.
const limits: readonly Limits[] = [
  { text: 12_000, members: 1000, depth: 12 },
  { text: 2000, members: 200, depth: 12 },
  { text: 500, members: 50, depth: 6 },
  { text: 200, members: 20, depth: 2 },
]

const cut = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length)}…` : text)

const within = (value: unknown, limit: Limits): unknown => {
  if (typeof value === 'string') return cut(value, limit.text).toWellFormed()
  const inner = { ...limit, depth: limit.depth - 1 }
  if (Array.isArray(value))
    return limit.depth === 0 ? '[…]' : value.slice(0, limit.members).map((item: unknown) => within(item, inner))
  if (!isDictionary(value)) return value
  if (limit.depth === 0) return '{…}'
  const entries = Object.entries(value).slice(0, limit.members)
  return Object.fromEntries(entries.map(([key, item]) => [cut(key, limit.text), within(item, inner)]))
}

/** The JSON text of a value that is too large for the log, without as little as makes it fit: long texts, then members, then what lies deep. */
export const shortened = (value: unknown, mostBytes: number): string => {
  for (const limit of limits) {
    const json = exactJson(within(value, limit))
    if (Buffer.byteLength(json) <= mostBytes) return json
  }
  throw new Error('the row is too large, and cannot be shortened')
}
