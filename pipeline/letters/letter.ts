import { singleLine } from './texts.ts'

/** A text that leads somewhere; the address is http or https. */
export interface Link {
  readonly kind: 'link'
  readonly text: string
  readonly url: string
}

/** A text as it was found (whoever renders it makes it harmless), or a link. */
export type Inline = string | Link

/** Several texts of one row; shown with bullets when there are two or more. */
export interface List {
  readonly kind: 'list'
  readonly items: readonly Inline[]
  /** How many there are; above `items.length` the letter says how many it shows. */
  readonly total: number
}

/** Rows inside a row. */
export interface NestedRows {
  readonly kind: 'nested'
  readonly rows: readonly { readonly name: string; readonly text: string }[]
  /** How many there are; above `rows.length` the letter says how many it shows. */
  readonly total: number
}

export type Value = Inline | List | NestedRows

export interface Row {
  readonly name: string
  readonly value: Value
  /** What the page shows in its place; plain text has the whole. */
  readonly short?: Value
}

/** Names and values below each other. */
export interface Rows {
  readonly kind: 'rows'
  readonly rows: readonly Row[]
  /** How many there are; above `rows.length` the section says how many it shows. Left out: these are all. */
  readonly total?: number
}

/** Rows of several columns. */
export interface Table {
  readonly kind: 'table'
  /** Empty: no heading line. */
  readonly headings: readonly string[]
  /** Columns shown; every row has so many cells. */
  readonly width: number
  /** There are columns that are not shown. */
  readonly moreColumns: boolean
  readonly rows: readonly (readonly Inline[])[]
  /** How many rows there are; above `rows.length` the table says how many it shows. */
  readonly total: number
}

export interface Section {
  readonly heading: string
  /** What is said between the heading and the body; empty: nothing. */
  readonly note: readonly Inline[]
  readonly body: Rows | Table
}

/** What a letter says, in the one form from which its HTML and its plain text are made. */
export interface Letter {
  /** One line, visible characters only. */
  readonly subject: string
  readonly title: string
  /** Good news: a green banner; bad news: a red one. */
  readonly ok: boolean
  readonly summary: string
  /** What the summary ends with, standing out. */
  readonly stress?: string
  /** What is said of the letter itself, after the summary; empty: nothing. */
  readonly note: readonly Inline[]
  readonly sections: readonly Section[]
  readonly footer: readonly Inline[]
  /** Where everything stands that a letter has no room for. */
  readonly more: Link
}

/** What a shortened list, nested table or table says of itself. */
export function showing(shown: number, total: number, things: string): string {
  return `(Showing ${shown} of ${total} ${things})`
}

/** A text or link as part of a sentence: without line breaks. */
export function onOneLine(part: Inline): Inline {
  return typeof part === 'string' ? singleLine(part) : { ...part, text: singleLine(part.text) }
}
