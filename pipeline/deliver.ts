import { type Observable, Subject } from 'rxjs'
import type { LogRecord, NewRecord, Task, Turn } from '../connectors/log/event-log.ts'
import type { Letter, Notice, Receipt } from '../schemas/generated.ts'
import { topics } from '../schemas/topics.ts'
import type { EpochMs } from '../schemas/time.ts'
import { claimMs, type DeliverOptions } from './mailing/claim.ts'
import {
  type Claims,
  claimDue,
  doubtful,
  forgetClaim,
  openClaims,
  putOpenWork,
  wakeForClaims,
  wakeForDue,
} from './mailing/claims.ts'
import { takeCommand, takenAllTheSame } from './mailing/dead-letters.ts'
import { durationText } from './config/duration.ts'
import { inAppChannel } from './monitors/in-app-channel.ts'
import { type DeathClass, deathReasons } from './mailing/death.ts'
import type { DeliverTurn } from './mailing/deliver-turn.ts'
import { type Arrived, gather } from './mailing/gathering.ts'
import { letterKey, putOpen } from './mailing/letter-state.ts'
import { giveBackToLimits } from './mailing/limits.ts'
import { openSending, type Sending } from './mailing/sending.ts'
import { settle } from './mailing/settlement.ts'
import { hasStrays, settleStrays } from './mailing/strays.ts'
import { type Backoff, backoffMs } from './runtime/backoff.ts'
import { decodeAll } from './runtime/decoding.ts'
import { rejection } from './runtime/rejection.ts'
import { runTopology, type TaskWork, type TurnResult } from './runtime/run-topology.ts'
import { openTurnState } from './runtime/turn-state.ts'

const usualGiveUpAfterMs = 5 * 86_400_000
const deferrals: Backoff = { firstMs: 60_000, longestMs: 4 * 3_600_000 }

/** Sends what notices ask for: gathers, claims, sends, and settles when the receipt comes back as input. */
export const deliver = (
  options: DeliverOptions,
): { readonly running: Observable<never>; readonly idle: () => Promise<void> } => {
  const sending = openSending(options)
  return {
    running: runTopology(
      options.log,
      {
        name: 'deliver',
        inputs: [topics.notices.name, topics.receipts.name, topics.commands.name],
        // A letter that was sent is settled a little later, and many by one commit.
        unhurried: [topics.receipts.name],
      },
      (task) => deliverTask(task, options, sending),
    ),
    idle: () => sending.idle(),
  }
}

const deliverTask = (task: Task, options: DeliverOptions, sending: Sending): TaskWork => {
  const now = options.clock.now()
  const claims = openClaims(task, sending)
  options.tell({ name: 'notices open', partition: task.partition, notices: claims.open.notices })
  wakeForClaims(task, claims, now)
  const state = openTurnState(task.state)
  wakeForDue(task, state, 0, options)
  if (hasStrays(state, options)) task.wake(now)
  const failed = new Subject<never>()
  const fail = (cause: unknown): void => failed.error(cause)
  return { beside: failed, turn: (turn) => deliverTurn(turn, { task, options, sending, claims, fail }) }
}

interface DeliverTask {
  readonly task: Task
  readonly options: DeliverOptions
  readonly sending: Sending
  readonly claims: Claims
  readonly fail: (cause: unknown) => void
}

/** Places that a turn takes on channels: one that comes to no end gives them back. */
const holdingPlaces = (sending: Sending): { readonly sending: Sending; readonly giveBack: () => void } => {
  const held: { readonly letter: { readonly channel: string } }[] = []
  return {
    sending: {
      ...sending,
      reserve(channel, task) {
        const isTaken = sending.reserve(channel, task)
        if (isTaken) held.push({ letter: { channel } })
        return isTaken
      },
      giveBack(claims) {
        for (const { letter } of claims)
          held.splice(
            held.findIndex((each) => each.letter.channel === letter.channel),
            1,
          )
        sending.giveBack(claims)
      },
    },
    giveBack: () => sending.giveBack(held),
  }
}

const deliverTurn = async (turn: Turn, given: DeliverTask): Promise<TurnResult> => {
  const places = holdingPlaces(given.sending)
  try {
    return await takeTurn(turn, { ...given, sending: places.sending })
  } catch (cause) {
    places.giveBack()
    throw cause
  }
}

