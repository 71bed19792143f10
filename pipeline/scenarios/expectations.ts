import type { EpochMs } from '../../schemas/time.ts'
import type { Matcher } from './matchers.ts'

/** What must hold of a letter or a message. A key is absent where nothing was said. */
export interface MailExpectation {
  readonly parts: Readonly<Partial<Record<'to' | 'subject' | 'text' | 'html' | 'body', Matcher>>>
  /** By name in lower case: every occurrence in order, or one matcher for the only one. */
  readonly headers: readonly {
    readonly name: string
    readonly occurrences: readonly Matcher[]
    readonly isList: boolean
  }[]
  readonly attachments: readonly { readonly name: Matcher | null; readonly content: Matcher }[] | null
  readonly times: Readonly<Partial<Record<'at' | 'after' | 'before', EpochMs>>>
  readonly not: MailExpectation | null
}

/** Words for what became of an event. */
export const outcomeWords = [
  'told',
  'duplicate',
  'objected',
  'silenced',
  'no_recipients',
  'undeliverable',
  'redriven',
  'dropped',
  'declined',
  'rejected',
] as const
export type OutcomeWord = (typeof outcomeWords)[number]

/** Filters that may object. */
export const filterWords = [
  'artifact',
  'delay',
  'hunt',
  'cancelled',
  'label',
  'permission',
  'message',
  'severity',
  'server',
  'log',
] as const

export interface OutcomeExpectation {
  readonly event: string | null
  readonly client: string | null
  readonly org: string | null
  readonly monitor: string | null
  readonly outcome: OutcomeWord | null
  /** All that objected; null: not said. */
  readonly by: readonly string[] | null
  readonly of: Matcher | null
  readonly reason: Matcher | null
}

/** A partial row: a matcher for text, else the same shape. */
export type RowExpectation =
  | { readonly kind: 'matcher'; readonly matcher: Matcher }
  | { readonly kind: 'row'; readonly fields: readonly (readonly [name: string, value: RowExpectation])[] }
  | { readonly kind: 'list'; readonly items: readonly RowExpectation[] }

/** What was written, for the reader of a failure. */
export interface Written<E> {
  readonly expectation: E
  readonly written: unknown
}

/** `expect:`; null: not said, so not checked. */
export interface Expectations {
  readonly mails: readonly Written<MailExpectation>[] | null
  readonly messages: readonly Written<MailExpectation>[] | null
  readonly outcomes: readonly Written<OutcomeExpectation>[] | null
  readonly alerts: readonly Written<RowExpectation>[] | null
  readonly happenings: readonly Written<RowExpectation>[] | null
  readonly configuration: readonly Written<Matcher>[] | null
}
