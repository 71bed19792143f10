import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Notice } from '../../../schemas/generated.ts'
import { renderLetter } from '../../../pipeline/letters/fit.ts'
import type { RenderedLetter } from '../../../pipeline/letters/fit.ts'
import { flowLetter } from '../../../pipeline/letters/flow-letter.ts'
import type { LetterContext } from '../../../pipeline/letters/flow-letter.ts'
import { CONTEXT, noticeWith, resultTable } from './notices.ts'
import { collapsed, pageOf } from './page.ts'

const PIECES = [
  '<>&"\'\\`=/:()- \n\r\t\v\f\u0000\u0007\u007f\u0085\u009b\u2028\u2029\u202e\u2066\u200f\ufeff\ufffeé…'.split(''),
  ['\r\n', '\u001b[2J', '\ud83d', '\udc00', '👩‍👧', '\u{e0041}', 'word', '</td>', '</table>', '<script>', '<!--', '-->'],
  ['<![endif]-->', '</style>', '&lt;', '&#60;', '$&', '$1', '\nError: none', '\n  - Item: x', '\n    Size: 0'],
].flat()
// Begins with a letter: what becomes of an empty or blank text is told by other tests.
const hostile = fc
  .array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 12 })
  .map((parts) => `x${parts.join('')}`)
const texts = fc.array(hostile, { minLength: 40, maxLength: 40 })

/** A letter with foreign texts in every place, taken in turn from the list. */
function letterOf(foreign: readonly string[]): { readonly notice: Notice; readonly context: LetterContext } {
  let at = 0
  const next = (): string => foreign[at++ % foreign.length] ?? ''
  const notice = noticeWith({
    client: {
      id: next(),
      fqdn: next(),
      system: next(),
      release: next(),
      machine: next(),
      labels: [next(), next()],
      metadata: [{ field: 'serial', value: next() }],
    },
    event: { org: next(), org_name: next() },
    hunt: { id: next(), known: true, description: next(), tags: [next()] },
    options: { client_metadata: [{ field: 'serial', alias: next() }] },
    notice: { monitor: next(), artifact: next() },
    flow: {
      id: next(),
      creator: next(),
      status: next(),
      state: 'ERROR',
      specs: 2,
      artifacts: [next(), next()],
      sources_with_results: [next(), next()],
      arguments: [{ artifact: next(), name: next(), value: next(), redacted: false }],
    },
  })
  const columns = [`1${next()}`, `2${next()}`]
  const rows = [Object.fromEntries(columns.map((column) => [column, next()]))]
  const context = {
    ...CONTEXT,
    uploads: { rows: [{ path: next(), size: 1, components: [next()], type: '' }], total: 1, maxRows: 10 },
    results: [resultTable(0, 0, { source: next(), columns, rows, total: 1 })],
    omitted: [{ name: next(), size: 1, why: 'too large' }] as const,
    remarks: [next()],
  }
  return { notice, context }
}

function renderedWith(foreign: readonly string[]): RenderedLetter {
  const { notice, context } = letterOf(foreign)
  return renderLetter(flowLetter(notice, context))
}

/** Each line that begins where ours begin, by its kind; what stands deeper belongs to the line above it. */
function skeletonOf(text: string): readonly string[] {
  const lines = text.split('\n')
  const tables = lines.indexOf('Uploads')
  return lines.flatMap((line, index) => {
    if (line.startsWith('        ')) return []
    if (line.startsWith('    ')) return index > tables ? ['field'] : []
    if (line.startsWith('  ')) return ['item']
    return line === '' ? ['blank'] : ['line']
  })
}

describe('a letter full of hostile texts', () => {
  const plain = renderedWith(['x'])
  const elements = pageOf(plain.html).tags

  it('has exactly the elements of a letter with plain texts', () => {
    fc.assert(
      fc.property(texts, (foreign) => {
        expect(pageOf(renderedWith(foreign).html).tags).toEqual(elements)
      }),
    )
  })

  it('has exactly the lines of a letter with plain texts', () => {
    const skeleton = skeletonOf(plain.text)
    expect(skeleton.length).toBeGreaterThan(40)
    fc.assert(
      fc.property(texts, (foreign) => {
        expect(skeletonOf(renderedWith(foreign).text)).toEqual(skeleton)
      }),
    )
  })

  it('holds no control character, direction mark or half character in either form', () => {
    fc.assert(
      fc.property(texts, (foreign) => {
        const { html, text } = renderedWith(foreign)
        expect(html + text).not.toMatch(/[^\P{Cc}\n]|[\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u)
      }),
    )
  })

  it('has a subject of one line', () => {
    fc.assert(
      fc.property(texts, (foreign) => {
        const { notice, context } = letterOf(foreign)
        expect(flowLetter(notice, context).subject).not.toMatch(/[\p{Cc}\p{Cs}\u2028\u2029\u202e]/u)
      }),
    )
  })

  it('leads nowhere but to the configured server', () => {
    fc.assert(
      fc.property(texts, (foreign) => {
        for (const url of pageOf(renderedWith(foreign).html).urls) {
          expect(url).toMatch(/^https:\/\/velociraptor\.example\.org\/(?:app\/index\.html|api\/v1\/DownloadVFSFile)\?/)
        }
      }),
    )
  })

  it('states the same facts in both forms', () => {
    fc.assert(
      fc.property(texts, (foreign) => {
        const { html, text } = renderedWith(foreign)
        const said = collapsed(text)
        expect(pageOf(html).texts.filter((fact) => !said.includes(fact))).toEqual([])
      }),
    )
  })
})
