import type { Delivery, Outcome, Verdict } from '../../../schemas/generated.ts'
import type { Account, Kept } from './account.ts'
import { checkDoubles } from './check-doubles.ts'
import type { EmittedEvent } from './emission.ts'
import { type Expected, openJudge } from './rules.ts'

/** What a check found wrong, in words; none: all is well. */
export type Findings = readonly string[]

const nameOf = (event: EmittedEvent): string => (event.kind === 'flow' ? event.flow : event.name)
const placeOf = ({ event_at: { topic, partition, offset } }: Outcome): string => `${topic}/${partition}/${offset}`
const isRejection = ({ verdicts }: Outcome): boolean => verdicts.some(({ outcome }) => outcome === 'rejected')

/** Everything that is not as the laws of the pipeline have it. */
export const checkAccount = (account: Account): Findings => {
  const byId = new Map(account.emitted.map((event) => [event.id, event]))
  const judged = account.log.outcomes.filter(({ value }) => value.verdicts.length > 0)
  const expected = expectedOf(account, judged, byId)
  return [
    ...checkCoverage(account, judged, byId),
    ...checkVerdicts(judged, expected),
    ...checkOrder(judged),
    ...checkDeliveries(account, byId),
    ...checkLetters(account, byId, expected),
    ...checkDoubles(account),
    ...account.leftOver.map((key) => `deliver still remembers ${key}`),
  ]
}

/** By event and monitor, what the rules say. */
type ExpectedOf = ReadonlyMap<string, ReadonlyMap<string, Expected>>

const expectedOf = (
  { configurations }: Account,
  judged: readonly Kept<Outcome>[],
  byId: ReadonlyMap<string, EmittedEvent>,
): ExpectedOf => {
  const expected = new Map<string, ReadonlyMap<string, Expected>>()
  const lanes = Map.groupBy(
    judged.filter(({ value }) => !isRejection(value)),
    ({ value: { event_at } }) => `${event_at.topic}/${event_at.partition}`,
  )
  for (const lane of lanes.values()) {
    const judge = openJudge(configurations)
    for (const { value } of lane.toSorted((a, b) => a.value.event_at.offset - b.value.event_at.offset)) {
      const event = byId.get(value.event)
      if (event !== undefined && !expected.has(event.id)) expected.set(event.id, judge(event, value.configuration))
    }
  }
  return expected
}

/** Each event has one outcome, and nothing else has one. */
const checkCoverage = (
  { emitted, unreadable }: Account,
  judged: readonly Kept<Outcome>[],
  byId: ReadonlyMap<string, EmittedEvent>,
): Findings => {
  const wrong: string[] = []
  const outcomesOf = Map.groupBy(judged, ({ value }) => value.event)
  for (const event of emitted) {
    const count = outcomesOf.get(event.id)?.length ?? 0
    if (count !== 1) wrong.push(`${nameOf(event)} (${event.id}) has ${count} outcomes`)
  }
  for (const { value } of judged)
    if (value.event !== '' && !byId.has(value.event)) wrong.push(`an outcome of ${value.event}, which nobody emitted`)
  const aside = (outcomesOf.get('') ?? []).map(({ value }) => placeOf(value))
  for (const place of unreadable) {
    const count = aside.filter((each) => each === place).length
    if (count !== 1) wrong.push(`the unreadable record ${place} has ${count} outcomes`)
  }
  for (const place of aside) if (!unreadable.has(place)) wrong.push(`${place} was set aside, and could be read`)
  return wrong
}

/** Each monitor says once of each event what its rules say, and why. */
const checkVerdicts = (judged: readonly Kept<Outcome>[], expected: ExpectedOf): Findings =>
  judged.flatMap(({ value }) => {
    if (value.event === '') return []
    if (isRejection(value)) return rejectionFindings(value)
    const wanted = expected.get(value.event) ?? new Map<string, Expected>()
    const said = new Map(value.verdicts.map((verdict) => [verdict.monitor, verdict]))
    const wrong: string[] = []
    if (said.size !== value.verdicts.length) wrong.push(`a monitor judged ${value.event} twice`)
    if (wanted.size === 0) wrong.push(`${value.event} was judged by rules that nobody gave: ${value.configuration}`)
    for (const [monitor, wants] of wanted)
      wrong.push(...verdictFindings(value.event, monitor, said.get(monitor), wants))
    for (const monitor of said.keys()) if (!wanted.has(monitor)) wrong.push(`${monitor} judged ${value.event} unasked`)
    return wrong
  })

const rejectionFindings = ({ event, flow, verdicts }: Outcome): Findings =>
  verdicts.length === 1 && verdicts[0]?.reason === 'flow not found'
    ? []
    : [`${event} (${flow}) was rejected: ${verdicts.map(({ reason }) => reason).join()}`]

const verdictFindings = (event: string, monitor: string, said: Verdict | undefined, wants: Expected): Findings => {
  if (said === undefined) return [`${monitor} has no verdict on ${event}`]
  const found = `${said.outcome} ${said.of}`
  const hasReason = said.outcome === 'told' || said.reason !== '' || said.objections.length > 0
  return [
    ...(found === `${wants.outcome} ${wants.of}`
      ? []
      : [`${monitor} says of ${event}: ${found}; the rules say: ${wants.outcome} ${wants.of}`]),
    ...(hasReason ? [] : [`${monitor} gives no reason for ${said.outcome} of ${event}`]),
    ...(said.notices.length === wants.recipients.length
      ? []
      : [`${monitor} made ${said.notices.length} notices of ${event}, not ${wants.recipients.length}`]),
  ]
}

