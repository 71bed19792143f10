import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitRows } from '../../../connectors/velociraptor/split-rows.ts'
import { lines } from './recordings.ts'

describe('splitting a JSON array into the texts of its elements', () => {
  it('keeps each element as it stands, whatever it holds', () => {
    const spaces = fc.constantFrom('', ' ', '\n', '\t ', '\r\n')
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 8 }), spaces, fc.boolean(), (values, space, indent) => {
        const texts = values.map((value) => JSON.stringify(value, null, indent ? 2 : undefined))
        const whole = `${space}[${space}${texts.map((text) => text + space).join(`,${space}`)}]${space}`
        expect(JSON.parse(whole)).toEqual(JSON.parse(JSON.stringify(values)))
        expect(splitRows(whole)).toEqual(texts)
      }),
      { numRuns: 2000 },
    )
  })

  it('is not misled by brackets, commas, quotes and backslashes inside texts', () => {
    const awkward = fc.array(
      fc
        .stringMatching(/^[\\"[\]{},: a]{0,12}$/)
        .chain((text) => fc.constantFrom(text, 'x'.repeat(60) + text.repeat(5))),
      { maxLength: 6 },
    )
    fc.assert(
      fc.property(awkward, (texts) => {
        const rows = texts.map((text) => JSON.stringify({ [text]: [text, { a: text }] }))
        expect(splitRows(`[${rows.join(',')}]`)).toEqual(rows)
      }),
      { numRuns: 2000 },
    )
  })

  it('finds the recorded rows again', () => {
    const rows = lines('live/chain.jsonl')
    expect(splitRows(`[${rows.join(',')}]`)).toEqual(rows)
  })

  it.each(['', ' ', '{}', 'null', '[', '[1', '[1,', '[1,]', '[,1]', '["a]', '["a\\"]', '[1] 2', '[{]', '[[1]', '[1}'])(
    'refuses %j',
    (text) => {
      expect(() => splitRows(text)).toThrow(SyntaxError)
    },
  )

  it('answers nothing for an empty array', () => {
    expect(splitRows(' [ ] ')).toEqual([])
  })
})
