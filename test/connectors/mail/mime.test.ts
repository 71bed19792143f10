import fc from 'fast-check'
import { simpleParser, type ParsedMail } from 'mailparser'
import { describe, expect, it } from 'vitest'
import type { OutgoingMail } from '../../../connectors/mail/mail.ts'
import { mimeMessage, mimeOf } from '../../../connectors/mail/mime.ts'
import { someMail } from '../../contracts/mail-sink.contract.ts'

const parsed = (mail: OutgoingMail): Promise<ParsedMail> =>
  simpleParser(mimeOf(mail), { skipHtmlToText: true, skipTextToHtml: true })

const attachment = (name: string, bytes = 200, contentType = 'text/csv') => ({
  name,
  contentType,
  content: Buffer.alloc(bytes, 65),
})

/** The Content-Type of each part, in order and indented by depth, as a reader of boundaries sees it. */
const structureOf = (raw: string): string[] => {
  const declared = /Content-Type: (multipart\/\w+);\s+boundary="([^"]+)"/.exec(raw)
  if (declared === null) return [/^Content-Type: ([^;\r]+)/m.exec(raw)?.[1] ?? '']
  const [, type = '', boundary = ''] = declared
  const [, ...rest] = raw.split(`--${boundary}`)
  expect(rest.at(-1)).toBe('--\r\n')
  const parts = rest.slice(0, -1).map((part) => part.slice(2))
  return [type, ...parts.flatMap((part) => structureOf(part).map((line) => ` ${line}`))]
}

const text = (mail: OutgoingMail): string => mimeOf(mail).toString('latin1')

describe('a composed message', () => {
  it('MT-01: HTML and text are alternatives in a mixed message, text first', () => {
    expect(structureOf(text(someMail({ html: '<b>x</b>' })))).toEqual([
      'multipart/mixed',
      ' multipart/alternative',
      '  text/plain',
      '  text/html',
    ])
  })

  it('MT-02: text alone stands in a mixed message', () => {
    expect(structureOf(text(someMail()))).toEqual(['multipart/mixed', ' text/plain'])
  })

  it('MT-03: attachments follow the alternatives', () => {
    const attachments = [attachment('a.csv'), attachment('b.json', 3, 'application/json')]
    expect(structureOf(text(someMail({ html: '<b>x</b>', attachments })))).toEqual([
      'multipart/mixed',
      ' multipart/alternative',
      '  text/plain',
      '  text/html',
      ' text/csv',
      ' application/json',
    ])
  })

  it('MT-04: base64 has lines of 76 columns, and no empty line before a boundary', () => {
    const raw = text(someMail({ text: 'x'.repeat(57 * 3), html: 'y'.repeat(57), attachments: [attachment('a', 114)] }))
    const lines = raw.split('\r\n').filter((line) => /^[A-Za-z0-9+/]{70,}$/.test(line))
    expect(lines.map((line) => line.length)).toEqual(Array.from({ length: 6 }, () => 76))
    expect(raw).not.toMatch(/[\w+/=]\r\n\r\n--/)
    expect(raw.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/)
  })

  it('MT-05: a subject that is not ASCII is encoded and decodes to itself', async () => {
    const mail = someMail({ subject: 'Flow … fertig' })
    expect(text(mail)).toMatch(/^Subject: =\?UTF-8\?Q\?[^\r\n ]*\?=\r$/m)
    expect((await parsed(mail)).subject).toBe('Flow … fertig')
  })

  it('has its headers once, as given', () => {
    const raw = text(someMail({ messageId: '<1@relay.example.org>', headers: [['List-Id', 'SOC <soc.example.org>']] }))
    expect(raw.slice(0, raw.indexOf('\r\n\r\n')).split('\r\n')).toEqual([
      'From: Relay <relay@example.org>',
      'To: SOC <soc@example.org>',
      'Subject: Flow completed',
      'Date: Tue, 14 Nov 2023 22:13:20 +0000',
      'Message-ID: <1@relay.example.org>',
      'Auto-Submitted: auto-generated',
      'List-Id: SOC <soc.example.org>',
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed;',
      expect.stringMatching(/^ boundary="[a-z0-9]+"$/) as string,
    ])
  })

  it('is the same for the same mail, whose size it says', () => {
    const mail = someMail({
      html: '<i>ü</i>',
      attachments: [attachment('a', 0), attachment('b', 58_368), attachment('c', 100_001)],
    })
    const raw = mimeOf(mail)
    expect(mimeOf(mail).equals(raw)).toBe(true)
    expect(mimeMessage(mail).size).toBe(raw.length)
  })

  it('gives a large attachment piece by piece', () => {
    const pieces = [...mimeMessage(someMail({ attachments: [attachment('a', 10_000_000)] })).pieces()]
    expect(pieces.length).toBeGreaterThan(100)
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(200_000)
  })

  it.each([
    'report.tar.gz',
    'Bericht für Müller & Söhne.csv',
    'a"b;c\\d.csv',
    `${'lang '.repeat(40)}.csv`,
    '=?utf-8?Q?x?=.csv',
    '日本語.json',
  ])('names an attachment %s whole in both places', async (name) => {
    const mail = someMail({ attachments: [attachment(name)] })
    const { attachments } = await parsed(mail)
    expect(attachments[0]?.filename).toBe(name.replaceAll('\\', '_'))
    expect(attachments[0]?.headers.get('content-type')).toMatchObject({ params: { name: name.replaceAll('\\', '_') } })
    expect(attachments[0]?.content.equals(Buffer.alloc(200, 65))).toBe(true)
  })

  it('gives an attachment of no or a composite type as bytes', () => {
    const attachments = [
      attachment('a', 1, 'message/rfc822'),
      attachment('b', 1, 'text/html\r\nX-Evil: 1'),
      attachment('c', 1, ''),
    ]
    expect(structureOf(text(someMail({ attachments }))).slice(2)).toEqual(
      Array.from({ length: 3 }, () => ' application/octet-stream'),
    )
  })

  it('leaves out a header that is written here anyway, or that is none', () => {
    const headers = [
      ['Bcc', 'x@example.org'],
      ['content-type', 'text/html'],
      ['X-A: b\r\nX-Evil', '1'],
      ['', '1'],
    ] as const
    expect(text(someMail({ headers, messageId: '<1@a>' }))).toBe(text(someMail({ messageId: '<1@a>' })))
  })

  it('makes an address that carries a line break harmless', () => {
    const raw = text(
      someMail({ to: { address: 'a@example.org\r\nBcc: b@example.org', name: 'x\r\nBcc: c@example.org' } }),
    )
    expect(raw).not.toMatch(/^Bcc/m)
  })
})

