import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { columnOf, fill, readTemplate, TemplateError } from '../../../pipeline/monitors/template.ts'

const filled = (template: string, row: unknown): string => fill(readTemplate(template), row)

describe('a template', () => {
  it('shows values of any type, and says which column is missing', () => {
    const row = { a: 'x', n: 5, big: 9007199254740993n, yes: true, none: null, list: [1, 'b'], deep: { er: { x: 1 } } }
    expect(filled('{{a}} {{ n }} {{ big }} {{ yes }}<{{ none }}> {{ list }} {{ deep.er.x }} {{ absent }}', row)).toBe(
      'x 5 9007199254740993 true<> [1,"b"] 1 (no absent)',
    )
  })

  it('takes a column that nests thousands deep', () => {
    const row = { A: JSON.parse('['.repeat(9000) + ']'.repeat(9000)) as unknown }
    expect(filled('{{ A }}', row)).toBe(`${'['.repeat(100)}"…"${']'.repeat(97)}…`)
  })

  it('takes a column whose own name has dots before one that is nested', () => {
    expect(columnOf({ 'a.b': 1, a: { b: 2 } }, 'a.b')).toBe(1)
    expect(columnOf({ 'a.b': { c: 3 }, a: { d: 4 } }, 'a.b.c')).toBe(3)
    expect(columnOf({ a: { b: 2 } }, 'a.c')).toBeUndefined()
    expect(columnOf({}, 'constructor')).toBeUndefined()
  })

  it('cuts a value of 5 MiB, whole characters only', () => {
    const name = filled('File {{ FileName }}', { FileName: '😀'.repeat(1_300_000) })
    expect(name.length).toBeLessThan(210)
    expect(name.isWellFormed()).toBe(true)
  })

  it('never reads a value as a template', () =>
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (value) => {
        const given = `{{ b }}${value}`
        expect(filled('{{ a }}', { a: given, b: 'secret' })).toBe(given.toWellFormed())
      }),
    ))

  it('without braces it is what was written, whatever the row holds', () =>
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('{{')),
        (text) => {
          expect(filled(text, { a: 1 })).toBe(text)
        },
      ),
    ))

  it.each(['{{', 'a {{ b', '{{ a {{ b }}', '{{}}', '{{  }}'])('%s is refused', (text) =>
    expect(() => readTemplate(text)).toThrow(TemplateError),
  )

  it('shows braces that are escaped', () => expect(filled('\\{{ a }} }}', { a: 1 })).toBe('{{ a }} }}'))
})
