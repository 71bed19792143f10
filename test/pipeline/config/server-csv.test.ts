import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseServerCsv } from '../../../pipeline/config/server-csv.ts'

const cells = (text: string): (readonly string[])[] => parseServerCsv(text).rows.map((row) => row.cells)

describe("the server's CSV", () => {
  it.each([
    ['', []],
    ['A\n', [['A']]],
    [
      'A,B\n1,\n',
      [
        ['A', 'B'],
        ['1', ''],
      ],
    ],
    [
      'A,B\r\n1,2\r\n',
      [
        ['A', 'B'],
        ['1', '2'],
      ],
    ],
    ['A\n\n\nx\n\n', [['A'], ['x']]],
    [
      'A,B\n  x, \ty z \n',
      [
        ['A', 'B'],
        ['x', 'y z '],
      ],
    ],
    [
      'A,B\n"a,b", "say ""x"""\n',
      [
        ['A', 'B'],
        ['a,b', 'say "x"'],
      ],
    ],
    ['A\n"two\nlines"\n', [['A'], ['two\nlines']]],
    [
      'A,B\n"a" ,b"c\n',
      [
        ['A', 'B'],
        ['a', 'b"c'],
      ],
    ],
    ['\uFEFFA\n404', [['A'], ['404']]],
    ['A,B\n,\n', [['A', 'B']]],
    ['A\nLab\\.Client\\.Rows,.+,3,40\n', [['A'], ['Lab\\.Client\\.Rows', '.+', '3', '40']]],
  ])('%j', (text, expected) => expect(cells(text)).toEqual(expected))

  it('knows the line of each row, also after cells of several lines', () => {
    expect(parseServerCsv('A\n\n"x\ny"\nz').rows.map(({ line }) => line)).toEqual([1, 3, 5])
  })

  it('says where the quote is that is never closed', () => {
    expect(parseServerCsv('A\nx\n"y\nz').fault).toContain('line 3')
  })

  it('gives back what was quoted', () => {
    const cell = fc.string({ unit: fc.constantFrom(...'ab ,"\n;é'), minLength: 1, maxLength: 6 })
    const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 5 }), (rows) => {
        expect(cells(rows.map((row) => row.map(quoted).join(',')).join('\n'))).toEqual(rows)
      }),
    )
  })
})
