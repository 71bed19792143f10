import { describe, expect, it } from 'vitest'
import { attachmentWriter } from '../../../pipeline/mailing/attachment-writer.ts'

const written = (format: 'csv' | 'jsonl', rows: readonly Readonly<Record<string, unknown>>[], most = 1e6) => {
  const writer = attachmentWriter(format, most)
  for (const row of rows) writer.write(row)
  const { content, encodedBytes } = writer.end()
  return { text: content === null ? null : Buffer.from(content).toString(), encodedBytes }
}

describe('an attachment', () => {
  it('as jsonl has a line for each row, with every digit', () => {
    expect(written('jsonl', [{ a: 1, b: 'x\n' }, { big: 12345678901234567890n }]).text).toBe(
      '{"a":1,"b":"x\\n"}\n{"big":12345678901234567890}\n',
    )
  })

  it('as csv has headings, quotes and line ends that spreadsheets take', () => {
    expect(
      written('csv', [
        { a: 'x,y', b: '"q"' },
        { a: null, b: { c: [1] } },
      ]).text,
    ).toBe('a,b\r\n"x,y","""q"""\r\n,"{""c"":[1]}"\r\n')
  })

  it.each(['=1+1', '+1', '-1', '@x', '\tx'])('as csv holds no formula: %j', (cell) => {
    const lines = (written('csv', [{ a: cell }]).text ?? '').split('\r\n')
    expect(lines[1]?.replace(/^"/, '').startsWith("'")).toBe(true)
  })

  it('of no row is empty', () => expect(written('csv', [])).toEqual({ text: '', encodedBytes: 0 }))

  it('counts what it takes within a message, and fits to the byte', () => {
    const row = { a: 'x'.repeat(100) }
    const { text, encodedBytes } = written('jsonl', [row])
    const base64 = Buffer.from(text ?? '').toString('base64')
    expect(encodedBytes).toBe(base64.length + 2 * Math.ceil(base64.length / 76))
    expect(written('jsonl', [row], encodedBytes).text).toBe(text)
    expect(written('jsonl', [row], encodedBytes - 1)).toEqual({ text: null, encodedBytes })
  })

  it('that does not fit says how large it would be', () => {
    const rows = Array.from({ length: 50 }, () => ({ a: 'x'.repeat(100) }))
    expect(written('jsonl', rows, 1000)).toEqual({ text: null, encodedBytes: written('jsonl', rows).encodedBytes })
  })
})
