import type { Decode } from '../../schemas/codec.ts'
import type { FlowKey } from '../../connectors/velociraptor/lookups.ts'
import type { Notice, Outcome, RawEvent, Schemas } from '../../schemas/generated.ts'
import type { Topic } from '../../schemas/topics.ts'
import type { Composed, LetterTerms } from '../mailing/composed.ts'
import type { LookedUp } from '../sources/looked-up.ts'

/** Schemas of the events that monitors judge. */
export type EventName = 'FlowEvent' | 'AlertEvent' | 'QueueEvent' | 'LogEvent'

/** What an outcome says of its event, so that it can be found. */
export type About = Pick<Outcome, 'event' | 'org' | 'client' | 'flow' | 'hunt' | 'name' | 'scope' | 'received_at'>

/** A row on its way to become an event. */
export interface RowToComplete {
  /** Key of its event's record. */
  readonly key: string
  readonly about: Pick<About, 'client' | 'flow' | 'hunt' | 'name'>
  /** What is looked up: a client, and unless empty a flow of it; null: nothing. */
  readonly asks: FlowKey | null
  /** Whether its facts are as they should be; `isOver`: it is not waited for any longer. */
  verdictOf(found: LookedUp, isOver: boolean): 'complete' | 'wait' | { readonly reason: string }
  /** The event as its topic holds it. */
  complete(found: LookedUp): Uint8Array
}

/** A kind of event: everything that differs between it and the others on the way from its row to its letter. */
export interface EventKind<N extends EventName> {
  readonly name: N
  /** Hold its rows. */
  readonly raw: readonly Topic[]
  /** Holds its events. */
  readonly topic: Topic
  /** The topology that judges them. */
  readonly decide: string
  /** Reads an event as far as monitors look at it and `about` tells of it: the rest is empty. */
  readonly skim: Decode<N>
  /** Reads a row. Throws an Error whose text is the reason for a reject. */
  readRow(raw: RawEvent): RowToComplete
  about(event: Schemas[N]): About
  /** The event that a notice tells; null: one of another kind. */
  inNotice(notice: Notice): Schemas[N] | null
  /** The letter of one notice of this kind, or of several. */
  compose(notices: readonly [Notice, ...Notice[]], terms: LetterTerms): Promise<Composed>
  /** What a reader of its story wants to know, name and text; empty texts are left out. */
  facts(event: Schemas[N]): readonly (readonly [name: string, text: string])[]
}
