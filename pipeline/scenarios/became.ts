import type { EventLog } from '../../connectors/log/event-log.ts'
import { decode, type SchemaName } from '../../schemas/codec.ts'
import type { Delivery, Outcome, RawEvent, Reject, Schemas, Verdict } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { topics, type Topic } from '../../schemas/topics.ts'
import { isRecord } from '../config/is-record.ts'
import { kinds } from '../kinds/kinds.ts'
import { replyText } from '../mailing/death.ts'
import type { OutcomeWord } from './expectations.ts'
import type { EventEntry } from './scenario.ts'

/** What became of one event at one monitor, in the words of expectations. */
export interface Became {
  /** Whatever may name the event: its flow, its alert name, the id of its timeline entry. */
  readonly names: ReadonlySet<string>
  readonly org: string
  readonly client: string
  /** Name and artifact; empty: it stands for every monitor. */
  readonly monitor: string
  readonly artifact: string
  readonly outcome: OutcomeWord
  /** All that objected, each once. */
  readonly by: readonly string[]
  /** Names of the event that was told in its place. */
  readonly of: readonly string[]
  readonly reason: string
}

type Row = Readonly<Record<string, unknown>>

/** Reads from a log what became of every event, in order of arrival; entries of the timeline lend their ids. */
export const readBecame = async (log: EventLog, entries: readonly EventEntry[]): Promise<readonly Became[]> => {
  const rawTopics = kinds.flatMap((some) => some.with(({ raw }) => raw))
  const raws = (await Promise.all(rawTopics.map((topic) => readTopic(log, topic, 'RawEvent')))).flat()
  const rejects = await readTopic(log, topics.rejects, 'Reject')
  const outcomes = await readTopic(log, topics.outcomes, 'Outcome')
  const origins = originsOf({ raws, rejects, outcomes }, entries)
  // An alert that a monitor made came from no row.
  const known = new Map(outcomes.map(({ value: { event, flow, name } }) => [event, [flow, name]] as const))
  const arrival = new Map(raws.map(({ value }, index) => [value.id, index]))
  return outcomes
    .map(({ value }, index) => ({ value, index, arrived: arrival.get(value.event) ?? Infinity }))
    .toSorted(inOrderOfArrival)
    .flatMap(({ value }) => becameOf(value, origins, known))
}

interface Arrived {
  readonly value: Outcome
  readonly index: number
  /** Place of the event's row among all rows; Infinity: unknown. */
  readonly arrived: number
}

const inOrderOfArrival = (a: Arrived, b: Arrived): number =>
  a.value.received_at - b.value.received_at ||
  (a.arrived === b.arrived ? 0 : a.arrived - b.arrived) ||
  // What was decided comes before what became of its letters, also within one ms.
  b.value.verdicts.length - a.value.verdicts.length ||
  a.index - b.index

interface Read<T> {
  readonly at: EpochMs
  readonly value: T
}

/** All that a topic keeps, in order of the time of its records. */
const readTopic = async <N extends SchemaName>(
  log: EventLog,
  { name }: Topic,
  schema: N,
): Promise<readonly Read<Schemas[N]>[]> => {
  const all: Read<Schemas[N]>[] = []
  for (let partition = 0; partition < log.partitions; partition++)
    for await (const batch of log.read({ topic: name, partition }))
      for (const { timestamp, value } of batch) all.push({ at: timestamp, value: decode(schema, value) })
  return all.toSorted((a, b) => a.at - b.at)
}

interface Origin {
  readonly row: Row
  readonly entry: EventEntry | null
}

interface Kept {
  readonly raws: readonly Read<RawEvent>[]
  readonly rejects: readonly Read<Reject>[]
  readonly outcomes: readonly Read<Outcome>[]
}

/** The row of every event, and the timeline entry that it came from, by the event's id. */
const originsOf = ({ raws, rejects, outcomes }: Kept, entries: readonly EventEntry[]): ReadonlyMap<string, Origin> => {
  const free = new Set(entries)
  const originOf = (org: string, queue: string | null, text: string): Origin => {
    const row = rowOf(text)
    const entry =
      [...free].find((each) => each.org === org && (queue === null || each.queue === queue) && cameFrom(row, each)) ??
      null
    if (entry !== null) free.delete(entry)
    return { row, entry }
  }
  const origins = new Map<string, Origin>()
  for (const { value } of raws)
    if (!origins.has(value.id)) origins.set(value.id, originOf(value.org, value.queue, value.row))
  // What collect could not identify was written to both topics in the same order.
  const unreadable = outcomes.filter(({ value }) => value.event.includes('/unreadable/'))
  rejects
    .filter(({ value }) => value.stage === 'collect')
    .forEach(({ value }, index) => {
      const outcome = unreadable[index]?.value
      if (outcome !== undefined)
        origins.set(outcome.event, originOf(outcome.org, null, Buffer.from(value.bytes).toString('utf8')))
    })
  return origins
}

