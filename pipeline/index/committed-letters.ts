import type { LogSnapshot } from '../../connectors/log/embedded/log-snapshot.ts'
import type { EventLog } from '../../connectors/log/event-log.ts'
import { decode, DecodeError } from '../../schemas/codec.ts'
import type { Letter, Notice } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'
import { prefixRange } from '../runtime/marks.ts'

/** A letter that deliver gathers or has claimed. */
export interface CommittedLetter {
  readonly partition: number
  readonly letter: Letter
  /** In the order in which they joined it. */
  readonly notices: () => readonly Notice[]
}

/** The letters in the committed state of deliver. */
export function* committedLetters(snapshot: LogSnapshot): Generator<CommittedLetter> {
  for (let partition = 0; partition < snapshot.partitions; partition++) {
    const state = snapshot.state('deliver', partition)
    for (const [, bytes] of state.range(...prefixRange('letter/'))) {
      const letter = decode('Letter', bytes)
      const notices = () =>
        [...state.range(...prefixRange(`notice/${letter.id}/`))].map(([, value]) => decode('Notice', value))
      yield { partition, letter, notices }
    }
  }
}

/** Ids of the notices that wait: in a letter, or not read by deliver yet. */
export const unsettledNotices = async (log: EventLog, snapshot: LogSnapshot): Promise<ReadonlySet<string>> => {
  const ids = new Set<string>()
  for (const { letter, notices } of committedLetters(snapshot)) {
    // A letter bears the id of its first notice, and most tell one.
    ids.add(letter.id)
    if (letter.notices > 1) for (const { id } of notices()) ids.add(id)
  }
  for await (const { id } of unreadNotices(log, snapshot)) ids.add(id)
  return ids
}

/** Notices that deliver had not read when the snapshot was taken. */
export async function* unreadNotices(log: EventLog, snapshot: LogSnapshot): AsyncGenerator<Notice> {
  const topic = topics.notices.name
  for (let partition = 0; partition < snapshot.partitions; partition++) {
    const offset = snapshot.position('deliver', partition, topic) ?? 0
    for await (const records of log.read({ topic, partition, from: { offset } }))
      for (const { value } of records) {
        const notice = noticeOf(value)
        if (notice !== null) yield notice
      }
  }
}

const noticeOf = (value: Uint8Array): Notice | null => {
  try {
    return decode('Notice', value)
  } catch (cause) {
    if (cause instanceof DecodeError) return null
    throw cause
  }
}
