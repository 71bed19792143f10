import { from, lastValueFrom } from 'rxjs'
import type { OutgoingMail } from '../../connectors/mail/mail.ts'
import { type Judgement, judgementOf } from '../../operators/judgement.ts'
import type { StateStore } from '../../operators/with-state.ts'
import type { EventPosition, Objection, Schemas } from '../../schemas/generated.ts'
import { configurationHash } from '../config/hash.ts'
import { noticesOf } from '../judge.ts'
import type { EventKind, EventName } from '../kinds/kind.ts'
import { kindOfTopic, kinds } from '../kinds/kinds.ts'
import { composeUnsent, type UnsentTerms } from '../mailing/compose-unsent.ts'
import { type Monitor, monitorsFor } from '../monitors/monitor.ts'
import { monitorsOf } from '../monitors/monitors-of.ts'
import { findEvents } from './find-events.ts'
import type { IndexReading } from './index-reading.ts'
import { readAt, recordsIn } from './log-records.ts'

/** What a monitor would send for an event if it told it. */
export interface Preview {
  readonly monitor: string
  /** Why it would not be told; none: it would, unless it was told before. */
  readonly objections: readonly Objection[]
  readonly warnings: readonly string[]
  /** One for each recipient, in-app messages to a group of users among them. */
  readonly letters: readonly OutgoingMail[]
}

const nothingRemembered = <M>(): StateStore<M> => ({ get: () => undefined, put: () => undefined })
const preview = 'preview'

/** An event with its facts, of whichever kind. */
export interface KeptEvent {
  with<R>(use: <N extends EventName>(kind: EventKind<N>, event: Schemas[N]) => R): R
}

const keptEvent = <N extends EventName>(kind: EventKind<N>, event: Schemas[N]): KeptEvent => ({
  with: (use) => use(kind, event),
})

/** The newest event that a word names, with its facts: judged, or still on its way to decide; null: none, or its record is no longer kept. */
export const findEvent = async (reading: IndexReading, word: string): Promise<KeptEvent | null> => {
  const [found] = await findEvents(reading, word, 1)
  if (found !== undefined) {
    for (const { outcome } of [found, ...(await findEvents(reading, found.event, 1))]) {
      const event = await kindOfTopic(outcome.event_at.topic)?.with((kind) => readKept(reading, kind, outcome.event_at))
      if (event !== undefined) return event
    }
    return null
  }
  for (const some of kinds) {
    const event = await some.with((kind) => findUnjudged(reading, kind, word.trim().toLowerCase()))
    if (event !== null) return event
  }
  return null
}

const readKept = async <N extends EventName>(
  { log }: IndexReading,
  kind: EventKind<N>,
  at: EventPosition,
): Promise<KeptEvent | null> => {
  const read = await readAt<N>(log, kind.name, at)
  return read === undefined ? null : keptEvent(kind, read.value)
}

const findUnjudged = async <N extends EventName>(
  { log, snapshot }: IndexReading,
  kind: EventKind<N>,
  wanted: string,
): Promise<KeptEvent | null> => {
  const topic = kind.topic.name
  for (let partition = 0; partition < log.partitions; partition++) {
    const offset = snapshot.position(kind.decide, partition, topic) ?? 0
    for await (const { value } of recordsIn<N>(log, kind.name, { topic, partition, from: { offset } }, () => true)) {
      const { event, flow, name } = kind.about(value)
      if ([event, flow, name].some((id) => id.toLowerCase() === wanted)) return keptEvent(kind, value)
    }
  }
  return null
}

/** The letters of an event as the configuration's monitors would write them now, as if nothing objected and nothing was told before. */
export const previewEvent = (kept: KeptEvent, terms: UnsentTerms): Promise<readonly Preview[]> =>
  kept.with((kind, event) =>
    previewBy(
      monitorsFor(monitorsOf(terms.configuration), kind.name).filter(({ concerns }) => concerns?.(event) ?? true),
      event,
      terms,
    ),
  )

const previewBy = async <N extends EventName>(
  monitors: readonly Monitor<N>[],
  event: Schemas[N],
  terms: UnsentTerms,
): Promise<readonly Preview[]> => {
  const previews: Preview[] = []
  const at = { topic: preview, partition: 0, offset: 0 }
  const noticed = { at, configuration: configurationHash(terms.configuration), now: terms.clock.now() }
  for (const monitor of monitors) {
    const judgement = await judge(monitor, event)
    const isTold = judgement.objections.length === 0 || judgement.overruledBy.length > 1
    const letters: OutgoingMail[] = []
    for (const notice of noticesOf(monitor, judgement, noticed)) {
      const letter = await composeUnsent([notice], `${preview}-${monitor.name}-${letters.length + 1}`, terms)
      if (letter === null) throw new TypeError(`a monitor without its mail channel ${notice.channel}`)
      letters.push(letter)
    }
    previews.push({
      monitor: monitor.name,
      objections: isTold ? [] : judgement.objections,
      warnings: judgement.warnings,
      letters,
    })
  }
  return previews
}

/** Overruled from the beginning, so that recipients are found whatever objects. */
const judge = <N extends EventName>(monitor: Monitor<N>, event: Schemas[N]): Promise<Judgement<Schemas[N]>> =>
  lastValueFrom(
    from([{ ...judgementOf(event), overruledBy: [preview] }]).pipe(
      monitor.chain({
        told: nothingRemembered(),
        windows: nothingRemembered(),
        countedWindows: nothingRemembered(),
      }),
    ),
  )
