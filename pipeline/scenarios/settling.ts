import { setImmediate as nextRound } from 'node:timers/promises'

export interface SettlingOptions {
  /** Nothing is under way, as far as its parts know. */
  readonly isIdle: () => boolean
  /** Grows while somebody is at work. */
  readonly uses: () => number
}

/** Rounds of the event loop without a sign of work after which even an open turn only waits for the clock. */
const quietRounds = 8
/** What was begun outside of the log, such as a letter, goes on within so many rounds. */
const idleRounds = 2

/** Resolves when everything has happened that needs no time. Nothing in a scenario waits for anything but the clock and the event loop. */
export const settling =
  ({ isIdle, uses }: SettlingOptions): (() => Promise<void>) =>
  async () => {
    let quiet = 0
    for (let before = -1; ;) {
      await nextRound()
      quiet = uses() === before ? quiet + 1 : 0
      if (quiet >= (isIdle() ? idleRounds : quietRounds)) return
      // Asking whether it is idle reads the clock too.
      before = uses()
    }
  }
