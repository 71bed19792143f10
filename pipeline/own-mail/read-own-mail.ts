import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { detectMimeType } from 'nodemailer/lib/mime-funcs/mime-types'
import type { Attachment, Mailbox } from '../../connectors/mail/mail.ts'
import { parseMailboxes } from '../../schemas/addresses.ts'
import type { MailChannel } from '../config/configuration.ts'
import { instead } from '../config/did-you-mean.ts'
import { shown } from '../config/problem.ts'
import type { OwnMail } from './own-mail.ts'

/** A message as it is given on the command line. */
export interface GivenMail {
  readonly to: readonly string[]
  readonly subject: string
  readonly from?: string
  readonly text?: string
  /** Files; `-`: standard input. */
  readonly textFile?: string
  readonly htmlFile?: string
  readonly attach: readonly string[]
}

const largest = 104_857_600
const standardInput = '-'

const why = (cause: unknown): string => (cause as NodeJS.ErrnoException).code ?? 'unknown error'

const addresses = (option: string, given: readonly string[], problems: string[]): readonly Mailbox[] => {
  const read = given.map(parseMailboxes)
  for (const { problems: some } of read) problems.push(...some.map((problem) => `${option}: ${problem}`))
  return read.flatMap(({ mailboxes }) => mailboxes)
}

const contentOf = (option: string, file: string | undefined, problems: string[]): string | null => {
  if (file === undefined) return null
  try {
    return readFileSync(file === standardInput ? 0 : file, 'utf8').replace(/^\uFEFF/, '')
  } catch (cause) {
    problems.push(`${option}: the file cannot be read (${why(cause)})`)
    return null
  }
}

const attachmentsOf = (files: readonly string[], problems: string[]): readonly Attachment[] => {
  let size = 0
  return files.flatMap((file): readonly Attachment[] => {
    const name = basename(file)
    try {
      size += statSync(file).size
      if (size <= largest) return [{ name, contentType: detectMimeType(name), content: readFileSync(file) }]
      problems.push(`--attach ${shown(name)}: more than 100 MiB altogether`)
    } catch (cause) {
      problems.push(`--attach ${shown(name)}: the file cannot be read (${why(cause)})`)
    }
    return []
  })
}

/** The channel of that name, or the only one; undefined: that was said. */
export const chooseChannel = (
  channels: readonly MailChannel[],
  name: string | undefined,
  problems: string[],
): MailChannel | undefined => {
  const names = channels.map((channel) => channel.name)
  const [only] = channels
  if (name === undefined && channels.length === 1) return only
  const channel = channels.find((one) => one.name === name)
  if (channel === undefined)
    problems.push(
      name === undefined
        ? `--channel: name one of ${names.join(', ')}`
        : `--channel: there is no mail channel of this name: ${instead(name, names)}`,
    )
  return channel
}

/** Reads a message; everything that is wrong is added to `problems`, without addresses and contents. null when something is. */
export const readOwnMail = (given: GivenMail, channelFrom: Mailbox, problems: string[]): OwnMail | null => {
  const before = problems.length
  const to = addresses('--to', given.to, problems)
  if (to.length === 0 && problems.length === before) problems.push('--to: name at least one address')
  const senders = given.from === undefined ? [channelFrom] : addresses('--from', [given.from], problems)
  const [from] = senders
  if (senders.length > 1) problems.push('--from: name one address')
  if (given.text !== undefined && given.textFile !== undefined)
    problems.push('--text and --text-file: give one of them')
  if (given.textFile === standardInput && given.htmlFile === standardInput)
    problems.push('--text-file and --html-file: only one can be standard input')
  if (given.text === undefined && given.textFile === undefined && given.htmlFile === undefined)
    problems.push('the message has no body: give --text, --text-file or --html-file (- is standard input)')
  if (problems.length > before || from === undefined) return null
  const text = given.text ?? contentOf('--text-file', given.textFile, problems)
  const html = contentOf('--html-file', given.htmlFile, problems)
  const attachments = attachmentsOf(given.attach, problems)
  return problems.length > before ? null : { from, to, subject: given.subject, text, html, attachments }
}
