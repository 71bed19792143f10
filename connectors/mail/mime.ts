import { createHash } from 'node:crypto'
import { buildHeaderValue, encodeWord, foldLines } from 'nodemailer/lib/mime-funcs'
import MimeNode from 'nodemailer/lib/mime-node'
import { remembering } from '../../schemas/remembering.ts'
import type { Attachment, Mailbox, OutgoingMail } from './mail.ts'

/** A composed message whose base64 is made only while it is read, so that a large attachment is never held twice. */
export interface MimeMessage {
  /** Bytes that `pieces` give altogether. */
  readonly size: number
  /** The message in order, CRLF throughout, ending with CRLF, no line beginning with a dot; may be read more than once. */
  pieces(): Iterable<Buffer>
}

/** Used for nothing that it remembers. */
const encoder = new MimeNode()

const LINE = 76
const BYTES_PER_LINE = (LINE / 4) * 3
const BYTES_PER_PIECE = BYTES_PER_LINE * 1024
const LONGEST_WORD = 900
const WORD_LENGTH = 52
// C0, DEL, C1, the Unicode line ends and the bidirectional overrides (they make a name read as another).
const CONTROLS = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu
const MEDIA_TYPE = /^(?:application|audio|font|image|text|video)\/[a-z0-9][a-z0-9!#$&^_.+-]*$/i
const OWN_HEADERS =
  /^(?:from|sender|to|cc|bcc|subject|date|message-id|auto-submitted|mime-version|content-.*|return-path)$/i

/** Words of printable ASCII with one space between each two. */
const PLAIN = /^[!-~]+(?: [!-~]+)*$/

// Runs of spaces are closed up: folded, they could leave a line of nothing but spaces, where some readers see the headers end.
const oneLine = (text: string): string =>
  PLAIN.test(text) ? text : text.toWellFormed().replaceAll(CONTROLS, ' ').replaceAll(/ {2,}/g, ' ').trim()

/**
 * A reader would decode what merely looks like an encoded word, and a word of a thousand characters cannot be folded:
 * both are encoded whole, and so come out as they went in.
 */
const needsEncoding = (text: string): boolean =>
  text.includes('=?') || (text.length > LONGEST_WORD && text.split(' ').some((word) => word.length > LONGEST_WORD))

const encodedText = (name: string, text: string): string => {
  if (needsEncoding(text)) return encodeWord(text, 'Q', WORD_LENGTH)
  return PLAIN.test(text) && !text.includes('"') ? text : encoder.encodeHeaderValue(name, text)
}

const encodedMailbox = (header: 'From' | 'To', mailbox: Mailbox): string => {
  const name = oneLine(mailbox.name)
  const address = oneLine(mailbox.address)
  if (needsEncoding(name)) return `${encodeWord(name, 'Q', WORD_LENGTH)} <${address}>`
  return encoder.encodeHeaderValue(header, [{ name, address }])
}

/** Letters have few senders, and many of them one recipient. By header, name and address as JSON. */
const encodedMailboxes = remembering((key) => {
  const [header, name, address] = JSON.parse(key) as ['From' | 'To', string, string]
  return encodedMailbox(header, { name, address })
})

const mailboxHeader = (header: 'From' | 'To', { name, address }: Mailbox): string =>
  encodedMailboxes(JSON.stringify([header, name, address]))

const topHeaders = (mail: OutgoingMail, boundary: string): string => {
  const lines: string[] = []
  const add = (name: string, value: string): void => {
    if (value !== '') lines.push(folding(`${name}: ${value}`))
  }
  add('From', mailboxHeader('From', mail.from))
  add('To', mailboxHeader('To', mail.to))
  add('Subject', encodedText('Subject', oneLine(mail.subject)))
  add('Date', new Date(mail.date).toUTCString().replace('GMT', '+0000'))
  add('Message-ID', encodedId(oneLine(mail.messageId)))
  add('Auto-Submitted', 'auto-generated')
  for (const [name, value] of mail.headers) {
    if (/^[a-z][a-z0-9-]*$/i.test(name) && !OWN_HEADERS.test(name)) add(name, encodedText(name, oneLine(value)))
  }
  add('MIME-Version', '1.0')
  add('Content-Type', `multipart/mixed; boundary="${boundary}"`)
  return lines.join('\r\n')
}

const encodedId = (id: string): string => (/^<[!-~]+>$/.test(id) ? id : encoder.encodeHeaderValue('Message-ID', id))

const folding = (line: string): string => (line.length < LINE ? line : foldLines(line, LINE))

const folded = (header: string): string => header.replaceAll('; ', ';\r\n ')

const textHeaders = (subtype: 'plain' | 'html'): string =>
  `Content-Type: text/${subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: base64`

const attachmentHeaders = ({ name, contentType }: Attachment): string => {
  const filename = oneLine(name).replaceAll(/[/\\]/g, '_') || 'attachment'
  const type = MEDIA_TYPE.test(contentType) ? contentType.toLowerCase() : 'application/octet-stream'
  return [
    folded(`Content-Type: ${buildHeaderValue({ value: type, params: { name: filename } })}`),
    'Content-Transfer-Encoding: base64',
    folded(`Content-Disposition: ${buildHeaderValue({ value: 'attachment', params: { filename } })}`),
  ].join('\r\n')
}

const crlf = (text: string): Buffer => Buffer.from(text.replaceAll(/\r\n|\r|\n/g, '\r\n'), 'utf8')

/** Never starts a line of base64 or of our headers, so content cannot end its part. */
const boundariesOf = ({ messageId }: OutgoingMail): { readonly outer: string; readonly inner: string } => {
  const own = createHash('sha256').update(messageId).digest('hex').slice(0, 32)
  return { outer: `mixed${own}`, inner: `alternative${own}` }
}

/** Text goes out as it is, bytes as base64. */
type Part = string | Uint8Array

const partsOf = (mail: OutgoingMail): Part[] => {
  const { outer, inner } = boundariesOf(mail)
  const parts: Part[] = [`${topHeaders(mail, outer)}\r\n\r\n--${outer}\r\n`]
  if (mail.html === null) parts.push(`${textHeaders('plain')}\r\n\r\n`, crlf(mail.text))
  else {
    parts.push(
      `Content-Type: multipart/alternative; boundary="${inner}"\r\n\r\n--${inner}\r\n`,
      `${textHeaders('plain')}\r\n\r\n`,
      crlf(mail.text),
      `--${inner}\r\n${textHeaders('html')}\r\n\r\n`,
      crlf(mail.html),
      `--${inner}--\r\n`,
    )
  }
  for (const attachment of mail.attachments) {
    parts.push(`--${outer}\r\n${attachmentHeaders(attachment)}\r\n\r\n`, attachment.content)
  }
  parts.push(`--${outer}--\r\n`)
  return parts
}

/** An empty part still has its line: a delimiter begins with CRLF. */
const encodedSize = (bytes: number): number => {
  const chars = Math.ceil(bytes / 3) * 4
  return chars === 0 ? 2 : chars + 2 * Math.ceil(chars / LINE)
}

const encodedPiece = (bytes: Uint8Array): Buffer => {
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  const lines: string[] = []
  for (let from = 0; from < base64.length || from === 0; from += LINE) lines.push(base64.slice(from, from + LINE))
  lines.push('')
  return Buffer.from(lines.join('\r\n'), 'latin1')
}

function* piecesOf(parts: readonly Part[]): Generator<Buffer> {
  for (const part of parts) {
    if (typeof part === 'string') yield Buffer.from(part, 'latin1')
    else {
      let from = 0
      do yield encodedPiece(part.subarray(from, from + BYTES_PER_PIECE))
      while ((from += BYTES_PER_PIECE) < part.byteLength)
    }
  }
}

/** Small messages go out in one write. */
function* joined(pieces: Iterable<Buffer>): Generator<Buffer> {
  let held: Buffer[] = []
  let bytes = 0
  for (const piece of pieces) {
    held.push(piece)
    bytes += piece.length
    if (bytes < BYTES_PER_PIECE) continue
    yield Buffer.concat(held)
    held = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(held)
}

/**
 * Composes a message: multipart/mixed with the text (and multipart/alternative when there is HTML), then the attachments, all base64.
 * The same mail gives the same bytes. Controls in the subject, names and header values become spaces; a header whose name
 * is none, or that is written here anyway (From, To, Subject, Date, Message-ID, Auto-Submitted, MIME-Version, Content-…), is left out.
 */
export const mimeMessage = (mail: OutgoingMail): MimeMessage => {
  const parts = partsOf(mail)
  const size = parts.reduce(
    (sum, part) => sum + (typeof part === 'string' ? part.length : encodedSize(part.byteLength)),
    0,
  )
  return { size, pieces: () => joined(piecesOf(parts)) }
}

/** The whole message of `mimeMessage` at once. */
export const mimeOf = (mail: OutgoingMail): Buffer => Buffer.concat([...mimeMessage(mail).pieces()])
