import { renderHtml } from './html.ts'
import type { Inline, Letter, List, NestedRows, Row, Section, Table, Value } from './letter.ts'
import { renderText } from './text.ts'
import { elideRight } from './texts.ts'

/** Bytes of HTML above which a widely used mail program hides the rest behind a button. */
export const LARGEST_HTML = 100_000

/** A letter in both its forms. */
export interface RenderedLetter {
  readonly html: string
  readonly text: string
  /** Something was left out, and both forms say so. */
  readonly shortened: boolean
}

interface Cut {
  readonly tables: boolean
  readonly tableRows: number
  readonly tableColumns: number
  readonly rows: number
  readonly items: number
  readonly length: number
}

// From mild to harsh; the first that fits is taken.
const CUTS: readonly Cut[] = [
  { tables: true, tableRows: 50, tableColumns: 50, rows: 200, items: 200, length: 4_000 },
  { tables: true, tableRows: 25, tableColumns: 20, rows: 100, items: 100, length: 1_000 },
  { tables: true, tableRows: 10, tableColumns: 10, rows: 50, items: 50, length: 300 },
  { tables: true, tableRows: 4, tableColumns: 6, rows: 50, items: 10, length: 100 },
  { tables: false, tableRows: 0, tableColumns: 0, rows: 50, items: 10, length: 100 },
]
// Fits whatever the texts are.
const LEAST: Cut = { tables: false, tableRows: 0, tableColumns: 0, rows: 15, items: 3, length: 25 }

/** Renders both forms from the same facts, leaving out as little as makes the HTML fit `LARGEST_HTML`. */
export function renderLetter(letter: Letter): RenderedLetter {
  const whole = htmlThatFits(letter)
  if (whole !== null) return { html: whole, text: renderText(letter), shortened: false }
  for (const cut of CUTS) {
    const shortened = shorten(letter, cut)
    const html = htmlThatFits(shortened)
    if (html !== null) return { html, text: renderText(shortened), shortened: true }
  }
  const least = shorten(letter, LEAST)
  return { html: renderHtml(least), text: renderText(least), shortened: true }
}

function htmlThatFits(letter: Letter): string | null {
  if (charactersOf(letter) > LARGEST_HTML) return null
  const html = renderHtml(letter)
  return Buffer.byteLength(html) <= LARGEST_HTML ? html : null
}

// A character is a byte or more: what has too many need not be rendered to be known as too long.
function charactersOf({ summary, stress = '', sections }: Letter): number {
  let count = summary.length + stress.length
  for (const { body } of sections) {
    if (body.kind === 'rows')
      for (const { name, value, short = value } of body.rows) count += name.length + charactersIn(short)
    else for (const cells of body.rows) for (const cell of cells) count += charactersIn(cell)
  }
  return count
}

function charactersIn(value: Value): number {
  if (typeof value === 'string') return value.length
  if (value.kind === 'link') return value.text.length + value.url.length
  if (value.kind === 'list') return value.items.reduce((count, item) => count + charactersIn(item), 0)
  return value.rows.reduce((count, { name, text }) => count + name.length + text.length, 0)
}

function shorten(letter: Letter, cut: Cut): Letter {
  const sections = letter.sections.filter(({ body }) => cut.tables || body.kind === 'rows')
  return {
    ...letter,
    subject: elideRight(letter.subject, cut.length),
    summary: elideRight(letter.summary, Math.max(cut.length, 400)),
    ...(letter.stress === undefined ? {} : { stress: elideRight(letter.stress, Math.max(cut.length, 400)) }),
    note: [
      ...letter.note,
      'This letter was too long for mail programs and is shortened; all of it is in Velociraptor: ',
      letter.more,
    ],
    sections: sections.map((section) => shortenSection(section, cut)),
  }
}

function shortenSection({ heading, note, body }: Section, cut: Cut): Section {
  return {
    heading: elideRight(heading, cut.length),
    note,
    body:
      body.kind === 'table'
        ? shortenTable(body, cut)
        : { ...body, rows: body.rows.slice(0, cut.rows).map((row) => shortenRow(row, cut)) },
  }
}

function shortenTable(table: Table, cut: Cut): Table {
  const width = Math.min(table.width, cut.tableColumns)
  return {
    ...table,
    headings: table.headings.slice(0, width),
    width,
    moreColumns: table.moreColumns || width < table.width,
    rows: table.rows
      .slice(0, cut.tableRows)
      .map((cells) => cells.slice(0, width).map((cell) => shortenInline(cell, cut.length))),
  }
}

function shortenRow({ name, value, short }: Row, cut: Cut): Row {
  const shortened = { name: elideRight(name, cut.length), value: shortenValue(value, cut) }
  return short === undefined ? shortened : { ...shortened, short: shortenValue(short, cut) }
}

function shortenValue(value: Value, cut: Cut): Value {
  if (typeof value === 'string' || value.kind === 'link') return shortenInline(value, cut.length)
  return value.kind === 'list' ? shortenList(value, cut) : shortenNested(value, cut)
}

function shortenList(list: List, { items, length }: Cut): List {
  return { ...list, items: list.items.slice(0, items).map((item) => shortenInline(item, length)) }
}

function shortenNested(nested: NestedRows, { items, length }: Cut): NestedRows {
  const rows = nested.rows.slice(0, items)
  return {
    ...nested,
    rows: rows.map(({ name, text }) => ({ name: elideRight(name, length), text: elideRight(text, length) })),
  }
}

function shortenInline(content: Inline, length: number): Inline {
  if (typeof content === 'string') return elideRight(content, length)
  return { ...content, text: elideRight(content.text, length) }
}