/** Text as hostile as foreign text gets: injection, encoded words, controls, bidirectional marks, lone surrogates, long words. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.string({ maxLength: 40 }),
      fc.constantFrom(
        '\r\n',
        '\n',
        '\r',
        '\0',
        '\u2028',
        '\u202e',
        '\ud800',
        '\udc00',
        '\t',
        ' ',
        '  ',
        '"',
        '\\',
        ',',
        ';',
        ':',
        '<',
        '>',
        '@',
      ),
      fc.constantFrom(
        '\r\nBcc: evil@example.org',
        '\r\n\r\n<script>',
        '=?utf-8?B?DQpCY2M6IGE=?=',
        '=?UTF-8?Q?a?=',
        '=?x',
        '?=',
        '\n ',
        '--mixed',
        '\r\n.\r\n',
      ),
      fc.constantFrom('x'.repeat(1100), 'ü'.repeat(300), 'word '.repeat(60), '😀'.repeat(50), ' '.repeat(200)),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''))

const shown = (value: string): string =>
  value
    .toWellFormed()
    .replaceAll(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, ' ')
    .replaceAll(/ +/g, ' ')
    .trim()

const headerNames = (raw: string): string[] =>
  raw
    .slice(0, raw.indexOf('\r\n\r\n'))
    .split('\r\n')
    .filter((line) => !line.startsWith(' '))
    .map((line) => line.slice(0, line.indexOf(':')))

describe('hostile text in a message', () => {
  it('comes out of a reader as it went in, and adds no header, part or line that was not set', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, hostile, hostile, hostile, hostile, async (subject, name, value, body, filename) => {
        const mail = someMail({
          subject,
          to: { address: 'soc@example.org', name },
          headers: [['X-Relay-Note', value]],
          text: body,
          attachments: [attachment(filename, 5)],
        })
        const raw = mimeOf(mail).toString('latin1')
        const expected = [
          'From',
          'To',
          ...(shown(subject) === '' ? [] : ['Subject']),
          'Date',
          'Message-ID',
          'Auto-Submitted',
        ]
        expected.push(...(shown(value) === '' ? [] : ['X-Relay-Note']), 'MIME-Version', 'Content-Type')
        expect(headerNames(raw)).toEqual(expected)
        for (const line of raw.split('\r\n')) {
          expect(line.startsWith('.')).toBe(false)
          expect(line.length).toBeLessThanOrEqual(998)
          expect(line).toMatch(/^[\x20-\x7e]*$/)
        }
        expect(raw.match(/^Content-Type:/gm)).toHaveLength(3)

        const seen = await parsed(mail)
        expect(seen.subject ?? '').toBe(shown(subject))
        expect([seen.to].flat()[0]?.value).toHaveLength(1)
        expect([seen.to].flat()[0]?.value[0]).toMatchObject({ address: 'soc@example.org' })
        expect(shown([seen.to].flat()[0]?.value[0]?.name ?? '')).toBe(shown(name))
        expect(seen.cc ?? seen.bcc).toBeUndefined()
        expect(seen.attachments).toHaveLength(1)
        expect((seen.text ?? '').trimEnd()).toBe(
          body
            .toWellFormed()
            .replaceAll(/\r\n|\r/g, '\n')
            .trimEnd(),
        )
      }),
      { numRuns: 300 },
    )
  })
})
