import { decode } from '../../schemas/codec.ts'
import type { FlowEvent, Notice, RawEvent } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'
import { prefixRange } from '../runtime/marks.ts'
import { committedLetters, unreadNotices } from './committed-letters.ts'
import type { IndexReading } from './index-reading.ts'
import { recordsIn } from './log-records.ts'

/** What is known of a word that no outcome holds yet. */
export interface OnTheWay {
  readonly event: string
  readonly flow: string
  readonly client: string
  /** Where it is, as a sentence part. */
  readonly where: string
}

/** Events named by a word that have no verdict yet: read and waiting for their facts, or complete and waiting for decide. */
export const findOnTheWay = async ({ log, snapshot }: IndexReading, word: string): Promise<readonly OnTheWay[]> => {
  const wanted = word.toLowerCase()
  const isWanted = (words: readonly string[]): boolean => words.some((each) => each.toLowerCase() === wanted)
  const found: OnTheWay[] = []
  const rawTopic = topics.rawFlowCompletions.name
  const eventTopic = topics.flowEvents.name
  for (let partition = 0; partition < snapshot.partitions; partition++) {
    for (const [, bytes] of snapshot.state('enrich', partition).range(...prefixRange('parked/'))) {
      const { raw, looked_up, due_at } = decode('ParkedEvent', bytes)
      const where = `the server's record of it is not there or not final: looked up ${looked_up} time(s), next at ${new Date(due_at).toISOString()}`
      if (isWanted(rawWords(raw))) found.push({ ...rawFacts(raw), where })
    }
    const unread = {
      topic: rawTopic,
      partition,
      from: { offset: snapshot.position('enrich', partition, rawTopic) ?? 0 },
    }
    for await (const { value } of recordsIn(log, 'RawEvent', unread, () => true))
      if (isWanted(rawWords(value))) found.push({ ...rawFacts(value), where: 'enrich has not read it yet' })
    const unjudged = {
      topic: eventTopic,
      partition,
      from: { offset: snapshot.position('decide', partition, eventTopic) ?? 0 },
    }
    for await (const { value } of recordsIn(log, 'FlowEvent', unjudged, () => true))
      if (isWanted(eventWords(value)))
        found.push({
          event: value.id,
          flow: value.flow.id,
          client: value.client.id,
          where: 'decide has not read it yet',
        })
  }
  return found
}

/** Natural keys of flows are made of organisation, client and flow. */
const rawWords = ({ id }: RawEvent): readonly string[] => [id, ...id.split('/')]
const rawFacts = ({ id }: RawEvent): Omit<OnTheWay, 'where'> => {
  const [, client = '', flow = ''] = id.split('/')
  return { event: id, flow, client }
}
const eventWords = ({ id, flow, client, hunt }: FlowEvent): readonly string[] => [
  id,
  flow.id,
  client.id,
  hunt?.id ?? '',
]

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
      for (const { flow } of [first, ...more]) events.add(flow?.id ?? '')
  }
  for await (const notice of unreadNotices(log, snapshot)) if (isTo(notice)) events.add(notice.flow?.id ?? '')
  events.delete('')
  return [...events]
}
