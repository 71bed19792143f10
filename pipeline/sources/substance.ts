import { hash } from 'node:crypto'
import { exactInteger } from '../../connectors/velociraptor/exact-json.ts'

const addedFields = new Set(['_ts', '_Source', '_Queue', '_Client'])
/** What the server takes for a time when it reads a row back. */
const momentText = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)$/

/** One value for each spelling of a time, in ms; a text that only begins like one stands for itself. */
const momentOf = (text: string): string | number => {
  const at = momentText.test(text) ? Date.parse(text.replace(',', '.')) : Number.NaN
  return Number.isNaN(at) ? text : at
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What lies deeper does not tell rows apart. */
const deepest = 100

/** Times are written anew when a row is read back, and keys may come in another order. */
const canonical = (part: unknown, depth = 0): unknown => {
  if (typeof part === 'string') return momentOf(part)
  if (typeof part === 'bigint') return exactInteger(part)
  if (typeof part !== 'object' || part === null) return part
  if (depth === deepest) return null
  if (Array.isArray(part)) return part.map((item: unknown) => canonical(item, depth + 1))
  const entries = Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, item]) => [key, canonical(item, depth + 1)]))
}

const ownOf = (row: Readonly<Record<string, unknown>>): unknown =>
  canonical(Object.fromEntries(Object.entries(row).filter(([key]) => !addedFields.has(key))))

const substanceOf = (row: unknown, json: string): string => {
  if (!isObject(row)) return json
  const { _ts: ts } = row
  const second = typeof ts === 'number' ? Math.floor(ts > 20_000_000_000 ? ts / 1000 : ts) : null
  return JSON.stringify([second, ownOf(row)])
}

/** A hash of a row's own fields. */
export const contentHash = (row: unknown): string =>
  hash('sha256', isObject(row) ? JSON.stringify(ownOf(row)) : '', 'base64url')

/** A hash of what is the same of a row whether it came live or was read back: its own fields, and the second in which the server had it. */
export const substanceHash = (row: unknown, json: string): string => hash('sha256', substanceOf(row, json), 'base64url')
