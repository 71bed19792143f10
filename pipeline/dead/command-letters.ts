import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EventLog, NewRecord } from '../../connectors/log/event-log.ts'
import { encode } from '../../schemas/codec.ts'
import type { Command, Delivery } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { topics } from '../../schemas/topics.ts'
import { answersSince, clockSkewMs, type DeadLetterFacts } from './read-dead-letters.ts'

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
    command: {
      id: randomUUID(),
      kind,
      letter,
      died_at: diedAt,
      at: now,
      due_at: everyMs === 0 ? 0 : now + Math.round(n * everyMs),
    },
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

const lookEveryMs = 200

/** What was answered to commands, by their ids; waits `mostMs` at most for what is missing. */
export const awaitAnswers = async (
  log: EventLog,
  commanded: readonly Commanded[],
  mostMs: number,
): Promise<ReadonlyMap<string, Delivery>> => {
  const answers = new Map<string, Delivery>()
  const end = performance.now() + mostMs
  const wanted = new Set(commanded.map(({ command }) => command.id))
  const [first] = commanded
  while (first !== undefined) {
    for (const partition of new Set(commanded.map((each) => each.partition)))
      for await (const answer of answersSince(log, partition, first.command.at - clockSkewMs))
        if (wanted.has(answer.command)) answers.set(answer.command, answer)
    if (answers.size === wanted.size || performance.now() >= end) break
    await sleep(lookEveryMs)
  }
  return answers
}
