import { onOneLine, showing } from './letter.ts'
import type { Inline, Letter, List, NestedRows, Row, Rows, Table } from './letter.ts'
import { singleLine, visible } from './texts.ts'

// What begins a line of ours stands at its margin; the further lines of a foreign text stand four columns deeper.
const ROW_MARGIN = '    '
const ITEM_MARGIN = '        '

/** The letter as plain text, with every fact that its page states; no value can begin a line that looks like a row. */
export function renderText(letter: Letter): string {
  const summary = [letter.summary, letter.stress ?? ''].filter((part) => part !== '').join(' ')
  const lines = [singleLine(letter.title), '', singleLine(summary), ...note(letter.note)]
  for (const { heading, note: said, body } of letter.sections) {
    lines.push('', singleLine(heading), ...note(said))
    lines.push(...(body.kind === 'rows' ? rows(body) : table(body)))
  }
  lines.push('', sentence(letter.footer))
  return `${lines.join('\n')}\n`
}

function note(said: readonly Inline[]): readonly string[] {
  return said.length === 0 ? [] : [sentence(said)]
}

function sentence(parts: readonly Inline[]): string {
  return parts.map((part) => inline(onOneLine(part), '')).join('')
}

function rows({ rows: shown, total = shown.length }: Rows): readonly string[] {
  return [...shown.flatMap(row), ...(total > shown.length ? [`  ${showing(shown.length, total, 'rows')}`] : [])]
}

function row({ name, value }: Row): readonly string[] {
  if (typeof value === 'string' || value.kind === 'link') return [named(name, inline(value, ROW_MARGIN))]
  return value.kind === 'list' ? list(name, value) : nested(name, value)
}

function list(name: string, { items, total }: List): readonly string[] {
  const [only] = items
  if (only !== undefined && total === 1) return [named(name, inline(only, ROW_MARGIN))]
  return [
    named(name, ''),
    ...items.map((item) => bullet(inline(item, ITEM_MARGIN))),
    ...(total > items.length ? [`  ${showing(items.length, total, 'entries')}`] : []),
  ]
}

function nested(name: string, { rows, total }: NestedRows): readonly string[] {
  return [
    named(name, ''),
    ...rows.map((entry) => bullet(named(entry.name, inline(entry.text, ITEM_MARGIN)))),
    ...(total > rows.length ? [`  ${showing(rows.length, total, 'entries')}`] : []),
  ]
}

function table({ headings, moreColumns, rows, total }: Table): readonly string[] {
  const labels = headings.map((heading) => named(heading, ''))
  const lines: string[] = []
  rows.forEach((cells, index) => {
    cells.forEach((cell, column) => {
      const label = labels[column]
      const content = inline(cell, ITEM_MARGIN)
      lines.push(`${column === 0 ? '  - ' : '    '}${label === undefined ? content : labelled(label, content)}`)
    })
    if (moreColumns && index === 0) lines.push('    …')
  })
  if (total > rows.length) lines.push(`  ${showing(rows.length, total, 'rows')}`)
  return lines
}

function named(name: string, content: string): string {
  return labelled(`${singleLine(name)}:`, content)
}

function labelled(label: string, content: string): string {
  return content === '' ? label : `${label} ${content}`
}

function bullet(content: string): string {
  return `  - ${content}`
}

function inline(content: Inline, margin: string): string {
  if (typeof content === 'string') return indented(content, margin)
  return content.text === '' || content.text === content.url
    ? content.url
    : `${indented(content.text, margin)} (${content.url})`
}

function indented(content: string, margin: string): string {
  const shown = visible(content)
  return shown.includes('\n') ? shown.replaceAll('\n', `\n${margin}`) : shown
}
