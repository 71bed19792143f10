import type { LogRecord, NewRecord } from '../../connectors/log/event-log.ts'
import { decode, encode } from '../../schemas/codec.ts'
import type { Command, DeadLetter, Delivery, Outcome, Receipt } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'
import { deadLetter, deadNotices, unbury } from './dead-letter-state.ts'
import type { DeliverTurn } from './deliver-turn.ts'
import { letterKey, noticeKey, putOpen } from './letter-state.ts'
import { deliveryRecord } from './settlement.ts'

/**
 * Does what somebody wants done with a dead letter, or declines and says why. Only the death that is meant counts, and a letter dies as
 * often as it is redriven: the same command twice, or two for the same death, do it once.
 */
export const takeCommand = (command: Command, record: LogRecord, context: DeliverTurn): readonly NewRecord[] => {
  const { state, said, task } = context
  const dead = deadLetter(command.letter, state)
  if (dead?.died_at !== command.died_at) {
    const reason = whyNot(command, context)
    said.push({ name: 'command declined', letter: command.letter, partition: task.partition, reason })
    return [declined(command, record, reason, context)]
  }
  const isRedriven = command.kind === 'redrive'
  const reason = isRedriven ? 'it is sent again' : 'it is not sent any more'
  const records = ended(dead, { outcome: isRedriven ? 'redriven' : 'dropped', reason, command: command.id }, context)
  if (isRedriven) revive(dead, command, context)
  unbury(dead, state)
  said.push({
    name: isRedriven ? 'letter redriven' : 'letter dropped',
    letter: command.letter,
    notices: dead.letter.notices,
    partition: task.partition,
  })
  return records
}

/** The mail server took a letter at an earlier attempt, whose answer came when a later one had already failed for good. */
export const takenAllTheSame = ({ letter, code, reply }: Receipt, context: DeliverTurn): readonly NewRecord[] => {
  const dead = deadLetter(letter, context.state)
  if (dead === undefined) return []
  const records = [
    ...ended(dead, { outcome: 'redriven', reason: 'the mail server had taken it at an earlier attempt' }, context),
    ...ended(dead, { outcome: 'told', code, reply, reason: '' }, context),
  ]
  unbury(dead, context.state)
  return records
}

const whyNot = ({ letter, died_at }: Command, { state }: DeliverTurn): string => {
  if (state.get('Letter', letterKey(letter)) !== undefined) return 'it was redriven already, and is on its way'
  const dead = deadLetter(letter, state)
  return dead !== undefined && dead.died_at > died_at
    ? 'it was redriven already, and could not be delivered again: list it anew'
    : 'it is not undeliverable now: it was delivered, dropped, or is no longer kept'
}

/** What became of each notice of a dead letter. */
const ended = (
  dead: DeadLetter,
  said: Omit<Parameters<typeof deliveryRecord>[1], 'letter'>,
  { state, task, turn }: DeliverTurn,
): readonly NewRecord[] =>
  deadNotices(dead, state).map((bytes) =>
    deliveryRecord(
      decode('Notice', bytes),
      { ...said, letter: dead.letter },
      { partition: task.partition, now: turn.now },
    ),
  )

/** Opens it again as it was: attempts are counted on, and the Message-ID stays. */
const revive = (dead: DeadLetter, { due_at }: Command, { state, turn, claims }: DeliverTurn): void => {
  const { letter } = dead
  claims.open.notices += letter.notices
  deadNotices(dead, state).forEach((bytes, n) => state.putBytes(noticeKey(letter.id, n + 1), bytes))
  putOpen(state, {
    ...letter,
    stage: 'open',
    opened_at: turn.now,
    due_at: Math.max(turn.now, due_at),
    deferrals: 0,
    until: 0,
    sender: '',
    marker: '',
  })
}

const declined = (
  { id, letter }: Command,
  { topic, partition, offset }: LogRecord,
  reason: string,
  { task, turn }: DeliverTurn,
): NewRecord => {
  const delivery: Delivery = {
    notice: letter,
    monitor: '',
    artifact: '',
    recipient: '',
    outcome: 'declined',
    message_id: '',
    attempts: 0,
    code: 0,
    reply: '',
    reason,
    command: id,
  }
  const outcome: Outcome = {
    event: '',
    org: '',
    client: '',
    flow: '',
    hunt: '',
    name: '',
    scope: '',
    event_at: { topic, partition, offset },
    received_at: 0,
    at: turn.now,
    configuration: '',
    replay: '',
    verdicts: [],
    deliveries: [delivery],
  }
  return { topic: topics.outcomes.name, key: '', partition: task.partition, value: encode('Outcome', outcome) }
}
