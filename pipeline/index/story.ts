import type {
  Delivery,
  EventPosition,
  Notice,
  Origin,
  Outcome,
  Receipt,
  ReceiptKind,
  Reject,
  Verdict,
} from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { topics } from '../../schemas/topics.ts'
import type { EventKind, EventName } from '../kinds/kind.ts'
import { recipientText } from '../../connectors/message/user-group.ts'
import { kindOfTopic } from '../kinds/kinds.ts'
import { replyText } from '../mailing/death.ts'
import { type CommittedLetter, committedLetters } from './committed-letters.ts'
import { findOutcomes } from './find-events.ts'
import type { IndexReading } from './index-reading.ts'
import { besides, type Read, readAt, recordsIn } from './log-records.ts'

export type StepKind =
  'received' | 'read' | 'completed' | 'verdict' | 'rejected' | 'letter' | 'reply' | 'delivery' | 'waiting'

/** One thing that befell an event. Texts are as they were found: whoever prints them makes them harmless. */
export interface Step {
  readonly at: EpochMs
  readonly kind: StepKind
  /** Empty: it concerns none. */
  readonly monitor: string
  /** Bare address; empty: it concerns none. */
  readonly recipient: string
  readonly text: string
  readonly details: readonly string[]
}

export interface Story {
  readonly event: string
  readonly org: string
  readonly client: string
  readonly host: string
  readonly flow: string
  readonly hunt: string
  /** An alert's name; empty for a flow. */
  readonly name: string
  /** In order of time. */
  readonly steps: readonly Step[]
}

/** Everything that the log tells of one event, in order of time; null: nothing. */
export const storyOf = async (reading: IndexReading, event: string): Promise<Story | null> => {
  const outcomes = (await findOutcomes(reading, event)).filter(({ value }) => value.event === event)
  const judged = outcomes.filter(({ value }) => value.verdicts.length > 0)
  const [first] = judged.length > 0 ? judged : outcomes
  if (first === undefined) return null
  const { org, client, flow, hunt, name, event_at, received_at } = first.value
  const completed = await kindOfTopic(event_at.topic)?.with((kind) => readFacts(reading, kind, event_at))
  const steps: Step[] = received_at > 0 ? [step(received_at, 'received', 'received by the server')] : []
  steps.push(...(completed?.steps ?? []))
  for (const outcome of judged) steps.push(...(await judgedSteps(reading, outcome)))
  for (const letter of await lettersOf(reading, outcomes, judged)) steps.push(...(await letterSteps(reading, letter)))
  return {
    event,
    org,
    client,
    flow,
    hunt,
    name,
    host: completed?.host ?? '',
    steps: steps
      .map((each, order) => ({ each, order }))
      .toSorted((a, b) => a.each.at - b.each.at || a.order - b.order)
      .map(({ each }) => each),
  }
}

const step = (at: EpochMs, kind: StepKind, text: string, more: Partial<Step> = {}): Step => ({
  at,
  kind,
  monitor: '',
  recipient: '',
  text,
  details: [],
  ...more,
})

const origins: Record<Origin, string> = {
  live: 'watched live',
  history: "read back from the server's history",
  sweep: 'found by comparing states',
  repair: "read back from the server's history, as it was missing in the event stream",
}

interface Facts {
  readonly host: string
  readonly steps: readonly Step[]
}

/** What an event's own record tells; undefined: it is no longer kept. */
const readFacts = async <N extends EventName>(
  { log }: IndexReading,
  kind: EventKind<N>,
  at: EventPosition,
): Promise<Facts | undefined> => {
  const read = await readAt<N>(log, kind.name, at)
  if (read === undefined) return undefined
  const { topic, partition, offset, timestamp } = read.record
  const { read_at, origin, client } = read.value
  const facts = [...kind.facts(read.value), ['kept as', `${topic}/${partition}/${offset}`] as const]
  return {
    host: client.fqdn || client.hostname,
    steps: [
      step(read_at, 'read', `read by the relay, ${origins[origin]}`),
      step(timestamp, 'completed', 'completed with facts of the server', {
        details: facts.filter(([, fact]) => fact !== '').map(([name, fact]) => `${name}: ${fact}`),
      }),
    ],
  }
}

