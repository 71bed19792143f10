import { domainToASCII } from 'node:url'
import type { Attachment, Mailbox, OutgoingMail } from '../../connectors/mail/mail.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { renderLetter } from './fit.ts'
import type { Letter } from './letter.ts'
import { encodePart } from './links.ts'
import { singleLine } from './texts.ts'

/** What makes a letter a message to one recipient. */
export interface MailTerms {
  /** false: the text part alone. */
  readonly html: boolean
  /** With angle brackets; the same for every attempt. */
  readonly messageId: string
  readonly from: Mailbox
  readonly to: Mailbox
  readonly date: EpochMs
  /** Name of the monitor that tells it: mail programs sort by it. */
  readonly monitor: string
  /** Natural key of the event; empty: the letter tells of none. */
  readonly event: string
  readonly attachments?: readonly Attachment[]
}

const MAX_LABEL = 150
const MAX_HEADER = 300

/** The letter as a message to its one recipient, rendered no larger than mail programs show. */
export function composeMail(letter: Letter, terms: MailTerms): OutgoingMail {
  const { html, text } = renderLetter(letter)
  return {
    messageId: terms.messageId,
    from: shownMailbox(terms.from),
    to: shownMailbox(terms.to),
    subject: singleLine(letter.subject),
    date: terms.date,
    text,
    html: terms.html ? html : null,
    headers: [
      ['Auto-Submitted', 'auto-generated'],
      ['X-Auto-Response-Suppress', 'All'],
      ['List-Id', listId(terms.monitor, terms.from.address)],
      ['X-Raptor-Relay-Monitor', headerText(terms.monitor)],
      ...eventHeader(terms.event),
    ],
    attachments: terms.attachments ?? [],
  }
}

function eventHeader(event: string): OutgoingMail['headers'] {
  return event === '' ? [] : [['X-Raptor-Relay-Event', headerText(event)]]
}

function shownMailbox({ address, name }: Mailbox): Mailbox {
  return { address, name: singleLine(name) }
}

// RFC 2919: a label and a namespace that its owner controls; `%` and digits are allowed in both.
function listId(monitor: string, from: string): string {
  const label = encodePart(monitor).replaceAll('.', '-').slice(0, MAX_LABEL)
  const domain = domainToASCII(from.slice(from.lastIndexOf('@') + 1)) || 'localhost'
  return `<${label}.raptor-relay.${domain}>`
}

// A header's own encoding would hide the value from mail rules and search.
function headerText(text: string): string {
  return singleLine(text)
    .slice(0, MAX_HEADER)
    .replaceAll(/[^\x20-\x7e]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}
