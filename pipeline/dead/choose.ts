import type { EpochMs } from '../../schemas/time.ts'
import type { DeadLetterFacts } from './read-dead-letters.ts'

/** Which dead letters are meant; what is left out lets all through. */
export interface DeadFilter {
  /** Letters, notices, events or flows, or beginnings of them; empty: all. */
  readonly words: readonly string[]
  readonly since?: EpochMs | undefined
  readonly monitor?: string | undefined
  readonly channel?: string | undefined
  /** Class of the reason. */
  readonly reason?: string | undefined
  /** An address, or `@` and a domain; case does not matter. */
  readonly recipient?: string | undefined
}

/** The letters that a filter means, in their order. */
export const chosen = (letters: readonly DeadLetterFacts[], filter: DeadFilter): readonly DeadLetterFacts[] =>
  letters.filter((letter) => isMeant(letter, filter))

const isMeant = (letter: DeadLetterFacts, filter: DeadFilter): boolean => {
  const { words, since = -Infinity, monitor, channel, reason, recipient } = filter
  return (
    letter.diedAt >= since &&
    [undefined, letter.monitor].includes(monitor) &&
    [undefined, letter.channel].includes(channel) &&
    [undefined, letter.class].includes(reason) &&
    (recipient === undefined || isRecipient(letter.recipient.toLowerCase(), recipient.trim().toLowerCase())) &&
    (words.length === 0 || words.some((word) => isNamed(letter, word)))
  )
}

const isRecipient = (address: string, wanted: string): boolean =>
  wanted.startsWith('@') ? address.endsWith(wanted) : address === wanted

const isNamed = ({ letter, notices }: DeadLetterFacts, word: string): boolean =>
  word !== '' &&
  [letter, ...notices.flatMap(({ id, event, flow }) => [id, event, flow])].some((name) => name.startsWith(word))
