import { decode } from '../../schemas/codec.ts'
import type { Letter, Notice } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { TurnState } from '../runtime/turn-state.ts'

export const letterPrefix = 'letter/'
/** What is open, counted. */
export const openWorkKey = 'open-work'
/** The notices of a letter, in the order in which they joined it. */
const noticePrefix = (letter: string): string => `notice/${letter}/`
export const noticeKey = (letter: string, n: number): string => noticePrefix(letter) + String(n).padStart(6, '0')
/** What is gathered together. */
export const groupOf = ({ channel, monitor, recipient, replay }: Notice): string =>
  // What a replay tells joins no letter of what comes now.
  `${channel}/${monitor}/${recipient.address.toLowerCase()}${replay === '' ? '' : `/${encodeURIComponent(replay)}`}`
/** The latest batch of a group. */
export const gatheringKey = (group: string): string => `gathering/${group}`
/** The letter of a group that went out last, and when; only where letters keep a distance. */
export const goneKey = (group: string): string => `gone/${group}`
export const letterKey = (letter: string): string => `${letterPrefix}${letter}`
const timeDigits = 15
/** Open letters by channel and the time from which they may be claimed. */
export const anyDuePrefix = 'due/'
export const duePrefix = (channel: string): string => `${anyDuePrefix}${encodeURIComponent(channel)}/`
export const dueFrom = (channel: string, at: EpochMs): string =>
  duePrefix(channel) + String(at).padStart(timeDigits, '0')
export const dueKey = ({ channel, due_at, id }: Letter): string => `${dueFrom(channel, due_at)}/${id}`

/** Channel, time and letter of a key that `dueKey` made. */
export const readDueKey = (
  key: string,
): { readonly channel: string; readonly at: EpochMs; readonly letter: string } => {
  const timeAt = key.indexOf('/', anyDuePrefix.length) + 1
  return {
    channel: decodeURIComponent(key.slice(anyDuePrefix.length, timeAt - 1)),
    at: Number(key.slice(timeAt, timeAt + timeDigits)),
    letter: key.slice(timeAt + timeDigits + 1),
  }
}

/** Writes a letter that may be claimed once it is due. */
export const putOpen = (state: TurnState, letter: Letter): void => {
  state.put('Letter', letterKey(letter.id), letter)
  state.putBytes(dueKey(letter), new Uint8Array())
}

/** The notices of a letter one after the other: many are large, and none is needed when the next one is looked at. */
export function* noticesOf(
  { id, notices }: Letter,
  state: TurnState,
): Generator<{ readonly bytes: () => Uint8Array; readonly notice: Notice }> {
  for (let n = 1; n <= notices; n++) {
    const bytes = state.getBytes(noticeKey(id, n)) as Uint8Array
    yield { bytes: () => bytes, notice: decode('Notice', bytes) }
  }
}
