import { z } from 'zod'
import { compilePattern, PatternError } from '../../schemas/pattern.ts'
import type { Pattern } from '../../schemas/pattern.ts'
import { instead } from './did-you-mean.ts'
import { isRecord } from './is-record.ts'
import type { Path, Report } from './problem.ts'
import { shown } from './problem.ts'
import type { Source } from './yaml-source.ts'

/** What reading a value needs beside the value. */
export interface Reading {
  readonly report: Report
  /** The scalar as it was written, so that an unquoted `1.0` stays `1.0` where a text is wanted. */
  readonly writtenAt: Source['writtenAt']
}

/** A parameter of an artifact: how it is read, what holds when it is left out, and what an editor should know. */
export interface Parameter<T> {
  /** undefined when it was reported. */
  read(value: unknown, path: Path, reading: Reading): T | undefined
  readonly fallback: T
  readonly schema: z.ZodType
}

type Parameters = Readonly<Record<string, Parameter<unknown>>>
/** The typed values of a set of parameters. */
export type ValuesOf<P extends Parameters> = { readonly [K in keyof P]: P[K] extends Parameter<infer T> ? T : never }

/** The text of a scalar, numbers and booleans as they were written; undefined for anything else. */
export const plainText = (value: unknown, path: Path, { writtenAt }: Reading): string | undefined => {
  if (typeof value === 'string') return value
  const isScalar = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
  return isScalar ? (writtenAt(path) ?? String(value)) : undefined
}

/** A text. */
export const text = (fallback: string, description: string): Parameter<string> => ({
  fallback,
  schema: z.union([z.string(), z.number(), z.boolean()]).meta({ description, default: fallback }),
  read(value, path, reading) {
    const read = plainText(value, path, reading)
    if (read === undefined) reading.report(path, 'must be text')
    return read
  },
})

/** true and false, also as the server writes them: Y and N. */
export const flag = (fallback: boolean, description: string): Parameter<boolean> => ({
  fallback,
  schema: z.union([z.boolean(), z.string()]).meta({ description, default: fallback }),
  read(value, path, { report }) {
    if (typeof value === 'boolean') return value
    if (typeof value === 'string' && /^(Y|TRUE|YES|OK)$/i.test(value)) return true
    if (typeof value === 'string' && /^(|N|FALSE|NO|0)$/i.test(value)) return false
    return void report(path, 'must be true or false (or Y or N, as the server writes it)')
  },
})

/** A whole number as the server reads it: `0x10`, `0b11`, `0o17`, and a leading 0 for octal; null when it is none. */
export const parseWhole = (written: string): number | null => {
  const [, sign, digits] = /^([+-]?)(0[xX][\da-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9]\d*)$/.exec(written) ?? []
  if (digits === undefined) return null
  const size = Number(/^0\d/.test(digits) ? `0o${digits.slice(1)}` : digits)
  return Number.isSafeInteger(size) ? (sign === '-' ? 0 - size : size) : null
}

/** Numbers of files that are read with exact integers come as bigint. */
const wholeOf = (value: unknown): number | null => {
  if (typeof value === 'string') return parseWhole(value)
  const size = typeof value === 'bigint' ? Number(value) : value
  return typeof size === 'number' && Number.isSafeInteger(size) ? size : null
}

interface Bounds {
  readonly least?: number
  readonly most?: number
  /** Values above are taken as this one, and that is said. */
  readonly cap?: number
}

/** A whole number. */
export const whole = (fallback: number, description: string, { least, most, cap }: Bounds = {}): Parameter<number> => ({
  fallback,
  schema: z.union([z.int(), z.string()]).meta({ description, default: fallback }),
  read(value, path, { report }) {
    const read = wholeOf(value)
    if (read === null) return void report(path, `must be a whole number; leave it out for the default, ${fallback}`)
    if (least !== undefined && read < least) return void report(path, `must be at least ${least}`)
    if (most !== undefined && read > most) return void report(path, `must be at most ${most}`)
    if (cap === undefined || read <= cap) return read
    report(path, `is taken as ${cap}, the most there can be`, { level: 'warning' })
    return cap
  },
})