const takeTurn = async (turn: Turn, { fail, ...given }: DeliverTask): Promise<TurnResult> => {
  const { task, options, sending, claims } = given
  const context: DeliverTurn = { ...given, turn, state: openTurnState(task.state), said: [] }
  const { state, said } = context
  const append: NewRecord[] = []
  const byTopic = Map.groupBy(turn.records, ({ topic }) => topic)
  for (const decoded of await decodeAll('Receipt', byTopic.get(topics.receipts.name) ?? [], options, task.lost)) {
    if ('problem' in decoded) append.push(...unreadable(decoded.record, decoded.problem, turn.now))
    else append.push(...takeReceipt(decoded.value, context))
  }
  const arrived: Arrived[] = []
  for (const decoded of await decodeAll('Notice', byTopic.get(topics.notices.name) ?? [], options, task.lost)) {
    if ('problem' in decoded) append.push(...unreadable(decoded.record, decoded.problem, turn.now))
    else arrived.push({ notice: decoded.value, bytes: decoded.record.value, now: turn.now })
  }
  claims.open.notices += gather(arrived, state)
  for (const decoded of await decodeAll('Command', byTopic.get(topics.commands.name) ?? [], options, task.lost)) {
    if ('problem' in decoded) append.push(...unreadable(decoded.record, decoded.problem, turn.now))
    else append.push(...takeCommand(decoded.value, decoded.record, context))
  }
  append.push(...settleStrays(context))
  append.push(...doubtful(context))
  const claimed = claimDue(context, new Map(arrived.map(({ notice }): [string, Notice] => [notice.id, notice])))
  // The earliest wake-up wins and a turn uses it up, so every turn asks for all that is still to come.
  wakeForDue(task, state, turn.now + 1, options)
  wakeForClaims(task, claims, turn.now)
  if (putOpenWork(claims, state))
    said.push({ name: 'notices open', partition: task.partition, notices: claims.open.notices })
  return {
    append,
    put: state.puts(),
    afterwards: () => {
      for (const happening of said) options.tell(happening)
      for (const claim of claimed) sending.send(claim, { task, fail })
    },
    otherwise: () => sending.giveBack(claimed),
  }
}

/** Takes what was learnt of a letter. What answers an older claim, or a letter already settled, says nothing new. */
const takeReceipt = (receipt: Receipt, context: DeliverTurn): readonly NewRecord[] => {
  const { state, turn, claims, options } = context
  const letter = claims.letters.get(receipt.letter) ?? state.get('Letter', letterKey(receipt.letter))
  if (letter === undefined) return receipt.kind === 'accepted' ? takenAllTheSame(receipt, context) : []
  const { code, reply } = receipt
  // Also of an earlier claim, and of a letter that waits for its next: the server took it, so it must not be sent again.
  if (receipt.kind === 'accepted') return settle(letter, { code, reply, death: null }, context)
  if (letter.stage !== 'claimed' || receipt.attempt !== letter.attempt) return []
  const reopen = (changed: Pick<Letter, 'due_at'> & Partial<Letter>): void => {
    forgetClaim(claims, letter.id)
    putOpen(state, { ...letter, stage: 'open', sender: '', until: 0, marker: '', ...changed })
  }
  const undeliverable = (kind: DeathClass, reason: string = deathReasons[kind]): readonly NewRecord[] =>
    settle(letter, { code, reply, death: { class: kind, reason } }, context)
  switch (receipt.kind) {
    case 'refused':
      // Messages in the GUI have no reply codes.
      if (letter.channel === inAppChannel) return undeliverable('refused', 'Velociraptor did not take it')
      return undeliverable(receipt.code === 0 ? 'unwritable' : 'refused')
    case 'waiting': {
      const renewed = { ...letter, until: Math.max(letter.until, receipt.at + claimMs), marker: '' }
      state.put('Letter', letterKey(letter.id), renewed)
      claims.letters.set(letter.id, renewed)
      return []
    }
    case 'marker':
      // Written after the claim's term was over and come back as input: every receipt before it has been read.
      if (receipt.sender === letter.marker) reopen({ due_at: turn.now })
      return []
    case 'deferred': {
      const count = letter.deferrals + 1
      const longestMs = options.channels.get(letter.channel)?.giveUpAfterMs ?? usualGiveUpAfterMs
      // The time counts from the first deferral: what was gathered, limited or held up before it was nobody's refusal.
      const opened_at = count === 1 ? turn.now : letter.opened_at
      const lastAt = opened_at + longestMs
      if (turn.now >= lastAt) return undeliverable('expired', `${deathReasons.expired} ${durationText(longestMs)}`)
      // The last try is at the end of the time, not before it.
      const due_at = Math.min(turn.now + backoffMs(deferrals, count, options.random), lastAt)
      reopen({ due_at, opened_at, deferrals: count })
      return []
    }
    case 'released':
      giveBackToLimits(letter, context)
      reopen({ due_at: turn.now })
      return []
    default:
      reopen({ due_at: turn.now })
      return []
  }
}

const unreadable = (record: LogRecord, reason: string, at: EpochMs): readonly NewRecord[] => {
  const { topic, partition, offset, key, value } = record
  return rejection({ stage: 'deliver', topic, partition, offset, reason, at, key, bytes: value }, {}, partition)
}
