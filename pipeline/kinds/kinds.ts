import type { Notice } from '../../schemas/generated.ts'
import { alertKind } from './alert-kind.ts'
import { flowKind } from './flow-kind.ts'
import { logKind } from './log-kind.ts'
import { queueKind } from './queue-kind.ts'
import type { About, EventKind, EventName } from './kind.ts'

/** A kind whose events' type does not matter to whoever holds it. */
export interface SomeKind {
  with<R>(use: <N extends EventName>(kind: EventKind<N>) => R): R
}

/** Every kind of event. */
export const kinds: readonly SomeKind[] = [
  { with: (use) => use(flowKind) },
  { with: (use) => use(alertKind) },
  { with: (use) => use(queueKind) },
  { with: (use) => use(logKind) },
]

/** The first answer that is not null. */
const firstOf = <R>(use: <N extends EventName>(kind: EventKind<N>) => R | null): R | null => {
  for (const kind of kinds) {
    const found = kind.with(use)
    if (found !== null) return found
  }
  return null
}

/** The kind whose events a topic holds; null: none. */
export const kindOfTopic = (topic: string): SomeKind | null =>
  kinds.find((kind) => kind.with((each) => each.topic.name === topic)) ?? null

/** The kind of what a notice tells; null: it tells nothing. */
export const kindOfNotice = (notice: Notice): SomeKind | null =>
  kinds.find((some) => some.with((kind) => kind.inNotice(notice) !== null)) ?? null

const nothing: About = { event: '', org: '', client: '', flow: '', hunt: '', name: '', scope: '', received_at: 0 }

/** What the event of a notice is about; of a notice without an event every field is empty. */
export const aboutNotice = (notice: Notice): About =>
  firstOf((kind) => {
    const event = kind.inNotice(notice)
    return event === null ? null : kind.about(event)
  }) ?? nothing
