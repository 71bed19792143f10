import { createHash, randomUUID } from 'node:crypto'
import { from, type Observable, Subject } from 'rxjs'
import type { LogRecord, NewRecord, Task, Turn } from '../connectors/log/event-log.ts'
import { batch, type BatchRule, type Placed } from '../operators/batch.ts'
import { severityRank } from '../operators/severity.ts'
import type { StateStore } from '../operators/with-state.ts'
import { decode, encode } from '../schemas/codec.ts'
import type { Delivery, Gathering, Letter, Notice, Outcome, Receipt } from '../schemas/generated.ts'
import type { Happening } from '../schemas/happenings.ts'
import { topics } from '../schemas/topics.ts'
import type { EpochMs } from '../schemas/time.ts'
import { type Claim, claimMs, type DeliverOptions, receiptRecord } from './mailing/claim.ts'
import { openSending, type Sending } from './mailing/sending.ts'
import { type Backoff, backoffMs } from './runtime/backoff.ts'
import { decodeAll } from './runtime/decoding.ts'
import { prefixRange } from './runtime/marks.ts'
import { rejection } from './runtime/rejection.ts'
import { runTopology, type TaskWork, type TurnResult } from './runtime/run-topology.ts'
import { afterPrefix, openTurnState, type TurnState } from './runtime/turn-state.ts'

const day = 86_400_000
/** A letter that the server defers is tried again for so long. */
const longestDeferralMs = 5 * day
const deferrals: Backoff = { firstMs: 60_000, longestMs: 4 * 3_600_000 }

const letterPrefix = 'letter/'
/** The notices of a letter, in the order in which they joined it. */
const noticePrefix = (letter: string): string => `notice/${letter}/`
const noticeKey = (letter: string, n: number): string => noticePrefix(letter) + String(n).padStart(6, '0')
/** What is gathered together. */
const groupOf = ({ channel, monitor, recipient }: Notice): string =>
  `${channel}/${monitor}/${recipient.address.toLowerCase()}`
/** The latest batch of a group. */
const gatheringKey = (group: string): string => `gathering/${group}`
/** The letter of a group that went out last, and when; only where letters keep a distance. */
const goneKey = (group: string): string => `gone/${group}`
const letterKey = (letter: string): string => `${letterPrefix}${letter}`
const timeDigits = 15
/** Open letters by channel and the time from which they may be claimed. */
const anyDuePrefix = 'due/'
const duePrefix = (channel: string): string => `${anyDuePrefix}${encodeURIComponent(channel)}/`
const dueFrom = (channel: string, at: EpochMs): string => duePrefix(channel) + String(at).padStart(timeDigits, '0')
const dueKey = ({ channel, due_at, id }: Letter): string => `${dueFrom(channel, due_at)}/${id}`

/** Sends what notices ask for: gathers, claims, sends, and settles when the receipt comes back as input. */
export const deliver = (
  options: DeliverOptions,
): { readonly running: Observable<never>; readonly idle: () => Promise<void> } => {
  const sending = openSending(options)
  return {
    running: runTopology(
      options.log,
      { name: 'deliver', inputs: [topics.notices.name, topics.receipts.name] },
      (task) => deliverTask(task, options, sending),
    ),
    idle: () => sending.idle(),
  }
}

const deliverTask = (task: Task, options: DeliverOptions, sending: Sending): TaskWork => {
  const claims = claimedLetters(task)
  wakeForClaims(task, claims)
  const state = openTurnState(task.state)
  wakeForDue(task, state, 0, options)
  if (strayKey(state, options) !== undefined) task.wake(options.clock.now())
  const failed = new Subject<never>()
  return {
    beside: failed,
    turn: (turn) => deliverTurn({ task, turn, options, sending, claims, fail: (cause) => failed.error(cause) }),
  }
}

/** Letters claimed and not settled: few, so they are kept at hand. */
const claimedLetters = (task: Task): Map<string, Letter> => {
  const claims = new Map<string, Letter>()
  for (const [, bytes] of task.state.range(...prefixRange(letterPrefix))) {
    const letter = decode('Letter', bytes)
    if (letter.stage === 'claimed') claims.set(letter.id, letter)
  }
  return claims
}

