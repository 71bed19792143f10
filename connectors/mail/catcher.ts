import { mkdir, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { simpleParser } from 'mailparser'
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import { selfSigned } from './self-signed.ts'

/** A mail as it came over the wire. */
export interface CaughtMail {
  readonly from: string
  readonly to: readonly string[]
  readonly raw: Buffer
}

export interface CatcherOptions {
  /** Called for each mail; the server takes it when this resolves, and says "later" when it rejects. */
  readonly onMail: (mail: CaughtMail) => Promise<void> | void
  /** STARTTLS with a certificate of its own; default: in the clear only. */
  readonly tls?: boolean
  /** Bytes of the largest mail; default 100 MiB. */
  readonly largest?: number
}

/** A mail server on loopback that keeps everything it is given. */
export interface MailCatcher {
  readonly host: '127.0.0.1'
  readonly port: number
  /** PEM to trust it by; null without TLS. */
  readonly ca: string | null
  close(): Promise<void>
}

const LARGEST_BYTES = 100 * 1024 * 1024

const envelopeOf = ({ envelope }: SMTPServerSession): Pick<CaughtMail, 'from' | 'to'> => ({
  from: envelope.mailFrom === false ? '' : envelope.mailFrom.address,
  to: envelope.rcptTo.map(({ address }) => address),
})

const smtpError = (responseCode: number, text: string): Error => Object.assign(new Error(text), { responseCode })

const rawOf = async (stream: SMTPServerDataStream): Promise<Buffer> => {
  const chunks: Buffer[] = []
  // Beyond the limit it is read on, as SMTP demands, but no longer kept.
  for await (const chunk of stream) if (!stream.sizeExceeded) chunks.push(chunk as Buffer)
  if (stream.sizeExceeded) throw smtpError(552, 'larger than this server takes')
  return Buffer.concat(chunks)
}

/** Opens a catcher on 127.0.0.1, on a port that the system chooses. */
export const openCatcher = async (options: CatcherOptions): Promise<MailCatcher> => {
  const identity = options.tls === true ? selfSigned(['localhost', '127.0.0.1']) : null
  const receive = async (stream: SMTPServerDataStream, session: SMTPServerSession): Promise<void> => {
    const raw = await rawOf(stream)
    try {
      await options.onMail({ ...envelopeOf(session), raw })
    } catch {
      throw smtpError(451, 'could not be kept: try again later')
    }
  }
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: identity === null ? ['AUTH', 'STARTTLS'] : ['AUTH'],
    disableReverseLookup: true,
    size: options.largest ?? LARGEST_BYTES,
    ...identity,
    onData: (stream, session, done) => {
      receive(stream, session).then(() => done(), done)
    },
  })
  // A client that goes away is no concern of a catcher's.
  server.on('error', () => undefined)
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  const { port } = server.server.address() as AddressInfo
  return {
    host: '127.0.0.1',
    port,
    ca: identity?.cert ?? null,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** Where a mail was saved. */
export interface SavedMail {
  readonly subject: string
  readonly eml: string
  /** null: it has no HTML part. */
  readonly html: string | null
}

const LONGEST_SLUG = 60

const slugOf = (subject: string): string =>
  subject
    .normalize('NFKD')
    .replaceAll(/[^\w\s-]/g, '')
    .trim()
    .replaceAll(/[\s_-]+/g, '-')
    .toLowerCase()
    .slice(0, LONGEST_SLUG)
    .replaceAll(/^-|-$/g, '') || 'mail'

/**
 * Writes `NNN-<subject>.eml`, and the HTML part as `NNN-<subject>.html`, into `dir`, which is made when missing: the directory
 * 0700, the files 0600. Files of these names are replaced. Rejects with the file system's error.
 */
export const saveMail = async (dir: string, raw: Buffer, n: number): Promise<SavedMail> => {
  const { subject, html } = await simpleParser(raw, { skipTextToHtml: true, skipHtmlToText: true })
  const stem = join(dir, `${String(n).padStart(3, '0')}-${slugOf(subject ?? '')}`)
  const write = async (path: string, content: string | Buffer): Promise<string> => {
    await rm(path, { force: true })
    await writeFile(path, content, { mode: 0o600, flag: 'wx' })
    return path
  }
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const eml = await write(`${stem}.eml`, raw)
  return { subject: subject ?? '', eml, html: typeof html === 'string' ? await write(`${stem}.html`, html) : null }
}