const rowOf = (text: string): Row => {
  try {
    const row: unknown = JSON.parse(text)
    return isRecord(row) ? row : {}
  } catch {
    return {}
  }
}

/** Whether a row is what an entry's row became on its way: the server adds fields, and writes times anew. */
const cameFrom = (row: Row, { at, row: given }: EventEntry): boolean => {
  const written = typeof given === 'string' ? rowOf(given) : given
  const isSame = Object.entries(written).every(([key, value]) => isServers(key) || sameValue(row[key], value))
  return isSame && isNear(row['_ts'], written['_ts'] ?? at)
}

const isServers = (key: string): boolean => ['_ts', '_Source', 'Timestamp', 'timestamp', 'Flow'].includes(key)

const plain = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'bigint' ? Number(part) : isMomentText(part) ? Date.parse(part) : part,
  ) ?? ''

const isMomentText = (value: unknown): value is string =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(value)

const sameValue = (a: unknown, b: unknown): boolean => plain(a) === plain(b)

/** Live rows carry seconds, those read back milliseconds. */
const isNear = (ts: unknown, at: unknown): boolean => {
  const ms = (value: unknown): number => (Number(value) > 20_000_000_000 ? Number(value) : Number(value) * 1000)
  return (
    typeof ts !== 'number' ||
    (typeof at !== 'number' && typeof at !== 'bigint') ||
    Math.floor(ms(ts) / 1000) === Math.floor(ms(at) / 1000)
  )
}

const namesOf = ({ row, entry }: Origin, known: readonly string[]): readonly string[] => {
  // A line of a log says whose it is beside what it says.
  const logged = row['_Client'] === undefined ? undefined : row['_Queue']
  const fromRow = [row['FlowId'], row['name'], logged].filter((name) => typeof name === 'string')
  return [
    ...new Set([...known, ...fromRow, ...(entry?.id === undefined || entry.id === null ? [] : [entry.id])]),
  ].filter((name) => name !== '')
}

const nowhere: Origin = { row: {}, entry: null }

const becameOf = (
  outcome: Outcome,
  origins: ReadonlyMap<string, Origin>,
  known: ReadonlyMap<string, readonly string[]>,
): readonly Became[] => {
  const { org, client, flow, name, event, verdicts, deliveries } = outcome
  const origin = origins.get(event) ?? nowhere
  const rowClient = origin.row['ClientId'] ?? origin.row['client_id']
  const common = {
    names: new Set(namesOf(origin, [flow, name])),
    org,
    client: client === '' && typeof rowClient === 'string' ? rowClient : client,
  }
  const namesOfTold = (of: string): readonly string[] => {
    if (of === '') return []
    const told = origins.get(of) ?? nowhere
    return [...namesOf(told, known.get(of) ?? []), of]
  }
  return [
    ...verdicts.map((verdict): Became => ({ ...common, ...fromVerdict(verdict), of: namesOfTold(verdict.of) })),
    ...deliveries
      .filter((delivery) => delivery.outcome !== 'told')
      .map((delivery): Became => ({ ...common, ...fromDelivery(delivery) })),
  ]
}

const fromVerdict = ({
  monitor,
  artifact,
  outcome,
  objections,
  reason,
}: Verdict): Omit<Became, 'names' | 'org' | 'client' | 'of'> => ({
  monitor,
  artifact,
  outcome,
  by: [...new Set(objections.map(({ by }) => by))],
  reason: [reason, ...objections.map((objection) => objection.reason)].filter((text) => text !== '').join('\n'),
})

const fromDelivery = ({
  monitor,
  artifact,
  outcome,
  reason,
  code,
  reply,
}: Delivery): Omit<Became, 'names' | 'org' | 'client'> => ({
  monitor,
  artifact,
  outcome,
  by: [],
  of: [],
  reason: `${reason}: ${replyText(code, reply)}`,
})