interface DeliverTurn {
  readonly task: Task
  readonly turn: Turn
  readonly options: DeliverOptions
  readonly sending: Sending
  readonly claims: Map<string, Letter>
  readonly fail: (cause: unknown) => void
}

interface OpenTurn extends DeliverTurn {
  /** Said once the commit stands. */
  readonly said: Happening[]
}

const deliverTurn = async (given: DeliverTurn): Promise<TurnResult> => {
  const context: OpenTurn = { ...given, said: [] }
  const { task, turn, options, sending, claims, said } = context
  const state = openTurnState(task.state)
  const append: NewRecord[] = []
  const byTopic = Map.groupBy(turn.records, ({ topic }) => topic)
  for (const decoded of await decodeAll('Receipt', byTopic.get(topics.receipts.name) ?? [], options, task.lost)) {
    if ('problem' in decoded) append.push(...unreadable(decoded.record, decoded.problem, turn.now))
    else append.push(...takeReceipt(decoded.value, state, context))
  }
  const arrived: Arrived[] = []
  for (const decoded of await decodeAll('Notice', byTopic.get(topics.notices.name) ?? [], options, task.lost)) {
    if ('problem' in decoded) append.push(...unreadable(decoded.record, decoded.problem, turn.now))
    else arrived.push({ notice: decoded.value, bytes: decoded.record.value, now: turn.now })
  }
  gather(arrived, state)
  append.push(...settleStrays(state, context))
  append.push(...doubtful(state, context))
  const claimed = claimDue(state, context)
  // The earliest wake-up wins and a turn uses it up, so every turn asks for all that is still to come.
  wakeForDue(task, state, turn.now + 1, options)
  wakeForClaims(task, claims)
  return {
    append,
    put: state.puts(),
    afterwards: () => {
      for (const happening of said) options.tell(happening)
      for (const claim of claimed) sending.send(claim, { task, fail: context.fail })
    },
    otherwise: () => sending.giveBack(claimed),
  }
}

interface Arrived {
  readonly notice: Notice
  readonly bytes: Uint8Array
  readonly now: EpochMs
}

const ruleOf = ({ notice: { batch: terms } }: Arrived): BatchRule => ({
  quietMs: terms.quiet_ms,
  longestMs: terms.longest_ms,
  most: terms.most,
  firstAtOnce: terms.first_at_once,
  spacingMs: terms.spacing_ms,
})

/** Gives each notice its letter: one of its own, or one that gathers. */
const gather = (arrived: readonly Arrived[], state: TurnState): void => {
  const store: StateStore<Gathering> = {
    get: (group) => state.get('Gathering', gatheringKey(group)),
    put: (group, gathering) => {
      if (gathering !== undefined) state.put('Gathering', gatheringKey(group), gathering)
    },
  }
  const hasGone = (id: string): boolean => (state.get('Letter', letterKey(id))?.attempt ?? 1) > 0
  const isAlone = (one: Arrived): boolean => one.notice.batch.most === 1 && one.notice.batch.spacing_ms === 0
  for (const one of arrived)
    if (isAlone(one)) join({ item: one, batch: one.notice.id, dueAt: one.now, count: 1 }, state)
  from(arrived.filter((one) => !isAlone(one)))
    .pipe(batch(store, { idOf: ({ notice }) => notice.id, keyOf: ({ notice }) => groupOf(notice), ruleOf, hasGone }))
    .subscribe((placed) => join(placed, state))
}

/** Puts a notice into its letter. A letter bears the id of its first notice. */
const join = (
  { item: { notice, bytes, now }, batch: id, dueAt: due_at, count }: Placed<Arrived>,
  state: TurnState,
): void => {
  const gathering = count === 1 ? undefined : state.get('Letter', letterKey(id))
  // A letter may have been claimed or settled before its time: clocks are set back, channels are taken out of the configuration.
  if (gathering === undefined || gathering.attempt > 0) return openLetter(notice, bytes, { now, due_at }, state)
  state.delete(dueKey(gathering))
  state.putBytes(noticeKey(id, gathering.notices + 1), bytes)
  const severity = Math.max(gathering.severity, severityRank(notice.severity))
  putOpen(state, { ...gathering, due_at, notices: gathering.notices + 1, severity })
}

