import type { Outcome } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { topics } from '../../schemas/topics.ts'
import type { IndexReading } from './index-reading.ts'
import { type Read, readAt } from './log-records.ts'
import { hashOf, isFoundBy } from './outcome-keys.ts'
import { offsetOfPlace, partitionOfPlace, type Place } from './place.ts'

/** An event that was found, by the newest of its outcomes that says so. */
export interface FoundEvent {
  readonly event: string
  readonly outcome: Outcome
  readonly at: EpochMs
}

const firstLook = 64

/** Outcomes at these places that are still in the log. */
const readPlaces = async ({ log }: IndexReading, places: readonly Place[]): Promise<readonly Read<Outcome>[]> => {
  const found: Read<Outcome>[] = []
  for (const place of places) {
    const read = await readAt(log, 'Outcome', {
      topic: topics.outcomes.name,
      partition: partitionOfPlace(place),
      offset: offsetOfPlace(place),
    })
    if (read !== undefined) found.push(read)
  }
  return found
}

const distinct = (outcomes: readonly Read<Outcome>[]): number => new Set(outcomes.map(({ value }) => value.event)).size

/** Outcomes of a partition that are found by a word: enough for `most` events, or all there are. */
const findIn = async (
  reading: IndexReading,
  word: string,
  partition: number,
  most: number,
): Promise<readonly Read<Outcome>[]> => {
  for (let look = firstLook; ; look *= 8) {
    const places = reading.indexes.flatMap((index) => index.find(hashOf(word), partition, look))
    const found = (await readPlaces(reading, places)).filter(({ value }) => isFoundBy(value, word))
    if (distinct(found) >= most || places.length < look) return found
  }
}

/** All outcomes that are found by a word, without regard to case, or so many that they tell of `most` events; in no order. */
export const findOutcomes = async (
  reading: IndexReading,
  word: string,
  most = Infinity,
): Promise<readonly Read<Outcome>[]> => {
  const found: Read<Outcome>[] = []
  for (let partition = 0; partition < reading.log.partitions; partition++)
    found.push(...(await findIn(reading, word, partition, most)))
  return found
}

/** The newest events that a word names: event, flow, client, hunt, recipient, Message-ID (its brackets may be left out) or monitor. */
export const findEvents = async (reading: IndexReading, word: string, most: number): Promise<readonly FoundEvent[]> => {
  for (const spelling of word.startsWith('<') ? [word] : [word, `<${word}>`]) {
    const found = await findOutcomes(reading, spelling, most)
    if (found.length > 0) return newest(found, most)
  }
  return newest(
    await readPlaces(
      reading,
      reading.indexes.flatMap((index) => index.ofMonitor(word, Math.min(most, 1e6))),
    ),
    most,
  )
}

const newest = (outcomes: readonly Read<Outcome>[], most: number): readonly FoundEvent[] => {
  const events = new Map<string, FoundEvent>()
  for (const { value, record } of outcomes.toSorted(
    (a, b) => b.value.at - a.value.at || b.record.offset - a.record.offset,
  )) {
    if (value.event !== '' && !events.has(value.event))
      events.set(value.event, { event: value.event, outcome: value, at: record.timestamp })
    if (events.size >= most) break
  }
  return [...events.values()]
}
