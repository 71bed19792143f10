import { simpleParser, type Attachment } from 'mailparser'
import type { DeliveredMail } from '../../connectors/mail/outbox.ts'
import { mimeOf } from '../../connectors/mail/mime.ts'
import type { EpochMs } from '../../schemas/time.ts'

/** A letter as its reader gets it: written as MIME and read back. Line ends are `\n`. */
export interface SentMail {
  readonly at: EpochMs
  /** Bare envelope address as it was used. */
  readonly to: string
  readonly subject: string
  readonly text: string | null
  readonly html: string | null
  /** By name in lower case, every occurrence in order, unfolded and decoded. */
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly attachments: readonly { readonly name: string; readonly content: string }[]
}

const unixEnds = (text: string): string => text.replaceAll(/\r\n?/g, '\n')

/** Writes a letter as MIME and reads it back. */
export const readBack = async ({ mail, at }: DeliveredMail): Promise<SentMail> => {
  const parsed = await simpleParser(mimeOf(mail), {
    skipHtmlToText: true,
    skipTextToHtml: true,
    skipImageLinks: true,
    skipTextLinks: true,
    keepDeliveryStatus: true,
  })
  const headers = headersOf(parsed.headerLines)
  return {
    at,
    to: mail.to.address,
    subject: headers.get('subject')?.[0] ?? '',
    text: parsed.text === undefined ? null : unixEnds(parsed.text),
    html: typeof parsed.html === 'string' ? unixEnds(parsed.html) : null,
    headers,
    attachments: parsed.attachments.map(attachmentOf),
  }
}

const attachmentOf = ({ filename, content }: Attachment): SentMail['attachments'][number] => ({
  name: filename ?? '',
  content: unixEnds(content.toString('utf8')),
})

const headersOf = (
  lines: readonly { readonly key: string; readonly line: string }[],
): ReadonlyMap<string, readonly string[]> => {
  const headers = new Map<string, string[]>()
  for (const { key, line } of lines) {
    const value = decodedWords(unfolded(line.slice(line.indexOf(':') + 1)))
    headers.set(key, [...(headers.get(key) ?? []), value])
  }
  return headers
}

const unfolded = (value: string): string => value.replaceAll(/\r?\n(?=[ \t])/g, '').trim()

const encodedWord = /=\?([^?*]+)(?:\*[^?]*)?\?([QB])\?([^?]*)\?=/gi

/** RFC 2047. Neighbouring words of one charset are decoded together, since a character may be cut between them. */
const decodedWords = (value: string): string => {
  const words: { readonly from: number; to: number; readonly charset: string; bytes: Buffer }[] = []
  for (const match of value.matchAll(encodedWord)) {
    const [whole, charset = '', encoding = '', text = ''] = match
    const bytes = encoding.toUpperCase() === 'B' ? Buffer.from(text, 'base64') : fromQ(text)
    const before = words.at(-1)
    const isNext =
      before !== undefined &&
      before.charset === charset.toLowerCase() &&
      /^\s*$/.test(value.slice(before.to, match.index))
    if (isNext) {
      before.to = match.index + whole.length
      before.bytes = Buffer.concat([before.bytes, bytes])
    } else words.push({ from: match.index, to: match.index + whole.length, charset: charset.toLowerCase(), bytes })
  }
  return words.reduceRight(
    (text, { from, to, charset, bytes }) => text.slice(0, from) + decodedBytes(bytes, charset) + text.slice(to),
    value,
  )
}

const fromQ = (text: string): Buffer =>
  Buffer.from(
    text
      .replaceAll('_', ' ')
      .replaceAll(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )

const decodedBytes = (bytes: Buffer, charset: string): string => {
  try {
    return new TextDecoder(charset).decode(bytes)
  } catch {
    return bytes.toString('latin1')
  }
}