const openLetter = (
  notice: Notice,
  bytes: Uint8Array,
  { now, due_at }: { now: EpochMs; due_at: EpochMs },
  state: TurnState,
): void => {
  const { id } = notice
  if (state.get('Letter', letterKey(id)) !== undefined) return
  state.putBytes(noticeKey(id, 1), bytes)
  putOpen(state, {
    id,
    stage: 'open',
    message_id: '',
    channel: notice.channel,
    opened_at: now,
    due_at,
    attempt: 0,
    deferrals: 0,
    until: 0,
    sender: '',
    marker: '',
    notices: 1,
    severity: severityRank(notice.severity),
  })
}

/** The notices of a letter one after the other: many are large, and none is needed when the next one is looked at. */
function* noticesOf(
  { id, notices }: Letter,
  state: TurnState,
): Generator<{ readonly bytes: Uint8Array; readonly notice: Notice }> {
  for (let n = 1; n <= notices; n++) {
    const bytes = state.getBytes(noticeKey(id, n)) as Uint8Array
    yield { bytes, notice: decode('Notice', bytes) }
  }
}

const putOpen = (state: TurnState, letter: Letter): void => {
  state.put('Letter', letterKey(letter.id), letter)
  state.putBytes(dueKey(letter), new Uint8Array())
}

/** Takes what was learnt of a letter. What answers an older claim, or a letter already settled, says nothing new. */
const takeReceipt = (receipt: Receipt, state: TurnState, context: OpenTurn): readonly NewRecord[] => {
  const { turn, claims, options } = context
  const letter = state.get('Letter', letterKey(receipt.letter))
  if (letter === undefined) return []
  const { code, reply } = receipt
  // Also of an earlier claim, and of a letter that waits for its next: the server took it, so it must not be sent again.
  if (receipt.kind === 'accepted') return settle(letter, { isTold: true, code, reply, reason: '' }, state, context)
  if (letter.stage !== 'claimed' || receipt.attempt !== letter.attempt) return []
  const reopen = (due_at: EpochMs, deferralCount = letter.deferrals): void => {
    claims.delete(letter.id)
    putOpen(state, { ...letter, stage: 'open', due_at, deferrals: deferralCount, sender: '', until: 0, marker: '' })
  }
  const undeliverable = (reason: string): readonly NewRecord[] =>
    settle(letter, { isTold: false, code, reply, reason }, state, context)
  switch (receipt.kind) {
    case 'refused':
      return undeliverable('the mail server refused it')
    case 'waiting': {
      const renewed = { ...letter, until: Math.max(letter.until, receipt.at + claimMs), marker: '' }
      state.put('Letter', letterKey(letter.id), renewed)
      claims.set(letter.id, renewed)
      return []
    }
    case 'marker':
      // Written after the claim's term was over and come back as input: every receipt before it has been read.
      if (receipt.sender === letter.marker) reopen(turn.now)
      return []
    case 'deferred': {
      const count = letter.deferrals + 1
      if (turn.now - letter.opened_at >= longestDeferralMs)
        return undeliverable('the mail server deferred it for five days')
      reopen(turn.now + backoffMs(deferrals, count, options.random), count)
      return []
    }
    default:
      reopen(turn.now)
      return []
  }
}

interface LetterEnd {
  readonly isTold: boolean
  readonly code: number
  readonly reply: string
  /** Empty when told. */
  readonly reason: string
}

/** Writes down how a letter ended and forgets it. */
const settle = (
  letter: Letter,
  end: LetterEnd,
  state: TurnState,
  { task, turn, claims, said }: OpenTurn,
): readonly NewRecord[] => {
  const append: NewRecord[] = []
  let event: string | undefined
  for (const { notice, bytes } of noticesOf(letter, state)) {
    event ??= notice.flow?.id
    append.push(...settled(letter, end, { notice, bytes, partition: task.partition, now: turn.now }))
  }
  for (let n = 1; n <= letter.notices; n++) state.delete(noticeKey(letter.id, n))
  state.delete(letterKey(letter.id))
  if (letter.stage === 'open') state.delete(dueKey(letter))
  claims.delete(letter.id)
  said.push({
    name: end.isTold ? 'letter delivered' : 'letter undeliverable',
    letter: letter.id,
    notices: letter.notices,
    event,
    partition: task.partition,
    attempts: letter.attempt,
    code: end.code,
  })
  return append
}

