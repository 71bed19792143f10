import type { Mailbox } from '../../schemas/addresses.ts'
import type { EpochMs } from '../../schemas/time.ts'

export type { Mailbox } from '../../schemas/addresses.ts'

export interface Attachment {
  readonly name: string
  readonly contentType: string
  readonly content: Uint8Array
}

/** One message to one recipient, composed. */
export interface OutgoingMail {
  /** With angle brackets; the same for every attempt. */
  readonly messageId: string
  readonly from: Mailbox
  readonly to: Mailbox
  readonly subject: string
  readonly date: EpochMs
  readonly text: string
  /** null: no HTML part. */
  readonly html: string | null
  /** Further headers, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly attachments: readonly Attachment[]
}

export interface SendTerms {
  /** On the scale of `performance.now()`: the final dot is not written after it. It may move on while a message is sent, so it is read anew each time. */
  readonly deadline: number
  /** Aborted: begin nothing. After the final dot nothing is cut; the reply is awaited. */
  readonly signal: AbortSignal
}

/**
 * What came of a message.
 * accepted: the server took it. refused: this message, for good. deferred: this message, for now. unavailable: the server
 * is away. denied: the server will take nothing from us until somebody acts (login, TLS). released: not begun, or given up before the
 * final dot; the server has nothing. unknown: the connection ended after the final dot and before the reply.
 */
export interface MailReply {
  readonly kind: 'accepted' | 'refused' | 'deferred' | 'unavailable' | 'denied' | 'released' | 'unknown'
  /** SMTP reply code; 0 when none came. */
  readonly code: number
  /** The server's text, one line, or what went wrong. */
  readonly text: string
  /** It was refused for its size: a smaller one may be taken. */
  readonly isTooLarge?: true
}

/** Takes messages. */
export interface MailSink {
  /** Messages that it sends at once at most. */
  readonly connections: number
  /** Always resolves, also after close (released). Never retries. */
  send(mail: OutgoingMail, terms: SendTerms): Promise<MailReply>
  /** Connects, greets, negotiates TLS, logs in, and leaves: says what is wrong, in words that say what to do, `accepted` means that all is well. */
  probe(): Promise<MailReply>
  /** Waits for running sends; may be called twice. */
  close(): Promise<void>
}