/** A partition is judged in its order. */
const checkOrder = (judged: readonly Kept<Outcome>[]): Findings => {
  const wrong: string[] = []
  const last = new Map<string, number>()
  for (const { value, partition } of judged) {
    const { event_at: at } = value
    if (!at.topic.startsWith('events.')) continue
    const lane = `${at.topic}/${at.partition} in ${partition}`
    if ((last.get(lane) ?? -1) >= at.offset) wrong.push(`${placeOf(value)} was judged after a later one`)
    last.set(lane, at.offset)
  }
  return wrong
}

interface Ended {
  readonly delivery: Delivery
  readonly event: string
}

const deliveriesOf = ({ log }: Account): ReadonlyMap<string, readonly Ended[]> =>
  Map.groupBy(
    log.outcomes.flatMap(({ value: { event, deliveries } }) =>
      deliveries.filter(({ outcome }) => outcome !== 'declined').map((delivery): Ended => ({ delivery, event })),
    ),
    ({ delivery }) => delivery.notice,
  )

const letterOf = { told: 'T', undeliverable: 'U', redriven: 'R', dropped: 'D', declined: '' } as const
/** What may become of a notice: one end, and before it as many deaths as somebody undid. */
const wholeStory = /^(UR)*(T|U|UD)$/

/** Each notice has one delivery, which the mail server bears out. */
const checkDeliveries = (account: Account, byId: ReadonlyMap<string, EmittedEvent>): Findings => {
  const { log, taken, wasRefused } = account
  const wrong: string[] = []
  const deliveries = deliveriesOf(account)
  const promised = new Set(log.outcomes.flatMap(({ value }) => value.verdicts.flatMap((verdict) => verdict.notices)))
  const written = Map.groupBy(log.notices, ({ value }) => value.id)
  const buried = Map.groupBy(log.rejects, ({ value }) => value.key)
  const takenBy = Map.groupBy(taken, ({ to, messageId }) => `${to} ${messageId}`)
  for (const id of promised) if (written.get(id)?.length !== 1) wrong.push(`the notice ${id} was not written once`)
  for (const [id, [first]] of written) {
    if (first === undefined) continue
    const { recipient, monitor, flow, alert } = first.value
    const about = byId.get(flow?.id ?? alert?.id ?? '')
    const who = `${monitor}'s notice of ${about === undefined ? '?' : nameOf(about)} to ${recipient.address}`
    if (!promised.has(id)) wrong.push(`${who}: no verdict made it`)
    const ended = deliveries.get(id) ?? []
    const story = ended.map(({ delivery }) => letterOf[delivery.outcome]).join('')
    const last = ended.at(-1)?.delivery
    if (last === undefined || !wholeStory.test(story)) {
      wrong.push(`${who}: its deliveries are ${ended.map(({ delivery }) => delivery.outcome).join(', ') || 'none'}`)
      continue
    }
    const letter = `${recipient.address} ${last.message_id}`
    const copies = (takenBy.get(letter) ?? []).filter(
      ({ about: names }) => about !== undefined && names.includes(nameOf(about)),
    )
    if (last.outcome === 'told' && copies.length === 0) wrong.push(`${who}: lost, the mail server never took it`)
    if (last.outcome !== 'told') {
      if (!wasRefused(recipient.address, last.message_id))
        wrong.push(`${who}: given up, though the mail server never refused it`)
      if (copies.some(({ mishap }) => mishap === null)) wrong.push(`${who}: given up, though the mail server took it`)
    }
    const deaths = ended.filter(({ delivery }) => delivery.outcome === 'undeliverable')
    if (deaths.some(({ delivery }) => delivery.reason === '')) wrong.push(`${who}: given up without a reason`)
    if ((buried.get(id)?.length ?? 0) !== deaths.length) wrong.push(`${who}: its rejects do not fit its deaths`)
  }
  for (const id of deliveries.keys()) if (!written.has(id)) wrong.push(`a delivery of ${id}, which is no notice`)
  return wrong
}

/** The mail server got nothing that nobody was to be told, and each letter tells something. */
const checkLetters = ({ taken }: Account, byId: ReadonlyMap<string, EmittedEvent>, expected: ExpectedOf): Findings => {
  const wanted = new Set<string>()
  for (const [id, verdicts] of expected) {
    const event = byId.get(id)
    for (const { recipients } of verdicts.values())
      for (const recipient of recipients) if (event !== undefined) wanted.add(`${recipient} ${nameOf(event)}`)
  }
  return taken.flatMap((letter) => [
    ...(letter.about.length === 0 ? [`the letter ${letter.messageId} tells nothing`] : []),
    ...letter.about
      .filter((name) => !wanted.has(`${letter.to} ${name}`))
      .map((name) => `invented: ${letter.to} was told of ${name}`),
  ])
}
