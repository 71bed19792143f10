import type { NewRecord } from '../../connectors/log/event-log.ts'
import { encode } from '../../schemas/codec.ts'
import type { Delivery, Letter, Notice, Outcome } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { aboutNotice } from '../kinds/kinds.ts'
import { type Claims, forgetClaim } from './claims.ts'
import { type DeathClass, replyText } from './death.ts'
import { bury } from './dead-letter-state.ts'
import type { DeliverTurn } from './deliver-turn.ts'
import type { TurnState } from '../runtime/turn-state.ts'
import { dueKey, letterKey, noticeKey, noticesOf } from './letter-state.ts'

/** How a letter ended. */
export interface LetterEnd {
  readonly code: number
  readonly reply: string
  /** null: it was told. */
  readonly death: { readonly class: DeathClass; readonly reason: string } | null
}

/** Writes down how a letter ended and forgets it. */
export const settle = (
  letter: Letter,
  end: LetterEnd,
  { state, task, turn, claims, said }: DeliverTurn,
): readonly NewRecord[] => {
  if (end.death !== null) bury(letter, state, turn.now)
  const append: NewRecord[] = []
  let event: string | undefined
  for (const { notice, bytes } of toldOf(letter, state, claims)) {
    event ??= aboutNotice(notice).event
    append.push(...settled(letter, end, { notice, bytes, partition: task.partition, now: turn.now }))
  }
  for (let n = 1; n <= letter.notices; n++) state.delete(noticeKey(letter.id, n))
  state.delete(letterKey(letter.id))
  if (letter.stage === 'open') state.delete(dueKey(letter))
  forgetClaim(claims, letter.id)
  claims.open.notices -= letter.notices
  said.push({
    name: end.death === null ? 'letter delivered' : 'letter undeliverable',
    letter: letter.id,
    notices: letter.notices,
    event,
    partition: task.partition,
    attempts: letter.attempt,
    code: end.code,
  })
  return append
}

/** Its notices; a single one that is at hand is not read again. */
const toldOf = (
  letter: Letter,
  state: TurnState,
  { firsts }: Claims,
): ReturnType<typeof noticesOf> | readonly Told[] => {
  const only = letter.notices === 1 ? firsts.get(letter.id) : undefined
  if (only === undefined) return noticesOf(letter, state)
  return [{ notice: only, bytes: () => state.getBytes(noticeKey(letter.id, 1)) as Uint8Array }]
}

interface Told {
  readonly notice: Notice
  readonly bytes: () => Uint8Array
}

/** What is written down of one notice of a letter that ended. */
const settled = (
  letter: Letter,
  { code, reply, death }: LetterEnd,
  { notice, bytes, partition, now }: Told & { readonly partition: number; readonly now: EpochMs },
): readonly NewRecord[] => {
  const outcome = deliveryRecord(
    notice,
    { letter, outcome: death === null ? 'told' : 'undeliverable', code, reply, reason: death?.reason ?? '' },
    { partition, now },
  )
  if (death === null) return [outcome]
  const reject = {
    stage: 'deliver',
    topic: topics.notices.name,
    partition,
    offset: -1,
    reason: `${death.reason}: ${replyText(code, reply)}`,
    at: now,
    key: notice.id,
    bytes: bytes(),
    letter: letter.id,
    class: death.class,
  }
  return [outcome, { topic: topics.rejects.name, key: '', partition, value: encode('Reject', reject) }]
}

/** What a delivery says of one notice of a letter. */
interface Said extends Pick<Delivery, 'outcome'>, Partial<Pick<Delivery, 'code' | 'reply' | 'command'>> {
  readonly letter: Letter
  readonly reason: string
}

/** The outcome that says what became of one notice of a letter. */
export const deliveryRecord = (
  notice: Notice,
  { letter, outcome, code = 0, reply = '', reason, command = '' }: Said,
  { partition, now }: { readonly partition: number; readonly now: EpochMs },
): NewRecord => {
  const delivery: Delivery = {
    notice: notice.id,
    monitor: notice.monitor,
    artifact: notice.artifact,
    recipient: notice.recipient.address,
    outcome,
    message_id: letter.message_id,
    attempts: letter.attempt,
    code,
    reply,
    reason,
    command,
  }
  return { topic: topics.outcomes.name, key: '', partition, value: encode('Outcome', outcomeOf(notice, delivery, now)) }
}

const outcomeOf = (notice: Notice, delivery: Delivery, at: EpochMs): Outcome => ({
  ...aboutNotice(notice),
  event_at: notice.event_at,
  at,
  configuration: notice.configuration,
  replay: notice.replay,
  verdicts: [],
  deliveries: [delivery],
})
