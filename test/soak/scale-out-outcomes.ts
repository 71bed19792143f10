import type { EventLog, LogRecord } from '../../connectors/log/event-log.ts'
import { decode } from '../../schemas/codec.ts'
import type { Outcome } from '../../schemas/generated.ts'
import { topics, type Topic } from '../../schemas/topics.ts'

/** What a log says became of its events, read on as it grows. */
export interface Account {
  /** One line for each verdict: event, monitor, outcome, of what, which objections. */
  readonly verdicts: string[]
  /** One line for each delivery: event, monitor, recipient, outcome. */
  readonly deliveries: string[]
  /** Message-IDs of letters that were told. */
  readonly letters: Set<string>
  /** Events with verdicts; notices that these ordered. */
  events: number
  notices: number
  /** When verdicts of each partition were written, epoch ms. */
  readonly decidedAt: number[][]
  /** When events came into each partition, epoch ms. */
  readonly arrivedAt: number[][]
}

export const openAccount = (partitions: number): Account => ({
  verdicts: [],
  deliveries: [],
  letters: new Set(),
  events: 0,
  notices: 0,
  decidedAt: Array.from({ length: partitions }, () => []),
  arrivedAt: Array.from({ length: partitions }, () => []),
})

/** Reads on from where it stood. */
export const accountReader = (log: EventLog): { readonly account: Account; readOn(): Promise<Account> } => {
  const account = openAccount(log.partitions)
  const readersOf = ({ name: topic }: Topic, add: (record: LogRecord) => void) =>
    Array.from({ length: log.partitions }, (_, partition) => {
      let next = 0
      return async (): Promise<void> => {
        for await (const page of log.read({ topic, partition, from: { offset: next } }))
          for (const record of page) {
            next = record.offset + 1
            add(record)
          }
      }
    })
  const readers = [
    ...readersOf(topics.outcomes, (record) => addOutcome(account, decode('Outcome', record.value), record)),
    ...readersOf(topics.rawFlowCompletions, ({ partition, timestamp }) =>
      account.arrivedAt[partition]?.push(timestamp),
    ),
  ]
  return {
    account,
    readOn: async () => {
      for (const readOn of readers) await readOn()
      return account
    },
  }
}

const addOutcome = (
  account: Account,
  { event, verdicts, deliveries }: Outcome,
  at: { readonly partition: number; readonly timestamp: number },
): void => {
  for (const { monitor, outcome, of, objections, overruled_by, notices } of verdicts) {
    const because = objections.map(({ by, reason }) => `${by}: ${reason}`).join('; ')
    account.verdicts.push([event, monitor, outcome, of, because, overruled_by.join()].join(' | '))
    account.notices += notices.length
  }
  if (verdicts.length > 0) {
    account.events += 1
    account.decidedAt[at.partition]?.push(at.timestamp)
  }
  for (const { monitor, recipient, outcome, message_id } of deliveries) {
    account.deliveries.push([event, monitor, recipient, outcome].join(' | '))
    if (outcome === 'told') account.letters.add(message_id)
  }
}

/** Whether every event has its verdicts and every notice a delivery. */
export const isComplete = ({ events, notices, deliveries }: Account, wanted: number): boolean =>
  events >= wanted && deliveries.length >= notices

/** What one multiset has that the other lacks, with a few examples; nothing where both are equal. */
export const differences = (what: string, found: readonly string[], wanted: readonly string[]): readonly string[] => {
  const counts = new Map<string, number>()
  for (const line of found) counts.set(line, (counts.get(line) ?? 0) + 1)
  for (const line of wanted) counts.set(line, (counts.get(line) ?? 0) - 1)
  const tooMany = [...counts].filter(([, count]) => count > 0).map(([line]) => line)
  const missing = [...counts].filter(([, count]) => count < 0).map(([line]) => line)
  return [
    ...said(`${what} that the embedded run does not have, or not so often`, tooMany),
    ...said(`${what} of the embedded run that are missing`, missing),
  ]
}

const said = (what: string, lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : [`${lines.length} ${what}, such as: ${lines.slice(0, 3).join(' ### ')}`]

/** The longest time within a span in which a partition had an event to judge and gave no verdict, ms, and in which. */
export const longestSilence = (
  { decidedAt, arrivedAt }: Account,
  { from, to }: { readonly from: number; readonly to: number },
): { readonly ms: number; readonly partition: number } => {
  let longest = { ms: 0, partition: -1 }
  for (const [partition, verdicts] of decidedAt.entries()) {
    const arrivals = arrivedAt[partition] ?? []
    let decided = verdicts.findIndex((time) => time > from)
    if (decided < 0) decided = verdicts.length
    for (let since = from; since < to; decided++) {
      const until = Math.min(verdicts[decided] ?? to, to)
      // The event that this verdict, or the next one, is about: before it has come there is nothing to say.
      const ms = until - Math.max(since, arrivals[decided] ?? until)
      if (ms > longest.ms) longest = { ms, partition }
      since = until
    }
  }
  return longest
}
