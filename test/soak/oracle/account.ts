import { createHash } from 'node:crypto'
import type { EventLog, LogRecord } from '../../../connectors/log/event-log.ts'
import { mostGathered } from '../../../pipeline/mailing/receipts.ts'
import { decode, type SchemaName } from '../../../schemas/codec.ts'
import type { Notice, Outcome, Receipt, Reject, Schemas } from '../../../schemas/generated.ts'
import type { EpochMs } from '../../../schemas/time.ts'
import { type Topic, topics } from '../../../schemas/topics.ts'
import type { EmittedEvent } from './emission.ts'
import type { RulesVersion } from './rules.ts'

/** A record with where it stands. */
export interface Kept<T> extends Pick<LogRecord, 'topic' | 'partition' | 'offset' | 'timestamp'> {
  readonly value: T
}

/** What a relay's log says. */
export interface LogAccount {
  readonly outcomes: readonly Kept<Outcome>[]
  readonly notices: readonly Kept<Notice>[]
  readonly rejects: readonly Kept<Reject>[]
  readonly receipts: readonly Kept<Receipt>[]
}

/** A letter that the mail server took: its final dot was there, and the server did not refuse it. */
export interface TakenLetter {
  readonly messageId: string
  readonly to: string
  /** Flows and alerts that its text names, in its order. */
  readonly about: readonly string[]
  /** By the world's one time, epoch ms. */
  readonly at: EpochMs
  /** Why its sender may not have written down that it was taken, a strike with its time; null: nothing kept it from that. */
  readonly mishap: string | null
}

/** The mishap of a letter whose reply was cut: each such letter may come again. */
export const cutReply = 'its reply was cut off'

/** Letters that one strike to one process can double: of each channel those on its connections, and one batch of receipts. */
export const mostDoubledBy = (connections: readonly number[]): number =>
  connections.reduce((sum, each) => sum + each + mostGathered, 0)

/** Everything that somebody outside of the relay knows, and what the relay says of it. */
export interface Account {
  readonly emitted: readonly EmittedEvent[]
  /** Records that cannot be read, by `topic/partition/offset`. */
  readonly unreadable: ReadonlySet<string>
  readonly configurations: ReadonlyMap<string, RulesVersion>
  readonly taken: readonly TakenLetter[]
  /** Letters that a strike can double. */
  readonly mostDoubled: number
  /** Whether the server refused a letter for good, or deferred it for days. */
  readonly wasRefused: (to: string, messageId: string) => boolean
  readonly log: LogAccount
  /** Keys of letters, notices and due times that deliver still remembers. */
  readonly leftOver: readonly string[]
}

const values = async <N extends SchemaName>(
  log: EventLog,
  { name: topic }: Topic,
  schema: N,
): Promise<readonly Kept<Schemas[N]>[]> => {
  const found: Kept<Schemas[N]>[] = []
  for (let partition = 0; partition < log.partitions; partition++)
    for await (const records of log.read({ topic, partition }))
      for (const { value, ...place } of records) found.push({ ...place, value: decode(schema, value) })
  return found
}

/** Reads all that a log says of events and letters. */
export const readLogAccount = async (log: EventLog): Promise<LogAccount> => ({
  outcomes: await values(log, topics.outcomes, 'Outcome'),
  notices: await values(log, topics.notices, 'Notice'),
  rejects: await values(log, topics.rejects, 'Reject'),
  receipts: await values(log, topics.receipts, 'Receipt'),
})

/** The flows and alerts that a letter's text names, each once, in its order. */
export const namedIn = (text: string): readonly string[] => [...new Set(text.match(/F\.N\d{6}|AL-\d{6}/g))]

/** The unchanging part of the Message-ID of a letter. */
export const messageKeyOf = (letter: string): string =>
  createHash('sha256').update(`letter ${letter}`).digest('hex').slice(0, 32)
