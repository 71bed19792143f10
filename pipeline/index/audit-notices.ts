import { topics } from '../../schemas/topics.ts'
import { type Sums, sumsOf } from './audit-sums.ts'
import { type LaneSums, type Work, eventId, find, isInRange } from './audit-work.ts'
import { unsettledNotices } from './committed-letters.ts'
import { type OutcomeIndex, type Owed, eventAt } from './outcome-index.ts'

type OwedAt = Omit<Owed, 'event' | 'at'> & { readonly event: ReturnType<typeof eventAt> }

/** What the indexes together leave owed. */
const owedOf = (indexes: readonly OutcomeIndex[]): readonly OwedAt[] => {
  const all = new Map<string, OwedAt>()
  for (const index of indexes)
    for (const { notice, balance, monitor, event } of index.owed()) {
      const before = all.get(notice)
      all.set(
        notice,
        before === undefined
          ? { notice, balance, monitor, event: eventAt(index, event) }
          : { ...before, balance: before.balance + balance },
      )
    }
  return [...all.values()].filter(({ balance }) => balance !== 0)
}

/** Finds notices without a delivery, or with two. */
export const auditNotices = async (lanes: readonly LaneSums[], sums: Sums, work: Work): Promise<void> => {
  // A notice whose event is older than what is looked at may have lost its verdict to age.
  const owed = owedOf(work.indexes).filter(({ event }) => isInRange(event, lanes))
  const waiting = owed.some(({ balance }) => balance > 0)
    ? await unsettledNotices(work.log, work.snapshot)
    : new Set<string>()
  let balance = 0
  for (const { notice, balance: of, monitor, event } of owed) {
    balance += of
    const isWaiting = of > 0 && waiting.has(notice)
    if (isWaiting) sumsOf(sums, monitor).waiting++
    if (isWaiting && of === 1) continue
    const id = await eventId(work, event.topic, event.partition, event.offset)
    if (of < 0) find(work, { kind: 'delivered twice', id, notice, monitor, ...event })
    else find(work, { kind: 'no delivery', id, notice, monitor, ...event })
  }
  const decided = [...sums.values()].reduce(
    (sum, { notices, delivered, undeliverable, dropped }) => sum + notices - delivered - undeliverable - dropped,
    0,
  )
  if (decided !== balance)
    find(work, { kind: 'index', id: '', monitor: '', topic: topics.outcomes.name, partition: -1, offset: -1 })
}
