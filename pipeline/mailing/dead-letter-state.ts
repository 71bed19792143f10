import type { DeadLetter, Letter } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { TurnState } from '../runtime/turn-state.ts'
import { deadKeptMs } from './death.ts'
import { noticeKey } from './letter-state.ts'

const deadKey = (letter: string): string => `dead/${letter}`
const deadNoticeKey = (letter: string, n: number): string => `dead-notice/${letter}/${String(n).padStart(6, '0')}`
const timeDigits = 15
const ageFrom = (at: EpochMs): string => `dead-at/${String(at).padStart(timeDigits, '0')}`
const ageKey = ({ letter, died_at }: DeadLetter): string => `${ageFrom(died_at)}/${letter.id}`
const mostForgotten = 200

/** The dead letter of an id; undefined: there is none. */
export const deadLetter = (id: string, state: TurnState): DeadLetter | undefined => state.get('DeadLetter', deadKey(id))

/** The notices of a dead letter, in their order, as they were written. */
export const deadNotices = ({ letter }: DeadLetter, state: TurnState): readonly Uint8Array[] =>
  Array.from({ length: letter.notices }, (_, n) => state.getBytes(deadNoticeKey(letter.id, n + 1)) as Uint8Array)

/** Keeps a letter that could not be delivered with its notices, and forgets those that have been kept long enough. */
export const bury = (letter: Letter, state: TurnState, now: EpochMs): void => {
  const dead: DeadLetter = { letter, died_at: now }
  state.put('DeadLetter', deadKey(letter.id), dead)
  state.putBytes(ageKey(dead), new Uint8Array())
  for (let n = 1; n <= letter.notices; n++)
    state.putBytes(deadNoticeKey(letter.id, n), state.getBytes(noticeKey(letter.id, n)) as Uint8Array)
  forgetOld(state, now)
}

/** Keeps it no longer. */
export const unbury = (dead: DeadLetter, state: TurnState): void => {
  state.delete(deadKey(dead.letter.id))
  state.delete(ageKey(dead))
  for (let n = 1; n <= dead.letter.notices; n++) state.delete(deadNoticeKey(dead.letter.id, n))
}

const forgetOld = (state: TurnState, now: EpochMs): void => {
  let left = mostForgotten
  for (const key of state.committedKeys(ageFrom(0), ageFrom(Math.max(0, now - deadKeptMs)))) {
    const dead = deadLetter(key.slice(ageFrom(0).length + 1), state)
    if (dead === undefined) state.delete(key)
    else unbury(dead, state)
    if (--left === 0) return
  }
}