const judgedSteps = async (reading: IndexReading, { record, value }: Read<Outcome>): Promise<readonly Step[]> => {
  if (value.verdicts.length === 1 && value.verdicts[0]?.monitor === '')
    return [await rejectedStep(reading, record.partition, value, record.timestamp)]
  return value.verdicts.map((verdict) =>
    step(value.at, 'verdict', (value.replay === '' ? '' : `by replay ${value.replay}: `) + verdictText(verdict), {
      monitor: verdict.monitor,
      details: [
        ...verdictDetails(verdict),
        `configuration ${value.configuration}, kept as ${record.topic}/${record.partition}/${record.offset}`,
      ],
    }),
  )
}

const people = (count: number): string => (count === 1 ? '1 person' : `${count} people`)

const verdictText = ({ outcome, notices, of, objections, overruled_by }: Verdict): string => {
  switch (outcome) {
    case 'told':
      return `to be told to ${people(notices.length)}${objections.length > 0 && overruled_by.length > 0 ? ', although filters object' : ''}`
    case 'duplicate':
      return `not told: a duplicate of ${of}`
    case 'objected':
      return `not told: ${[...new Set(objections.map(({ by }) => by))].join(', ')} object${objections.length === 1 ? 's' : ''}`
    case 'silenced':
      return 'not told: silenced'
    case 'no_recipients':
      return 'not told: there is nobody to tell'
    case 'rejected':
      return 'rejected'
  }
}

const verdictDetails = ({ objections, overruled_by, reason, warnings }: Verdict): readonly string[] => [
  ...objections.map((objection) => `${objection.by}: ${objection.reason}`),
  ...(overruled_by.length === 0 ? [] : [`overruled by ${overruled_by.join(', ')}`]),
  ...(reason === '' ? [] : [reason]),
  ...warnings.map((warning) => `warning: ${warning}`),
]

const rejectedStep = async (
  { log }: IndexReading,
  partition: number,
  { at, event_at, verdicts }: Outcome,
  timestamp: EpochMs,
): Promise<Step> => {
  const isIt = (reject: Reject): boolean =>
    reject.topic === event_at.topic &&
    reject.partition === event_at.partition &&
    reject.offset === event_at.offset &&
    reject.at === at
  const details = [...new Set(verdicts.map(({ reason }) => reason))]
  for await (const { record, value } of recordsIn(
    log,
    'Reject',
    besides(topics.rejects.name, partition, timestamp),
    () => true,
  ))
    if (isIt(value)) {
      details.push(
        `set aside by ${value.stage}; its bytes are kept as ${record.topic}/${record.partition}/${record.offset}`,
      )
      break
    }
  return step(at, 'rejected', 'rejected: no monitor could be asked', { details })
}

/** The letter of one of the event's notices, as far as it is known. */
interface NoticeLetter {
  readonly id: string
  readonly monitor: string
  /** null: its record is no longer kept. */
  readonly notice: Read<Notice> | null
  /** What became of it so far, in order; one that was redriven has several. */
  readonly ends: readonly { readonly outcome: Read<Outcome>; readonly delivery: Delivery }[]
  /** The last of them; null: it is on its way, for the first time or again. */
  readonly delivered: { readonly outcome: Read<Outcome>; readonly delivery: Delivery } | null
  readonly waiting: CommittedLetter | null
  readonly decided: EpochMs
}

