import { randomUUID } from 'node:crypto'
import type { EventLog, NewRecord } from '../../connectors/log/event-log.ts'
import { encode } from '../../schemas/codec.ts'
import type { Command } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { topics } from '../../schemas/topics.ts'
import type { DeadLetterFacts } from './read-dead-letters.ts'

export interface CommandTerms {
  readonly kind: Command['kind']
  readonly now: EpochMs
  /** redrive: ms from one letter to the next; 0: all at once. */
  readonly everyMs: number
}

/** A command that was written, and the letter that it is about. */
export interface Commanded {
  readonly command: Command
  readonly partition: number
}

const mostAtOnce = 500

/** Writes a command for each letter, in their order; the owners of the letters apply them. Rejects with ConnectorError. */
export const commandLetters = async (
  log: EventLog,
  letters: readonly DeadLetterFacts[],
  { kind, now, everyMs }: CommandTerms,
): Promise<readonly Commanded[]> => {
  const commanded = letters.map(({ letter, diedAt, partition }, n): Commanded => ({
    partition,
    command: { id: randomUUID(), kind, letter, died_at: diedAt, at: now, due_at: now + Math.round(n * everyMs) },
  }))
  for (let from = 0; from < commanded.length; from += mostAtOnce)
    await log.append(commanded.slice(from, from + mostAtOnce).map(commandRecord))
  return commanded
}

const commandRecord = ({ command, partition }: Commanded): NewRecord => ({
  topic: topics.commands.name,
  key: command.letter,
  partition,
  value: encode('Command', command),
})
