import { decode } from '../../schemas/codec.ts'
import type { Notice, RawEvent } from '../../schemas/generated.ts'
import type { EventKind, EventName, RowToComplete } from '../kinds/kind.ts'
import { aboutNotice, kinds } from '../kinds/kinds.ts'
import { prefixRange } from '../runtime/marks.ts'
import { committedLetters, unreadNotices } from './committed-letters.ts'
import type { IndexReading } from './index-reading.ts'
import { recordsIn, type Span } from './log-records.ts'

/** What is known of a word that no outcome holds yet. */
export interface OnTheWay {
  readonly event: string
  readonly flow: string
  readonly client: string
  /** Where it is, as a sentence part. */
  readonly where: string
}

/** Events named by a word that have no verdict yet: read and waiting for their facts, or complete and waiting for decide. */
export const findOnTheWay = async (reading: IndexReading, word: string): Promise<readonly OnTheWay[]> => {
  const { snapshot } = reading
  const wanted = word.toLowerCase()
  const isWanted = (words: readonly string[]): boolean => words.some((each) => each.toLowerCase() === wanted)
  const found: OnTheWay[] = []
  for (let partition = 0; partition < snapshot.partitions; partition++) {
    for (const [, bytes] of snapshot.state('enrich', partition).range(...prefixRange('parked/'))) {
      const { raw, topic, looked_up, due_at } = decode('ParkedEvent', bytes)
      const where = `the server's record of it is not there or not final: looked up ${looked_up} time(s), next at ${new Date(due_at).toISOString()}`
      for (const some of kinds)
        some.with((kind) => {
          if (kind.raw.some(({ name }) => name === topic) && isWanted(rowWords(kind, raw)))
            found.push(rowOnTheWay(kind, raw, where))
        })
    }
    for (const some of kinds) found.push(...(await some.with((kind) => unread(reading, kind, partition, isWanted))))
  }
  // What moves on while this reads is found twice: where it is now comes last.
  return [...new Map(found.map((each) => [each.event, each])).values()]
}

/** What of a kind stands in one partition before enrich, and before decide. */
const unread = async <N extends EventName>(
  { log, snapshot }: IndexReading,
  kind: EventKind<N>,
  partition: number,
  isWanted: (words: readonly string[]) => boolean,
): Promise<readonly OnTheWay[]> => {
  const found: OnTheWay[] = []
  const spanOf = (topology: string, topic: string): Span => ({
    topic,
    partition,
    from: { offset: snapshot.position(topology, partition, topic) ?? 0 },
  })
  for (const { name } of kind.raw)
    for await (const { value } of recordsIn(log, 'RawEvent', spanOf('enrich', name), () => true))
      if (isWanted(rowWords(kind, value))) found.push(rowOnTheWay(kind, value, 'enrich has not read it yet'))
  for await (const { value } of recordsIn<N>(log, kind.name, spanOf(kind.decide, kind.topic.name), () => true)) {
    const { event, flow, client, hunt, name } = kind.about(value)
    if (isWanted([event, flow, client, hunt, name]))
      found.push({ event, flow, client, where: 'decide has not read it yet' })
  }
  return found
}

type RowReading = Pick<EventKind<EventName>, 'readRow'>

/** What a row is about; a row that cannot be read is known by its id alone. */
const rowAbout = ({ readRow }: RowReading, raw: RawEvent): RowToComplete['about'] => {
  try {
    return readRow(raw).about
  } catch {
    return { client: '', flow: '', hunt: '', name: '' }
  }
}

const rowWords = (kind: RowReading, raw: RawEvent): readonly string[] => {
  const { client, flow, name, hunt } = rowAbout(kind, raw)
  return [raw.id, client, flow, name, hunt]
}
const rowOnTheWay = (kind: RowReading, raw: RawEvent, where: string): OnTheWay => {
  const { client, flow } = rowAbout(kind, raw)
  return { event: raw.id, flow, client, where }
}

/** Ids of events of which something waits to be told to a recipient, or in the letter of a Message-ID. */
export const eventsWaitingFor = async ({ log, snapshot }: IndexReading, word: string): Promise<readonly string[]> => {
  const wanted = word.toLowerCase()
  const isTo = ({ recipient }: Notice): boolean => recipient.address.toLowerCase() === wanted
  const events = new Set<string>()
  for (const { letter, notices } of committedLetters(snapshot)) {
    const isLetter = [letter.message_id, letter.message_id.slice(1, -1), letter.id].some(
      (name) => name.toLowerCase() === wanted,
    )
    const [first, ...more] = notices()
    if (first !== undefined && (isLetter || isTo(first)))
      for (const notice of [first, ...more]) events.add(aboutNotice(notice).event)
  }
  for await (const notice of unreadNotices(log, snapshot)) if (isTo(notice)) events.add(aboutNotice(notice).event)
  events.delete('')
  return [...events]
}