const lettersOf = async (
  reading: IndexReading,
  outcomes: readonly Read<Outcome>[],
  judged: readonly Read<Outcome>[],
): Promise<readonly NoticeLetter[]> => {
  const deliveries = outcomes.flatMap((outcome) => outcome.value.deliveries.map((delivery) => ({ outcome, delivery })))
  const letters: NoticeLetter[] = []
  for (const { record, value } of judged) {
    const wanted = new Map(
      value.verdicts.flatMap(({ monitor, notices }) => notices.map((notice) => [notice, monitor] as const)),
    )
    const kept = await noticesAt(reading, new Set(wanted.keys()), record.timestamp)
    for (const [id, monitor] of wanted) {
      const ends = deliveries
        .filter(({ delivery }) => delivery.notice === id && delivery.outcome !== 'declined')
        .toSorted((a, b) => a.outcome.record.offset - b.outcome.record.offset)
      const last = ends.at(-1)
      const delivered = last === undefined || last.delivery.outcome === 'redriven' ? null : last
      const waiting = delivered === null ? letterHolding(reading, id) : null
      letters.push({ id, monitor, notice: kept.get(id) ?? null, ends, delivered, waiting, decided: value.at })
    }
  }
  return letters
}

/** Notices were committed with their verdicts, in the partitions of their recipients. */
const noticesAt = async (
  { log }: IndexReading,
  ids: ReadonlySet<string>,
  timestamp: EpochMs,
): Promise<ReadonlyMap<string, Read<Notice>>> => {
  const found = new Map<string, Read<Notice>>()
  for (let partition = 0; partition < log.partitions && found.size < ids.size; partition++) {
    const holdsOne = ({ value }: { readonly value: Uint8Array }): boolean => {
      const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      return [...ids].some((id) => bytes.includes(id))
    }
    for await (const read of recordsIn(log, 'Notice', besides(topics.notices.name, partition, timestamp), holdsOne)) {
      if (ids.has(read.value.id)) found.set(read.value.id, read)
      if (found.size === ids.size) break
    }
  }
  return found
}

const letterHolding = ({ snapshot }: IndexReading, notice: string): CommittedLetter | null => {
  for (const committed of committedLetters(snapshot))
    if (
      committed.letter.id === notice ||
      (committed.letter.notices > 1 && committed.notices().some(({ id }) => id === notice))
    )
      return committed
  return null
}

const duration = (ms: number): string => (ms % 60_000 === 0 && ms > 0 ? `${ms / 60_000} min` : `${ms / 1000} s`)

const termsText = ({ batch: { quiet_ms, longest_ms, most, spacing_ms, first_at_once } }: Notice): string => {
  const spacing = spacing_ms === 0 ? '' : `, at least ${duration(spacing_ms)} after the one before`
  if (most === 1) return `a letter of its own${spacing}`
  const first = first_at_once ? ', the first at once' : ''
  return `gathered until ${duration(quiet_ms)} without another, ${duration(longest_ms)} in all, or ${most}${first}${spacing}`
}

const letterSteps = async (reading: IndexReading, letter: NoticeLetter): Promise<readonly Step[]> => {
  const { notice, ends, delivered, waiting, id, monitor } = letter
  const recipient = notice?.value.recipient.address ?? ends[0]?.delivery.recipient ?? ''
  const whose = { monitor, recipient }
  const together = await noticesTogether(reading, letter)
  const steps: Step[] = []
  const opened = notice?.record.timestamp ?? letter.decided
  steps.push(
    step(
      opened,
      'letter',
      `a letter to ${recipient === '' ? 'somebody whose notice is no longer kept' : recipientText(recipient)}`,
      {
        ...whose,
        details: [
          ...(notice === null ? [] : [termsText(notice.value), `through mail channel ${notice.value.channel}`]),
          together.size > 1 ? `tells ${together.size} events together` : 'tells this event alone',
          `notice ${id}${notice === null ? '' : `, kept as ${notice.record.topic}/${notice.record.partition}/${notice.record.offset}`}`,
        ],
      },
    ),
  )
  const partition = notice?.record.partition ?? ends[0]?.outcome.record.partition ?? waiting?.partition
  if (partition !== undefined)
    for (const read of await receiptsOf(reading, partition, together, opened, delivered?.outcome.record.timestamp))
      steps.push(replyStep(read, whose))
  for (const { delivery, outcome } of ends) steps.push(deliveryStep(delivery, outcome.value.at, whose))
  if (delivered === null) steps.push(waitingStep(reading, letter, whose))
  return steps
}

