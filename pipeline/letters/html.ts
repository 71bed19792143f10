import { html, raw } from 'hono/html'
import { onOneLine, showing } from './letter.ts'
import type { Inline, Letter, List, NestedRows, Rows, Section, Table, Value } from './letter.ts'
import { singleLine, visible } from './texts.ts'

type Markup = ReturnType<typeof raw>

const GREEN = '#4CAF50'
const RED = '#DF0B0B'
const FONT = 'font-family:Helvetica,Arial,sans-serif;font-size:14px;line-height:20px;'
// Every cell repeats it and a letter may hold hundreds: short.
const CELL = raw('style="border:1px solid #ddd;padding:12px"')
const DATA_TABLE = raw(
  `class="t" width="100%" cellspacing="0" style="${FONT}border-collapse:collapse;color:#333;table-layout:auto"`,
)
// More columns than this cannot share the width: they keep their words whole and the frame scrolls.
const CROWDED = 8
const UNBROKEN = ';word-break:normal;overflow-wrap:normal'
// Not needed for reading: the dark colours, and closer cells on a phone.
const STYLE = raw(`<style>
:root{color-scheme:light dark}
@media (max-width:480px){.t>tbody>tr>td,.t>tbody>tr>th{padding:8px!important}.b{padding:12px!important}.p{padding:0!important}}
@media (prefers-color-scheme:dark){
.p{background:#121212!important}.c{background:#1e1e1e!important}
.t,.s{color:#e4e4e4!important}.h,.f{color:#b5b5b5!important}
.t>tbody>tr>td,.t>tbody>tr>th{border-color:#454545!important}
.t>tbody>tr>th{background:#2c2c2c!important}
.c a,.f a{color:#8ab4f8!important}}
</style>`)
// Word's engine knows no max-width.
const WORD_OPEN = raw('<!--[if mso]><table role="presentation" width="750" align="center"><tr><td><![endif]-->')
const WORD_CLOSE = raw('<!--[if mso]></td></tr></table><![endif]-->')
const HARMLESS = /^[^&<>"'\\\n]*$/
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '\\': '&#92;',
  '\n': '<br>',
}

