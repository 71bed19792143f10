import type { Objection, Recipient } from '../schemas/generated.ts'

/** Events like one that is told, of which nobody was told since the last one that was. */
export interface Suppressed {
  /** At least 1. */
  readonly count: number
  /** Whose they were, each once; a bounded number. */
  readonly clients: readonly string[]
  /** They were of further clients too. */
  readonly isMore: boolean
}

/** An event on its way through one monitor, with everything said about it so far. Nothing is ever removed. */
export interface Judgement<E> {
  readonly event: E
  readonly objections: readonly Objection[]
  /** Overrides that apply; one is enough to overrule all objections. */
  readonly overruledBy: readonly string[]
  /** The event that was told in its place, and why this one is not. */
  readonly repeatOf: { readonly event: string; readonly reason: string } | null
  readonly recipients: readonly Recipient[]
  /** Nobody is told of the event itself: an alert is made of it. */
  readonly raises: boolean
  /** What was held back before it, where that is counted; null: nothing. */
  readonly suppressed: Suppressed | null
  readonly warnings: readonly string[]
}

export const judgementOf = <E>(event: E): Judgement<E> => ({
  event,
  objections: [],
  overruledBy: [],
  repeatOf: null,
  recipients: [],
  raises: false,
  suppressed: null,
  warnings: [],
})

/** Whether the event is to be told as far as has been said: no objection stands, and it repeats nothing. */
export const isStanding = ({ objections, overruledBy, repeatOf }: Judgement<unknown>): boolean =>
  repeatOf === null && (objections.length === 0 || overruledBy.length > 0)

/** Whether somebody is told, or an alert is made, as far as has been said. */
export const isTold = (judgement: Judgement<unknown>): boolean =>
  isStanding(judgement) && (judgement.recipients.length > 0 || judgement.raises)

/** The judgement of an event that is not told because another one was. */
export const repeating = <E>(
  judgement: Judgement<E>,
  repeatOf: NonNullable<Judgement<E>['repeatOf']>,
): Judgement<E> => ({
  ...judgement,
  recipients: [],
  repeatOf,
})
