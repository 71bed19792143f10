import { z } from 'zod'
import { instead, nearest } from './did-you-mean.ts'
import { isRecord } from './is-record.ts'
import { isWord, type Path, type Report } from './problem.ts'

type Shape = Readonly<Record<string, z.ZodType>>
/** What could be read of a mapping: a key is absent when it was left out or wrong. */
type PartOf<S extends Shape> = { readonly [K in keyof S]?: z.output<S[K]> | undefined }

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping (key: value)',
  record: 'a mapping (key: value)',
}

const sizeMessage = (word: 'least' | 'most', limit: number | bigint, origin: string): string => {
  if (origin === 'number' || origin === 'int') return `must be at ${word} ${limit}`
  return word === 'least' && limit === 1 ? 'must not be empty' : `must have at ${word} ${limit} entries`
}

/** What the library says where a shape has no words of its own. */
const isLibraryMessage = (message: string): boolean => message.startsWith('Invalid input')

const issueMessage = (issue: z.core.$ZodIssue, value: unknown): string => {
  if (issue.code === 'invalid_type')
    return isLibraryMessage(issue.message) ? `must be ${typeNames[issue.expected] ?? issue.expected}` : issue.message
  if (issue.code === 'too_small') return sizeMessage('least', issue.minimum, issue.origin)
  if (issue.code === 'too_big') return sizeMessage('most', issue.maximum, issue.origin)
  if (issue.code === 'invalid_value') {
    const words = issue.values.map(String)
    const near = typeof value === 'string' ? nearest(value, words) : undefined
    return `must be one of ${words.join(', ')}${near === undefined ? '' : `: did you mean ${near}?`}`
  }
  return issue.message
}

const isPathStep = (step: PropertyKey): step is string | number => typeof step !== 'symbol'

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | null | undefined)?.[step], value)

/** The keys of a mapping that a schema wants, whether it may be left out or not; null: it wants something else. */
const keysOf = (schema: unknown): Shape | null => {
  if (schema instanceof z.ZodOptional) return keysOf(schema.unwrap())
  return schema instanceof z.ZodObject ? schema.shape : null
}

/** Checks one value; reports what is wrong, each part at its own place. */
export const readValue = <T extends z.ZodType>(
  schema: T,
  value: unknown,
  path: Path,
  report: Report,
): z.output<T> | undefined => {
  const read = schema.safeParse(value)
  if (read.success) return read.data
  const keys = keysOf(schema)
  // Key by key, so that a missing or mistyped one is said to be that.
  if (keys !== null && isRecord(value)) return void readRecord(keys, value, path, report)
  for (const issue of read.error.issues)
    report([...path, ...issue.path.filter(isPathStep)], issueMessage(issue, valueAt(value, issue.path)))
  return undefined
}

const withSecrets: readonly unknown[] = ['mail', 'log']

/** Passwords stand in these parts, and with a quote or a blank missing they become keys. */
const mayBeSecret = ([part]: Path, key: string, known: readonly string[]): boolean =>
  !isWord(key) || (withSecrets.includes(part) && nearest(key, known) === undefined)

/**
 * Reads a mapping key by key, so that one wrong key hides no other. `later` names keys of coming versions, with what to say of
 * them. null when there is no mapping at all.
 */
export const readRecord = <S extends Shape>(
  shape: S,
  value: unknown,
  path: Path,
  report: Report,
  later: Readonly<Record<string, string>> = {},
): PartOf<S> | null => {
  if (value === undefined || value === null) {
    report(path, value === null ? 'is empty: fill it in' : 'is missing')
    return null
  }
  if (!isRecord(value)) {
    report(path, `must be a mapping with ${Object.keys(shape).join(', ')}`)
    return null
  }
  const known = Object.keys(shape)
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue
    const at = [...path, key]
    if (Object.hasOwn(later, key)) report(at, later[key] ?? '', { at: 'key' })
    else if (mayBeSecret(at, key, known))
      report(at, `a key stands here that is not known: known are ${known.join(', ')}`, { at: 'key', unnamed: true })
    else report(at, `is not known here: ${instead(key, known)}`, { at: 'key' })
  }
  const read = Object.entries(shape).map(([key, schema]) => {
    const own = Object.hasOwn(value, key) ? value[key] : undefined
    if (own !== undefined && own !== null) return [key, readValue(schema, own, [...path, key], report)] as const
    const mayBeMissing = schema.safeParse(own).success
    if (!mayBeMissing)
      report([...path, key], own === null ? 'has no value: write one, or remove the line' : 'is missing')
    return [key, undefined] as const
  })
  return Object.fromEntries(read) as PartOf<S>
}
