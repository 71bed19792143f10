import { describe, expect, it } from 'vitest'
import { LARGEST_HTML, renderLetter } from '../../../pipeline/letters/fit.ts'
import { flowLetter } from '../../../pipeline/letters/flow-letter.ts'
import type { LetterContext } from '../../../pipeline/letters/flow-letter.ts'
import { renderHtml } from '../../../pipeline/letters/html.ts'
import type { Letter } from '../../../pipeline/letters/letter.ts'
import { LETTERS } from './letters.ts'
import { CONTEXT, noticeWith, resultTable } from './notices.ts'
import type { Difference } from './notices.ts'
import { collapsed, pageOf } from './page.ts'

const WORST = '\u{e0041}'.repeat(3_000)
const SHORTENED =
  'This letter was too long for mail programs and is shortened; all of it is in Velociraptor: F.D7KDSKSILR3TG'

function rendered(difference: Difference, context: Partial<LetterContext> = {}): ReturnType<typeof renderLetter> {
  return renderLetter(flowLetter(noticeWith(difference), { ...CONTEXT, ...context }))
}

function missing(html: string, text: string): readonly string[] {
  const said = collapsed(text)
  const { texts, urls } = pageOf(html)
  return [...texts, ...urls].filter((fact) => !said.includes(fact))
}

describe('both forms of a letter', () => {
  it.each(Object.entries(LETTERS))('state the same facts: %s', (_, letter) => {
    const { html, text } = renderLetter(letter)
    expect(pageOf(html).texts.length).toBeGreaterThan(20)
    expect(missing(html, text)).toEqual([])
  })

  it('state them in the order title, summary, sections, foot', () => {
    const { text } = renderLetter(LETTERS['tables'] as Letter)
    const [title, blank, summary] = text.split('\n')
    expect([title, blank]).toEqual(['Client collection finished', ''])
    expect(summary).toMatch(/^Client C\.1111111111111111 /)
    const headings = text.split('\n').filter((_, index, lines) => lines[index - 1] === '' && index > 2)
    expect(headings.map((line) => line.slice(0, 27))).toEqual([
      'Client details',
      'Flow details',
      'Uploads',
      'Linux.Sys.Users results',
      'Wide.Source results',
      'Attachments',
      'Sent from Velociraptor by S',
    ])
  })

  it('stay below the size that mail programs show, and say so when something is left out', () => {
    const results = [resultTable(300, 100, { maxColumns: 0, total: 5_000 }), resultTable(4, 100, { source: 'Other' })]
    const { html, text, shortened } = rendered({}, { results })
    expect(Buffer.byteLength(renderHtml(flowLetter(noticeWith(), { ...CONTEXT, results })))).toBeGreaterThan(500_000)
    expect(Buffer.byteLength(html)).toBeLessThanOrEqual(LARGEST_HTML)
    expect(shortened).toBe(true)
    expect(collapsed(text)).toContain(SHORTENED)
    expect(text).toMatch(/\(Showing \d+ of 5000 rows\)/)
    expect(missing(html, text)).toEqual([])
  })

  it('hold 300 columns with 4 kB file names', () => {
    const rows = Array.from({ length: 100 }, (_, index) => ({
      path: `/${'ü'.repeat(4_000)}${index}`,
      size: index,
      components: ['ü'.repeat(4_000)],
      type: '',
    }))
    const uploads = { rows, total: 100, maxRows: 100 }
    const { html, text } = rendered({}, { uploads, results: [resultTable(300, 20)] })
    expect(Buffer.byteLength(html)).toBeLessThanOrEqual(LARGEST_HTML)
    expect(html).toMatch(/<td rowspan="\d+" align="center"[^>]*>…<\/td>/)
    expect(missing(html, text)).toEqual([])
  })

  it('hold the worst that every field can be at once', () => {
    const many = Array.from({ length: 300 }, (_, index) => `${WORST}${index}`)
    const { html, text, shortened } = rendered(
      {
        client: { id: WORST, fqdn: WORST, system: WORST, release: WORST, machine: WORST, labels: many },
        event: { org: 'O123', org_name: WORST },
        hunt: { id: WORST, known: true, description: WORST, tags: [] },
        options: { keep_empty_rows: true, client_metadata: many.map((field) => ({ field, alias: field })) },
        flow: {
          id: WORST,
          creator: WORST,
          status: WORST,
          artifacts: many,
          sources_with_results: many,
          arguments: many.map((name) => ({ artifact: WORST, name, value: WORST, redacted: false })),
        },
      },
      { remarks: [WORST], omitted: many.map((name) => ({ name, size: 1, why: 'too large' })) },
    )
    expect(shortened).toBe(true)
    expect(Buffer.byteLength(html)).toBeLessThanOrEqual(LARGEST_HTML)
    expect(missing(html, text)).toEqual([])
    expect(text).toContain('is shortened')
  })

  it('are whole when they fit, up to the last bytes', () => {
    const labels = (length: number): readonly string[] => Array.from({ length: 90 }, () => 'x'.repeat(length))
    const full = rendered({ client: { labels: labels(1_015) } })
    expect(full.shortened).toBe(false)
    expect(Buffer.byteLength(full.html)).toBeGreaterThan(LARGEST_HTML * 0.97)
    expect(rendered({ client: { labels: labels(1_100) } }).shortened).toBe(true)
  })
})

describe('the page', () => {
  const { html } = renderLetter(LETTERS['tables'] as Letter)

  it('loads nothing and runs nothing', () => {
    expect(html).not.toMatch(/<(?:img|script|link|iframe|object|form)|src=|url\(|@import| on[a-z]+=/i)
  })

  it('is laid out by tables with colours that old engines know', () => {
    expect(html).not.toMatch(/display:\s*(?:flex|grid)|position:/)
    expect(html).toContain('<html lang="en">')
    expect(html).toContain('<meta charset="utf-8">')
    expect(html).toContain('<meta name="color-scheme" content="light dark">')
    expect(html).toContain('max-width:750px')
    expect(html.match(/<th (?![^>]*bgcolor)/g)).toBeNull()
  })

  it('reads without its style block', () => {
    const bare = pageOf(html.replace(/<style>.*?<\/style>/s, ''))
    expect(bare).toEqual(pageOf(html))
  })

  it('never makes a link of an address that is not http or https', () => {
    const letter: Letter = {
      ...(LETTERS['ordinary'] as Letter),
      footer: [{ kind: 'link', text: 'click', url: 'javascript:alert(1)' }],
    }
    expect(renderHtml(letter)).not.toContain('javascript:')
  })
})
