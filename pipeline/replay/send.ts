import type { NewRecord } from '../../connectors/log/event-log.ts'
import { judgementOf } from '../../operators/judgement.ts'
import type { Notice, Schemas } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { readAt } from '../index/log-records.ts'
import { noticeRecord, noticesOf, outcomeRecord, verdictOf } from '../judge.ts'
import type { EventKind, EventName } from '../kinds/kind.ts'
import { type Monitor, monitorsFor } from '../monitors/monitor.ts'
import { inLetters } from './letters.ts'
import type { Pair, PairKind } from './replay-file.ts'
import type { ReplayWork } from './replay-work.ts'

/** What is sent of a replay, and under which name. */
export interface SendTerms {
  /** What one replay tells, it tells once, however often it is sent. */
  readonly replay: string
  /** Also what was told already, unless this replay told it. */
  readonly again: boolean
}

/** How much is to be sent. */
export interface Amount {
  readonly notices: number
  readonly events: number
  readonly letters: number
  readonly recipients: number
}

const kindsOf = ({ again }: SendTerms): readonly PairKind[] => (again ? ['gained', 'kept'] : ['gained'])

const isWanted = (pair: Pair, { replay }: SendTerms): boolean =>
  pair.kind === 'gained' || !pair.replays.split(' ').includes(replay)

/** The pairs to be sent, in the order of their letters. */
export function* wantedPairs({ file }: Pick<ReplayWork, 'file'>, terms: SendTerms): Generator<Pair> {
  for (const pair of file.pairs(kindsOf(terms))) if (isWanted(pair, terms)) yield pair
}

/** Counts what would be sent at a moment. */
export const amountOf = (work: Pick<ReplayWork, 'file' | 'rules'>, terms: SendTerms, now: EpochMs): Amount => {
  let notices = 0
  let letters = 0
  const events = new Set<string>()
  const recipients = new Set<string>()
  for (const { pair, letter } of inLetters(wantedPairs(work, terms), work.rules, now)) {
    notices++
    letters = letter
    events.add(`${pair.partition}/${pair.offset}`)
    recipients.add(pair.recipient.toLowerCase())
  }
  return { notices, events: events.size, letters, recipients: recipients.size }
}

const eventsTogether = 100

/**
 * Puts what is wanted on record and among the notices, from where deliver sends it. First the record: what was interrupted between the
 * two is found by the next replay and written under the same ids. Answers with the number of notices; stops when it is told to.
 */
export const send = async (work: Omit<ReplayWork, 'lost'>, terms: SendTerms): Promise<number> => {
  const { file, stop } = work
  let sent = 0
  for (let after = { partition: -1, offset: -1 }; !stop.aborted;) {
    const pairs = file.pairsByEvent(kindsOf(terms), after, eventsTogether)
    const last = pairs.at(-1)
    if (last === undefined) break
    const outcomes: NewRecord[] = []
    const notices: Notice[] = []
    for (const [, of] of Map.groupBy(
      pairs.filter((pair) => isWanted(pair, terms)),
      ({ partition, offset }) => `${partition}/${offset}`,
    ))
      await work.kind.with((kind) => addEvent(kind, of, { outcomes, notices }, work, terms))
    if (outcomes.length > 0) await work.log.append(outcomes)
    if (notices.length > 0) await work.log.append(notices.map(noticeRecord))
    sent += notices.length
    after = { partition: last.partition, offset: last.offset }
    work.progress.report('sending', 0, notices.length)
  }
  return sent
}

const addEvent = async <N extends EventName>(
  kind: EventKind<N>,
  pairs: readonly Pair[],
  { outcomes, notices }: { readonly outcomes: NewRecord[]; readonly notices: Notice[] },
  { log, topic, rules, clock }: Omit<ReplayWork, 'lost'>,
  { replay }: SendTerms,
): Promise<void> => {
  const [first] = pairs
  if (first === undefined) return
  const at = { topic, partition: first.partition, offset: first.offset }
  const read = await readAt<N>(log, kind.name, at)
  // Retention may have removed it since it was judged.
  if (read === undefined) return
  const terms = { at, configuration: rules.configuration, now: clock.now() }
  const fresh = noticesFor(
    pairs.filter(({ unwritten }) => unwritten === ''),
    read.value,
    monitorsFor(rules.monitors, kind.name),
    {
      ...terms,
      replay,
    },
  )
  notices.push(...fresh.flatMap((one) => one.notices))
  for (const [name, promised] of Map.groupBy(
    pairs.filter(({ unwritten }) => unwritten !== ''),
    ({ unwritten }) => unwritten,
  ))
    notices.push(
      ...noticesFor(promised, read.value, monitorsFor(rules.monitors, kind.name), { ...terms, replay: name }).flatMap(
        (one) => one.notices,
      ),
    )
  if (fresh.length > 0)
    outcomes.push(
      outcomeRecord(
        read.record.key,
        kind.about(read.value),
        fresh.map((one) => verdictOf(one.monitor, { ...judgementOf(read.value), recipients: one.recipients }, one)),
        { ...terms, replay },
      ),
    )
}

interface Fresh<N extends EventName> {
  readonly monitor: Monitor<N>
  readonly recipients: readonly Notice['recipient'][]
  readonly notices: readonly Notice[]
}

const noticesFor = <N extends EventName>(
  pairs: readonly Pair[],
  event: Schemas[N],
  monitors: readonly Monitor<N>[],
  terms: Parameters<typeof noticesOf>[2],
): readonly Fresh<N>[] =>
  monitors.flatMap((monitor) => {
    const recipients = pairs
      .filter((pair) => pair.monitor === monitor.name)
      .map(({ recipient, name }) => ({ address: recipient, name }))
    if (recipients.length === 0) return []
    return [{ monitor, recipients, notices: noticesOf(monitor, { event, recipients }, terms) }]
  })
