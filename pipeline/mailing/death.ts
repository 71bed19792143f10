import { topics } from '../../schemas/topics.ts'

/** Kinds of reasons why a letter could not be delivered. */
export const deathClasses = ['refused', 'expired', 'unwritable', 'no-channel'] as const
export type DeathClass = (typeof deathClasses)[number]

/** What each kind means, in a sentence; `no-channel` is completed by the channel's name, `expired` by a duration. */
export const deathReasons: Readonly<Record<DeathClass, string>> = {
  refused: 'the mail server refused it',
  expired: 'the mail server deferred it for',
  unwritable: 'the letter could not be written',
  'no-channel': 'the configuration has no mail channel',
}

/** How long a dead letter can be redriven, ms: as long as its record is kept. */
export const deadKeptMs = topics.rejects.keptMs

/** A reply as people read it: its code, where there is one, and its text. */
export const replyText = (code: number, reply: string): string =>
  [code === 0 ? '' : String(code), reply].filter((text) => text !== '').join(' ')
