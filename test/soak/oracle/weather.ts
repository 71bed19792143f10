import type { Random } from '../../../pipeline/runtime/backoff.ts'

/** How often what befalls a relay of one seed. */
export interface Weather {
  /** One process at a time, which knows that those before are dead; otherwise several share the partitions. */
  readonly isAlone: boolean
  readonly processes: number
  readonly events: number
  /** Chances at each crossing of a port. */
  readonly kill: number
  readonly freeze: number
  /** A partition goes to somebody else; where several share them. */
  readonly fence: number
  readonly slow: number
  /** Chances at each append and commit: nothing is kept; it is kept, and the answer is lost. */
  readonly refuse: number
  readonly forget: number
  /** Chances of each question to Velociraptor. */
  readonly deaf: number
  /** Chances of each message, in this order. */
  readonly refuseMail: number
  readonly deferMail: number
  readonly sendAway: number
  readonly cutBeforeDot: number
  readonly cutAfterDot: number
  readonly slowReply: number
  /** Deeds of the world, spread over the time of trouble. */
  readonly deeds: number
}

const some = (random: Random, most: number): number => (random() < 0.4 ? 0 : random() * most)

/** The weather of a seed. */
export const weatherOf = (random: Random): Weather => ({
  isAlone: random() < 0.5,
  processes: 1 + Math.floor(random() * 3),
  events: 2 + Math.floor(random() * 5),
  kill: some(random, 0.02),
  freeze: some(random, 0.02),
  fence: some(random, 0.02),
  slow: some(random, 0.4),
  refuse: some(random, 0.05),
  forget: some(random, 0.05),
  deaf: some(random, 0.2),
  refuseMail: some(random, 0.1),
  deferMail: some(random, 0.2),
  sendAway: some(random, 0.1),
  cutBeforeDot: some(random, 0.1),
  cutAfterDot: some(random, 0.1),
  slowReply: some(random, 0.2),
  deeds: Math.floor(random() * 10),
})
