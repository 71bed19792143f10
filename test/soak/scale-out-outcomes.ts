import type { EventLog } from '../../connectors/log/event-log.ts'
import { decode } from '../../schemas/codec.ts'
import type { Outcome } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'

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
}

export const openAccount = (partitions: number): Account => ({
  verdicts: [],
  deliveries: [],
  letters: new Set(),
  events: 0,
  notices: 0,
  decidedAt: Array.from({ length: partitions }, () => []),
})

/** Reads on from where it stood. */
export const accountReader = (log: EventLog): { readonly account: Account; readOn(): Promise<Account> } => {
  const account = openAccount(log.partitions)
  const next = Array.from({ length: log.partitions }, () => 0)
  const readPartition = async (partition: number): Promise<void> => {
    const from = { offset: next[partition] ?? 0 }
    for await (const page of log.read({ topic: topics.outcomes.name, partition, from }))
      for (const { value, offset, timestamp } of page) {
        next[partition] = offset + 1
        add(account, decode('Outcome', value), { partition, timestamp })
      }
  }
  return {
    account,
    readOn: async () => {
      for (let partition = 0; partition < log.partitions; partition++) await readPartition(partition)
      return account
    },
  }
}

const add = (
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

/** The longest time without a verdict in any partition within a span of time, ms, and in which. */
export const longestSilence = (
  { decidedAt }: Account,
  { from, to }: { readonly from: number; readonly to: number },
): { readonly ms: number; readonly partition: number } => {
  let longest = { ms: 0, partition: -1 }
  for (const [partition, times] of decidedAt.entries()) {
    const within = times.filter((time) => time > from && time < to)
    for (const [index, time] of [...within, to].entries()) {
      const ms = time - (within[index - 1] ?? from)
      if (ms > longest.ms) longest = { ms, partition }
    }
  }
  return longest
}
