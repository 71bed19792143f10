import { randomUUID } from 'node:crypto'
import type { Attachment, Mailbox, MailReply, MailSink, OutgoingMail } from '../../connectors/mail/mail.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { sameAddress } from '../../schemas/addresses.ts'
import { singleLine } from '../letters/texts.ts'
import { textOfHtml } from './text-of-html.ts'

/** A message of somebody's own, as Generic.Utils.SendEmail takes it. */
export interface OwnMail {
  readonly from: Mailbox
  /** Each gets a message alone. */
  readonly to: readonly Mailbox[]
  readonly subject: string
  /** null: made from the HTML. */
  readonly text: string | null
  /** null: no HTML part. It is sent as it is. */
  readonly html: string | null
  readonly attachments: readonly Attachment[]
}

/** The message for each recipient, each address once; line breaks and controls of the subject are made harmless. */
export const composeOwnMail = (mail: OwnMail, date: EpochMs): readonly OutgoingMail[] => {
  const { from, to, html, attachments } = mail
  const domain = from.address.slice(from.address.lastIndexOf('@') + 1)
  const text = mail.text ?? textOfHtml(html ?? '')
  return to
    .filter(({ address }, index) => to.findIndex((other) => sameAddress(other.address, address)) === index)
    .map((recipient) => ({
      messageId: `<${randomUUID()}@${domain}>`,
      from: { ...from, name: singleLine(from.name) },
      to: { ...recipient, name: singleLine(recipient.name) },
      subject: singleLine(mail.subject),
      date,
      text,
      html,
      headers: [['X-Auto-Response-Suppress', 'All']],
      attachments,
    }))
}

/** Milliseconds after which a message is given up that the server has not taken. */
const longestMs = 120_000

/** Sends messages at once, past the log and its limits, each tried once; what the server said of each, in their order. */
export const sendOwnMail = (mails: readonly OutgoingMail[], sink: MailSink): Promise<readonly MailReply[]> => {
  const terms = { deadline: performance.now() + longestMs, signal: AbortSignal.timeout(longestMs) }
  return Promise.all(mails.map((mail) => sink.send(mail, terms)))
}
