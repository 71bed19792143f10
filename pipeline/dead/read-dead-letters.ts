import type { EventLog } from '../../connectors/log/event-log.ts'
import { decode, DecodeError, type SchemaName } from '../../schemas/codec.ts'
import type { Command, Delivery, Notice, Reject, Schemas } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { aboutNotice } from '../kinds/kinds.ts'
import { type Topic, topics } from '../../schemas/topics.ts'

/** A letter that could not be delivered, with what the log tells of it. Addresses stand in it. */
export interface DeadLetterFacts {
  readonly letter: string
  readonly partition: number
  readonly diedAt: EpochMs
  /** Kind of the reason. */
  readonly class: string
  /** The reason with the mail server's reply; its text is the server's. */
  readonly reason: string
  readonly monitor: string
  readonly channel: string
  readonly recipient: string
  readonly severity: string
  /** What it tells, in order. */
  readonly notices: readonly {
    readonly id: string
    readonly event: string
    readonly flow: string
    readonly client: string
    /** An alert's name; empty for a flow. */
    readonly name: string
  }[]
  /** What somebody asked to be done with it, which is not answered yet; null: nothing. */
  readonly asked: Command['kind'] | null
}

/** Clocks of processes that share a log differ so much at most, ms: records of one may seem older than those that they answer. */
export const clockSkewMs = 60_000

interface Kept<T> {
  readonly timestamp: EpochMs
  readonly value: T
}

/** What can be read of a partition of a topic, from a time on. */
async function* valuesOf<N extends SchemaName>(
  log: EventLog,
  { name: topic }: Topic,
  schema: N,
  partition: number,
  since: EpochMs,
): AsyncGenerator<Kept<Schemas[N]>> {
  for await (const records of log.read({ topic, partition, from: { timestamp: since } }))
    for (const { timestamp, value } of records) {
      const read = readable(schema, value)
      if (read !== null) yield { timestamp, value: read }
    }
}

const readable = <N extends SchemaName>(schema: N, bytes: Uint8Array): Schemas[N] | null => {
  try {
    return decode(schema, bytes)
  } catch (cause) {
    if (cause instanceof DecodeError) return null
    throw cause
  }
}

/** Names one death of a letter: it may be redriven and die again. */
const deathOf = (letter: string, diedAt: EpochMs): string => `${diedAt}/${letter}`

/** The letters that are dead now, of those that died since a time; the oldest first. Reads what every process may, on either log. */
export const readDeadLetters = async (log: EventLog, since: EpochMs): Promise<readonly DeadLetterFacts[]> => {
  const all: DeadLetterFacts[] = []
  for (let partition = 0; partition < log.partitions; partition++) all.push(...(await deadIn(log, partition, since)))
  return all.toSorted((a, b) => a.diedAt - b.diedAt)
}

const deadIn = async (log: EventLog, partition: number, since: EpochMs): Promise<readonly DeadLetterFacts[]> => {
  const deaths = new Map<string, Reject[]>()
  for await (const { value } of valuesOf(log, topics.rejects, 'Reject', partition, since)) {
    if (value.letter === '') continue
    const key = deathOf(value.letter, value.at)
    const told = deaths.get(key)
    if (told === undefined) deaths.set(key, [value])
    else told.push(value)
  }
  const { asked, ended } = await whatWasAsked(log, partition, since, deaths)
  return [...deaths].flatMap(([death, rejects]) =>
    ended.has(death) ? [] : [factsOf(rejects, partition, asked.get(death) ?? null)],
  )
}

interface Asked {
  /** Commands without an answer, by death. */
  readonly asked: ReadonlyMap<string, Command['kind']>
  readonly ended: ReadonlySet<string>
}

const whatWasAsked = async (
  log: EventLog,
  partition: number,
  since: EpochMs,
  deaths: ReadonlyMap<string, unknown>,
): Promise<Asked> => {
  const commands = new Map<string, Command>()
  let first = Infinity
  for await (const { timestamp, value } of valuesOf(log, topics.commands, 'Command', partition, since)) {
    if (!deaths.has(deathOf(value.letter, value.died_at))) continue
    commands.set(value.id, value)
    first = Math.min(first, timestamp)
  }
  const asked = new Map<string, Command['kind']>()
  const ended = new Set<string>()
  if (commands.size === 0) return { asked, ended }
  const answered = new Set<string>()
  for await (const { command } of answersSince(log, partition, first - clockSkewMs)) answered.add(command)
  for (const { id, letter, died_at, kind } of commands.values()) {
    // Declined is what is about a death that had ended before.
    if (answered.has(id)) ended.add(deathOf(letter, died_at))
    else asked.set(deathOf(letter, died_at), kind)
  }
  return { asked, ended }
}

/** Deliveries of a partition that answer commands. */
export async function* answersSince(log: EventLog, partition: number, since: EpochMs): AsyncGenerator<Delivery> {
  for await (const { value } of valuesOf(log, topics.outcomes, 'Outcome', partition, since))
    for (const delivery of value.deliveries) if (delivery.command !== '') yield delivery
}

const factsOf = (rejects: readonly Reject[], partition: number, asked: DeadLetterFacts['asked']): DeadLetterFacts => {
  const [first] = rejects as readonly [Reject, ...Reject[]]
  const notices = rejects.map(({ bytes }) => readable('Notice', bytes)).filter((notice) => notice !== null)
  const [notice] = notices
  return {
    letter: first.letter,
    partition,
    diedAt: first.at,
    class: first.class,
    reason: first.reason,
    monitor: notice?.monitor ?? '',
    channel: notice?.channel ?? '',
    recipient: notice?.recipient.address ?? '',
    severity: notice?.severity ?? '',
    notices: notices.map(toldBy),
    asked,
  }
}

const toldBy = (notice: Notice): DeadLetterFacts['notices'][number] => {
  const { event, flow, client, name } = aboutNotice(notice)
  return { id: notice.id, event, flow, client, name }
}