/** The letter as a page: nothing of its texts is markup, nothing is loaded from elsewhere, styles stand in the elements. */
export function renderHtml(letter: Letter): string {
  return markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${line(letter.subject)}</title>
${STYLE}
</head>
<body class="p" bgcolor="#f2f2f2" style="margin:0;padding:0;background:#f2f2f2">
<table class="p" role="presentation" width="100%" cellspacing="0" cellpadding="0" border="0" bgcolor="#f2f2f2" style="background:#f2f2f2"><tr><td class="p" align="center" style="padding:20px 8px">
${WORD_OPEN}
<table class="c" role="presentation" width="100%" cellspacing="0" cellpadding="0" border="0" bgcolor="#ffffff" style="max-width:750px;background:#fff;table-layout:fixed;word-break:break-word;overflow-wrap:anywhere">
<tr><td align="center" bgcolor="${letter.ok ? GREEN : RED}" style="padding:20px"><h1 style="margin:0;${FONT}font-size:24px;line-height:30px;color:#fff">${line(letter.title)}</h1></td></tr>
<tr><td class="b" style="padding:20px">
${paragraph(letter)}
${note(letter.note)}
${joined(letter.sections.map(section))}
</td></tr>
</table>
<p class="f" style="margin:0;padding:16px 8px;${FONT}font-size:12px;color:#6b6b6b">${sentence(letter.footer)}</p>
${WORD_CLOSE}
</td></tr></table>
</body>
</html>
`.toString()
}

function section({ heading, note: said, body }: Section): Markup {
  return markup`<h2 class="h" style="margin:24px 0 8px;${FONT}font-size:18px;line-height:24px;color:#666">${line(heading)}</h2>
${note(said)}${body.kind === 'rows' ? rows(body) : table(body)}
`
}

function rows({ rows: shown, total = shown.length }: Rows): Markup {
  const lines = shown.map(
    ({ name, value: whole, short: content = whole }) =>
      markup`<tr valign="top"><th scope="row" align="left" width="30%" bgcolor="#f2f2f2" ${CELL}>${line(name)}</th>${cell(value(content))}</tr>
`,
  )
  return markup`<table ${DATA_TABLE}>
${joined(lines)}${limitLine(2, shown.length, total)}</table>`
}

function limitLine(columns: number, shown: number, total: number): Markup | string {
  if (total <= shown) return ''
  return markup`<tr><td colspan="${columns}" align="center" ${CELL}>${showing(shown, total, 'rows')}</td></tr>
`
}

// The frame scrolls sideways when many columns would stretch the page.
function table({ headings, width, moreColumns, rows: shown, total }: Table): Markup {
  const columns = width + (moreColumns ? 1 : 0)
  const more = moreColumns ? markup`<td rowspan="${shown.length}" align="center" ${CELL}>…</td>` : ''
  const lines = shown.map(
    (cells, index) =>
      markup`<tr valign="top">${joined(cells.map((content) => cell(inline(content))))}${index === 0 ? more : ''}</tr>
`,
  )
  return markup`<div style="overflow-x:auto${columns > CROWDED ? raw(UNBROKEN) : ''}"><table ${DATA_TABLE}>
${headings.length === 0 ? '' : headingLine(headings, moreColumns)}${joined(lines)}${limitLine(columns, shown.length, total)}</table></div>`
}

function headingLine(headings: readonly string[], moreColumns: boolean): Markup {
  const names = moreColumns ? [...headings, ''] : headings
  const cells = names.map((name) => markup`<th align="left" bgcolor="#f2f2f2" ${CELL}>${line(name)}</th>`)
  return markup`<tr valign="top">${joined(cells)}</tr>
`
}

function cell(content: Markup): Markup {
  return markup`<td ${CELL}>${content}</td>`
}

function value(content: Value): Markup {
  if (typeof content === 'string' || content.kind === 'link') return inline(content)
  return content.kind === 'list' ? list(content) : nested(content)
}

function list({ items, total }: List): Markup {
  const [only] = items
  if (only !== undefined && total === 1) return inline(only)
  return markup`<ul style="margin:0;padding:0 0 0 18px">${joined(items.map((item) => markup`<li>${inline(item)}</li>`))}</ul>${
    total > items.length ? showing(items.length, total, 'entries') : ''
  }`
}

function nested({ rows: shown, total }: NestedRows): Markup {
  const lines = shown.map(
    (row) =>
      markup`<tr valign="top"><td style="padding:0 12px 4px 0">${line(row.name)}</td><td style="padding:0 0 4px">${text(row.text)}</td></tr>`,
  )
  return markup`<table cellspacing="0" cellpadding="0" border="0" style="${FONT}color:inherit">${joined(lines)}</table>${
    total > shown.length ? showing(shown.length, total, 'entries') : ''
  }`
}

function paragraph({ summary, stress = '' }: Letter): Markup {
  const loud = stress === '' ? '' : markup` <b>${line(stress)}</b>`
  return markup`<p class="s" style="margin:0;${FONT}color:#333">${line(summary)}${loud}</p>`
}

function note(said: readonly Inline[]): Markup | string {
  return said.length === 0 ? '' : markup`<p class="s" style="margin:8px 0;${FONT}color:#333">${sentence(said)}</p>`
}

function sentence(parts: readonly Inline[]): Markup {
  return joined(parts.map((part) => inline(onOneLine(part))))
}

function inline(content: Inline): Markup {
  if (typeof content === 'string') return text(content)
  if (!/^https?:\/\//.test(content.url)) return text(content.text)
  return markup`<a href="${content.url}">${text(content.text === '' ? content.url : content.text)}</a>`
}

function line(content: string): Markup {
  return escaped(singleLine(content))
}

function text(content: string): Markup {
  return escaped(visible(content))
}

// The template would escape too, but knows neither the backslash nor line breaks.
function escaped(content: string): Markup {
  return raw(
    HARMLESS.test(content)
      ? content
      : content.replaceAll(/[&<>"'\\\n]/g, (character) => ESCAPES[character] ?? character),
  )
}

// What is joined is markup already: hundreds of cells need not be asked one by one.
function joined(parts: readonly Markup[]): Markup {
  return raw(parts.join(''))
}

function markup(strings: TemplateStringsArray, ...values: readonly unknown[]): Markup {
  const made = html(strings, ...values)
  if (made instanceof Promise) throw new TypeError('a letter is rendered from values at hand, not from promises')
  return made
}