/** What is written down of one notice of a letter that ended. */
const settled = (
  letter: Letter,
  { isTold, code, reply, reason }: LetterEnd,
  { notice, bytes, partition, now }: Arrived & { readonly partition: number },
): readonly NewRecord[] => {
  const delivery: Delivery = {
    notice: notice.id,
    monitor: notice.monitor,
    artifact: notice.artifact,
    recipient: notice.recipient.address,
    outcome: isTold ? 'told' : 'undeliverable',
    message_id: letter.message_id,
    attempts: letter.attempt,
    code,
    reply,
    reason,
    command: '',
  }
  const outcome = {
    topic: topics.outcomes.name,
    key: '',
    partition,
    value: encode('Outcome', outcomeOf(notice, delivery, now)),
  }
  if (isTold) return [outcome]
  const reject = {
    stage: 'deliver',
    topic: topics.notices.name,
    partition,
    offset: -1,
    reason: `${reason}: ${code} ${reply}`,
    at: now,
    key: notice.id,
    bytes,
    letter: letter.id,
    class: '',
  }
  return [outcome, { topic: topics.rejects.name, key: '', partition, value: encode('Reject', reject) }]
}

const outcomeOf = (notice: Notice, delivery: Delivery, at: EpochMs): Outcome => ({
  event: notice.flow?.id ?? '',
  org: notice.flow?.org ?? '',
  client: notice.flow?.client.id ?? '',
  flow: notice.flow?.flow.id ?? '',
  hunt: notice.flow?.hunt?.id ?? '',
  name: '',
  event_at: notice.event_at,
  received_at: notice.flow?.received_at ?? 0,
  at,
  configuration: notice.configuration,
  verdicts: [],
  deliveries: [delivery],
})

/** The first open letter of a channel that the configuration no longer has, by its key. */
const strayKey = (state: TurnState, { channels }: DeliverOptions): string | undefined => {
  for (let from = anyDuePrefix; ;) {
    const [key] = state.keys(from, afterPrefix(anyDuePrefix))
    if (key === undefined) return undefined
    const channel = decodeURIComponent(key.slice(anyDuePrefix.length, key.indexOf('/', anyDuePrefix.length)))
    if (!channels.has(channel)) return key
    from = afterPrefix(duePrefix(channel))
  }
}

const mostStrays = 200

/** Letters that nobody can send because their channel is gone: they are undeliverable. */
const settleStrays = (state: TurnState, context: OpenTurn): readonly NewRecord[] => {
  const append: NewRecord[] = []
  for (let left = mostStrays; left > 0; left--) {
    const key = strayKey(state, context.options)
    if (key === undefined) return append
    const letter = state.get('Letter', letterKey(key.slice(key.lastIndexOf('/') + 1))) as Letter
    const reason = `the configuration has no mail channel ${letter.channel}`
    append.push(...settle(letter, { isTold: false, code: 0, reply: '', reason }, state, context))
  }
  context.task.wake(context.turn.now)
  return append
}

/** Claims whose term is over without a word: a marker is written for each, and only its return lets the letter be sent again. */
const doubtful = (state: TurnState, { task, turn, claims, sending }: DeliverTurn): readonly NewRecord[] => {
  const markers: NewRecord[] = []
  for (const [id, letter] of claims) {
    if (letter.until > turn.now || letter.marker !== '') continue
    if (sending.isUnderWay(id)) {
      const renewed = { ...letter, until: turn.now + claimMs }
      state.put('Letter', letterKey(id), renewed)
      claims.set(id, renewed)
      continue
    }
    const marked = { ...letter, marker: randomUUID() }
    state.put('Letter', letterKey(id), marked)
    claims.set(id, marked)
    markers.push(
      receiptRecord(task.partition, {
        letter: id,
        attempt: letter.attempt,
        kind: 'marker',
        at: turn.now,
        sender: marked.marker,
        code: 0,
        reply: '',
      }),
    )
  }
  return markers
}

