import { isDictionary } from '../../connectors/velociraptor/exact-json.ts'
import { text } from '../sources/looked-up.ts'

/** Text with columns of a row in it. */
export interface Template {
  /** As it was written. */
  readonly text: string
  /** Texts and columns in turn, a text first and last. */
  readonly parts: readonly string[]
}

/** Why a template cannot be read, and what to write. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

const longestValue = 200
const pieces = /\\\{\{|\{\{([^{}]*)\}\}|\{\{/g

/** Reads a template: `{{ Column }}` stands for a column, dots lead into nested ones, `\{{` for the braces themselves. Throws TemplateError. */
export const readTemplate = (written: string): Template => {
  const parts: string[] = ['']
  let from = 0
  const say = (literal: string): void => {
    parts[parts.length - 1] += literal
  }
  for (const { 0: piece, 1: inner, index } of written.matchAll(pieces)) {
    say(written.slice(from, index))
    from = index + piece.length
    if (piece === '\\{{') say('{{')
    else {
      const column = inner?.trim() ?? ''
      if (inner === undefined)
        throw new TemplateError('has {{ without its partner: write {{ Column }}, or \\{{ for the braces themselves')
      if (column === '') throw new TemplateError('has {{ }} without a name in it: name a column of the queue')
      parts.push(column, '')
    }
  }
  say(written.slice(from))
  return { text: written, parts }
}

/** A column of a row, by its name as it stands, or by names that lead into nested ones; undefined: there is none. */
export const columnOf = (row: unknown, name: string): unknown => {
  if (!isDictionary(row)) return undefined
  if (Object.hasOwn(row, name)) return row[name]
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
    const head = name.slice(0, dot)
    if (!Object.hasOwn(row, head)) continue
    const found = columnOf(row[head], name.slice(dot + 1))
    if (found !== undefined) return found
  }
  return undefined
}

const cut = (value: string): string =>
  value.length > longestValue ? `${value.slice(0, longestValue).toWellFormed()}…` : value.toWellFormed()

/** Whether a row has every column that the template names. */
export const hasColumns = ({ parts }: Template, row: unknown): boolean =>
  parts.every((part, n) => n % 2 === 0 || columnOf(row, part) !== undefined)

/** The template with a row's values, each of 200 characters at most; what they hold is never read as a template. A column that the row lacks is said to be missing. */
export const fill = ({ parts }: Template, row: unknown): string =>
  parts
    .map((part, n) => {
      if (n % 2 === 0) return part
      const value = columnOf(row, part)
      return value === undefined ? `(no ${part})` : cut(text(value))
    })
    .join('')
