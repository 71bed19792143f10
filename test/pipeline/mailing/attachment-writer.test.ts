import { describe, expect, it } from 'vitest'
import { parseExact, type Dictionary } from '../../../connectors/velociraptor/exact-json.ts'
import { attachmentWriter, type ColumnChoice } from '../../../pipeline/mailing/attachment-writer.ts'

interface Terms {
  readonly most?: number
  readonly isWanted?: ColumnChoice
}
/** An attachment of rows, given as their JSON texts. */
const written = (format: 'csv' | 'jsonl', texts: readonly string[], { most = 1e6, isWanted = null }: Terms = {}) => {
  const writer = attachmentWriter(format, most, isWanted)
  for (const text of texts) writer.write({ text, columns: parseExact(text) as Dictionary })
  const { content, ...end } = writer.end()
  return { ...end, text: content === null ? null : Buffer.from(content).toString() }
}
const csvCell = (value: unknown): string => (written('csv', [JSON.stringify({ a: value })]).text ?? '').slice(3, -2)

describe('an attachment', () => {
  it('as jsonl has a line for each row, as the server wrote it: every digit, and every column in its place', () => {
    const rows = ['{"2":1.0,"1":"x\\n","big":12345678901234567890,"tiny":1e-400}', '{"other":null}']
    expect(written('jsonl', rows).text).toBe(`${rows.join('\n')}\n`)
  })

  it('as jsonl has one line for a row that the server wrote on several', () => {
    expect(written('jsonl', ['{ "a": 18446744073709551615,\n  "b": 1 }']).text).toBe(
      '{"a":18446744073709551615,"b":1}\n',
    )
  })

  it('holds the wanted columns alone, with every digit', () => {
    const isWanted = (name: string): boolean => name !== 'b'
    const row = '{"a":18446744073709551615,"b":1,"c":[9007199254740993]}'
    expect(written('jsonl', [row], { isWanted }).text).toBe('{"a":18446744073709551615,"c":[9007199254740993]}\n')
    expect(written('csv', [row], { isWanted }).text).toBe('a,c\r\n18446744073709551615,[9007199254740993]\r\n')
  })

  it('as csv has headings, quotes and line ends that spreadsheets take', () => {
    expect(written('csv', ['{"a":"x,y","b":"\\"q\\""}', '{"a":null,"b":{"c":[1]}}', '{"a":"l1\\nl2"}']).text).toBe(
      'a,b\r\n"x,y","""q"""\r\n,"{""c"":[1]}"\r\n"l1\nl2",\r\n',
    )
  })

  it.each(['=1+1', '+1', '-1', '@x', '\tx', '\rx', '＝1+1'])('as csv holds no formula: %j', (cell) => {
    expect(csvCell(cell).replace(/^"/, '')).toMatch(/^'/)
    const [heading] = (written('csv', [JSON.stringify({ [cell]: 1 })]).text ?? '').split('\r\n')
    expect(heading?.replace(/^"/, '')).toMatch(/^'/)
  })

  it.each([
    [-1, '-1'],
    [true, 'true'],
    ['a=1', 'a=1'],
    ['', ''],
  ])('as csv leaves alone what is no formula: %j', (cell, shown) => expect(csvCell(cell)).toBe(shown))

  it('as csv names the columns that come only after the first row, for they have no place', () => {
    const { text, lostColumns } = written('csv', ['{"a":1}', '{"a":2,"late":3}', '{"late":4,"later":5}'])
    expect([text, lostColumns]).toEqual(['a\r\n1\r\n2\r\n\r\n', ['late', 'later']])
  })

  it('of no row is empty', () => {
    expect(written('csv', [])).toEqual({ text: '', encodedBytes: 0, lostColumns: [] })
  })

  it('counts what it takes within a message, and fits to the byte', () => {
    const row = JSON.stringify({ a: 'ü'.repeat(100) })
    const { text, encodedBytes } = written('jsonl', [row])
    const base64 = Buffer.from(text ?? '').toString('base64')
    expect(encodedBytes).toBe(base64.length + 2 * Math.ceil(base64.length / 76))
    expect(written('jsonl', [row], { most: encodedBytes }).text).toBe(text)
    expect(written('jsonl', [row], { most: encodedBytes - 1 })).toMatchObject({ text: null, encodedBytes })
  })

  it('that does not fit says how large it would be, and keeps nothing of it', () => {
    const mebibyte = 1_048_576
    const columns = { a: 'x'.repeat(mebibyte - 9) }
    const row = { columns, text: JSON.stringify(columns) }
    const writer = attachmentWriter('jsonl', 2 * mebibyte, null)
    const before = process.memoryUsage().arrayBuffers
    for (let n = 0; n < 200; n++) writer.write(row)
    const { content, encodedBytes } = writer.end()
    expect(content).toBeNull()
    expect(encodedBytes).toBe(
      Math.ceil((200 * mebibyte) / 3) * 4 + 2 * Math.ceil((Math.ceil((200 * mebibyte) / 3) * 4) / 76),
    )
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(150 * mebibyte)
  })
})