/** Claims what is due, as much as its channel can send now. */
const claimDue = (state: TurnState, { task, turn, claims, options, sending }: DeliverTurn): readonly Claim[] => {
  const claimed: Claim[] = []
  for (const channel of options.channels.keys())
    for (const key of state.keys(duePrefix(channel), dueFrom(channel, turn.now + 1))) {
      const id = key.slice(duePrefix(channel).length + timeDigits + 1)
      const letter = state.get('Letter', letterKey(id)) as Letter
      const claim: Letter = {
        ...letter,
        stage: 'claimed',
        attempt: letter.attempt + 1,
        until: turn.now + claimMs,
        sender: options.process,
        marker: '',
        message_id: letter.message_id === '' ? messageIdOf(letter, options) : letter.message_id,
      }
      const first = decode('Notice', state.getBytes(noticeKey(id, 1)) as Uint8Array)
      const free_at = freeAt(letter, first, state, turn.now)
      if (free_at > turn.now) {
        postpone(letter, first, free_at, state)
        continue
      }
      // Last, for a place that is taken must come to a claim.
      if (!sending.reserve(channel, task)) break
      state.delete(key)
      state.put('Letter', letterKey(id), claim)
      if (first.batch.spacing_ms > 0) state.put('Mark', goneKey(groupOf(first)), { event: id, at: turn.now })
      claims.set(id, claim)
      claimed.push({ letter: claim, notices: () => (letter.notices === 1 ? [first] : committedNotices(letter, task)) })
    }
  return claimed
}

const committedNotices = (letter: Letter, { state }: Task): readonly Notice[] =>
  Array.from(noticesOf(letter, openTurnState(state)), ({ notice }) => notice)

/** When a letter may go: those of one group keep their distance also when something held them up. */
const freeAt = ({ id }: Letter, first: Notice, state: TurnState, now: EpochMs): EpochMs => {
  const { spacing_ms } = first.batch
  const last = spacing_ms === 0 ? undefined : state.get('Mark', goneKey(groupOf(first)))
  // After a clock was set back the time of the last one says nothing.
  return last === undefined || last.event === id || now < last.at ? now : last.at + spacing_ms
}

/** Holds a letter back until then; while it waits it goes on gathering. */
const postpone = (letter: Letter, first: Notice, due_at: EpochMs, state: TurnState): void => {
  state.delete(dueKey(letter))
  putOpen(state, { ...letter, due_at })
  const gathering = state.get('Gathering', gatheringKey(groupOf(first)))
  if (gathering?.batch === letter.id) state.put('Gathering', gatheringKey(groupOf(first)), { ...gathering, due_at })
}

/** Stable for a notice: a letter sent twice is recognised by its Message-ID. */
const messageIdOf = ({ id, channel }: Letter, { channels }: DeliverOptions): string => {
  const from = channels.get(channel)?.from.address ?? ''
  const local = createHash('sha256').update(`letter ${id}`).digest('hex').slice(0, 32)
  return `<${local}@${from.slice(from.lastIndexOf('@') + 1) || 'raptor-relay.invalid'}>`
}

const wakeForClaims = (task: Task, claims: ReadonlyMap<string, Letter>): void => {
  for (const { until, marker } of claims.values()) if (marker === '') task.wake(until)
}

/** What is due already waits for a place on its channel, which wakes the task; what is due later needs a wake-up. */
const wakeForDue = (task: Task, state: TurnState, from: EpochMs, { channels }: DeliverOptions): void => {
  for (const channel of channels.keys())
    for (const key of state.keys(dueFrom(channel, from), afterPrefix(duePrefix(channel)))) {
      task.wake(Number(key.slice(duePrefix(channel).length, duePrefix(channel).length + timeDigits)))
      break
    }
}

const unreadable = (record: LogRecord, reason: string, at: EpochMs): readonly NewRecord[] => {
  const { topic, partition, offset, key, value } = record
  return rejection({ stage: 'deliver', topic, partition, offset, reason, at, key, bytes: value }, {}, partition)
}