/** Ids of all notices in the same letter; a letter bears the id of one of them. */
const noticesTogether = async (
  reading: IndexReading,
  { id, delivered, waiting }: NoticeLetter,
): Promise<ReadonlySet<string>> => {
  if (waiting !== null) return new Set([id, waiting.letter.id, ...waiting.notices().map((notice) => notice.id)])
  const messageId = delivered?.delivery.message_id ?? ''
  if (messageId === '') return new Set([id])
  const alike = (await findOutcomes(reading, messageId)).flatMap(({ value }) => value.deliveries)
  return new Set([id, ...alike.filter(({ message_id }) => message_id === messageId).map(({ notice }) => notice)])
}

const receiptsOf = async (
  { log }: IndexReading,
  partition: number,
  letters: ReadonlySet<string>,
  from: EpochMs,
  to: EpochMs | undefined,
): Promise<readonly Receipt[]> => {
  const span = {
    topic: topics.receipts.name,
    partition,
    from: { timestamp: from },
    ...(to === undefined ? {} : { to: { timestamp: to + 1 } }),
  }
  const receipts: Receipt[] = []
  for await (const { value } of recordsIn(log, 'Receipt', span, ({ key }) => letters.has(key))) receipts.push(value)
  return receipts
}

const replies: Record<ReceiptKind, string> = {
  accepted: 'the mail server took the letter',
  refused: 'the letter was refused for good',
  deferred: 'the mail server wants it later',
  unavailable: 'the mail server was away, or its reply never came',
  waiting: 'the reply is still awaited',
  released: 'given back unsent',
  marker: 'the claim has run out without a word: asked once more before it is sent again',
}

const replyStep = ({ at, kind, attempt, code, reply }: Receipt, whose: Partial<Step>): Step => {
  const said = replyText(code, reply)
  return step(at, 'reply', `${replies[kind]}${said === '' ? '' : `: ${said}`}`, {
    ...whose,
    details: [`attempt ${attempt}`],
  })
}

const endText = (outcome: Delivery['outcome'], recipient: string, reason: string): string => {
  if (outcome === 'told') return `delivered to ${recipient}`
  if (outcome === 'undeliverable') return `undeliverable to ${recipient}: ${reason}`
  return `${outcome}, the letter to ${recipient}: ${reason}`
}

const deliveryStep = (
  { outcome, message_id, attempts, code, reply, reason }: Delivery,
  at: EpochMs,
  whose: Partial<Step>,
): Step =>
  step(at, 'delivery', endText(outcome, recipientText(whose.recipient ?? ''), reason), {
    ...whose,
    details: [
      `${attempts} attempt(s)${code === 0 && reply === '' ? '' : `, the reply: ${replyText(code, reply)}`}`,
      ...(message_id === '' ? [] : [`Message-ID ${message_id}`]),
    ],
  })

const waitingStep = ({ clock }: IndexReading, { waiting }: NoticeLetter, whose: Partial<Step>): Step => {
  if (waiting === null)
    return step(
      clock.now(),
      'waiting',
      'not delivered yet: no letter holds it (deliver has not read it; otherwise relay audit names it)',
      whose,
    )
  const { stage, due_at, until, attempt, deferrals, notices, message_id } = waiting.letter
  const details = [
    `${notices} notice(s) so far, ${attempt} attempt(s), ${deferrals} time(s) deferred`,
    ...(message_id === '' ? [] : [`Message-ID ${message_id}`]),
  ]
  const text =
    stage === 'open'
      ? `the letter waits until ${new Date(due_at).toISOString()}`
      : `being sent, claimed until ${new Date(until).toISOString()}`
  return step(clock.now(), 'waiting', text, { ...whose, details })
}