/** Compiles a pattern; what RE2 refuses is handed to `refuse`. */
export const compiled = (written: string, refuse: (message: string) => void): Pattern | undefined => {
  try {
    return compilePattern(written)
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    return void refuse(`is no pattern that RE2 takes: ${error.message}`)
  }
}

/** A pattern of RE2, without regard to case, found anywhere. */
export const pattern = (fallback: string, description: string): Parameter<Pattern> => ({
  fallback: compilePattern(fallback),
  schema: z
    .union([z.string(), z.number(), z.boolean()])
    .meta({ description: `${description} (RE2 pattern, case ignored)`, default: fallback }),
  read(value, path, reading) {
    const written = plainText(value, path, reading)
    if (written === undefined) return void reading.report(path, 'must be a pattern, as text')
    return compiled(written, (message) => reading.report(path, message))
  },
})

/** One of several words. */
export const oneOf = <const W extends string>(words: readonly W[], fallback: W, description: string): Parameter<W> => ({
  fallback,
  schema: z.enum(words).meta({ description, default: fallback }),
  read(value, path, { report }) {
    const word = words.find((each) => each === value)
    if (word === undefined) report(path, `must be one of ${words.join(', ')}`)
    return word
  },
})

/** The list that a JSON text holds, or whatever else it holds; undefined for what is no JSON. */
export const jsonList = (written: string): unknown => {
  if (written.trim() === '') return []
  try {
    return JSON.parse(written)
  } catch {
    return undefined
  }
}

/** Any number of several words, as a list or as the server's JSON text; each once, in the order of `words`. */
export const someOf = <const W extends string>(
  words: readonly W[],
  fallback: readonly W[],
  description: string,
): Parameter<readonly W[]> => ({
  fallback,
  schema: z.union([z.array(z.enum(words)), z.string()]).meta({ description, default: fallback }),
  read(value, path, { report }) {
    const list = typeof value === 'string' ? jsonList(value) : value
    if (!Array.isArray(list)) return void report(path, `must be a list, of ${words.join(', ')}`)
    const unknown = [...list.entries()].filter(([, word]) => !words.some((each) => each === word))
    for (const [index, word] of unknown) {
      const message = typeof word === 'string' ? `${shown(word)} is not known: ${instead(word, words)}` : 'must be text'
      report(typeof value === 'string' ? path : [...path, index], message)
    }
    return unknown.length > 0 ? undefined : words.filter((word) => list.includes(word))
  },
})

/**
 * Reads the parameters of an artifact; those left out get their fallback. null when something was reported as an error: every
 * parameter is read all the same, so that all is said at once.
 */
export const readParameters = <P extends Parameters>(
  parameters: P,
  value: unknown,
  path: Path,
  reading: Reading,
): ValuesOf<P> | null => {
  const given = value === undefined || value === null ? {} : value
  if (!isRecord(given)) {
    reading.report(path, 'must be a mapping of parameters')
    return null
  }
  const known = Object.keys(parameters)
  const strange = Object.keys(given).filter((name) => !known.includes(name))
  for (const name of strange)
    reading.report([...path, name], `is no parameter of this artifact: ${instead(name, known)}`, { at: 'key' })
  const entries = Object.entries(parameters).map(([name, parameter]) => {
    const own = Object.hasOwn(given, name) ? given[name] : undefined
    if (own === undefined) return [name, parameter.fallback] as const
    if (own !== null) return [name, parameter.read(own, [...path, name], reading)] as const
    reading.report([...path, name], 'has no value: write one, or remove the line for the default')
    return [name, undefined] as const
  })
  const isWhole = strange.length === 0 && entries.every(([, read]) => read !== undefined)
  return isWhole ? (Object.fromEntries(entries) as ValuesOf<P>) : null
}
