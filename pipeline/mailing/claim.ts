import type { EventLog, NewRecord } from '../../connectors/log/event-log.ts'
import type { Mailbox, MailSink, OutgoingMail } from '../../connectors/mail/mail.ts'
import { encode } from '../../schemas/codec.ts'
import type { Letter, Notice, Receipt } from '../../schemas/generated.ts'
import type { Tell } from '../../schemas/happenings.ts'
import { topics } from '../../schemas/topics.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'
import type { MailLimits } from '../config/configuration.ts'
import type { Random } from '../runtime/backoff.ts'

/** A way to send mail, chosen by a monitor. */
export interface OpenChannel {
  readonly name: string
  readonly sink: MailSink
  /** From of its letters unless the monitor names a sender. */
  readonly from: Mailbox
  /** Left out: none. */
  readonly limits?: MailLimits
  /** A letter that the server defers is tried again for so long, ms; left out: five days. */
  readonly giveUpAfterMs?: number
}

/** What one letter is written with. */
export interface ComposeTerms {
  readonly messageId: string
  readonly now: EpochMs
  readonly channel: OpenChannel
  /** Bytes of attachments at most, within the message; left out: the monitor's own limit alone. */
  readonly mostAttachedBytes?: number
}

export interface DeliverOptions {
  readonly log: EventLog
  readonly clock: Clock
  readonly random: Random
  readonly tell: Tell
  /** Names this process in claims. */
  readonly process: string
  readonly channels: ReadonlyMap<string, OpenChannel>
  /** Writes the letter of one or several notices to one recipient; may throw, and they are then undeliverable. */
  readonly compose: (notices: readonly Notice[], terms: ComposeTerms) => Promise<OutgoingMail>
}

/** How long a claim holds without a word from its sender, ms. */
export const claimMs = 60_000
export const receiptRecord = (partition: number, receipt: Receipt): NewRecord => ({
  topic: topics.receipts.name,
  key: receipt.letter,
  partition,
  value: encode('Receipt', receipt),
})

/** A letter claimed by this process, to be sent once the claim stands. */
export interface Claim {
  readonly letter: Letter
  /** What it tells, in the order of coming; read when it is asked for, since many letters may wait to be written. */
  readonly notices: () => readonly Notice[]
}
