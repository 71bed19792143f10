import type { Delivery } from '../../schemas/generated.ts'
import { type LaneSums, type MonitorSums, type Work, parts } from './audit-work.ts'
import { type VerdictSignature, readDeliverySignature, readVerdictSignature } from './signature.ts'

const noSums = (monitor: string): MonitorSums => ({
  monitor,
  events: 0,
  told: 0,
  duplicate: 0,
  silenced: 0,
  objected: 0,
  objectedBy: {},
  noRecipients: 0,
  rejected: 0,
  replayed: 0,
  notices: 0,
  delivered: 0,
  undeliverable: 0,
  dropped: 0,
  waiting: 0,
})

/** By monitor. */
export type Sums = Map<string, MonitorSums>

/** The sums of a monitor, all 0 at first. */
export const sumsOf = (sums: Sums, monitor: string): MonitorSums => {
  const known = sums.get(monitor) ?? noSums(monitor)
  sums.set(monitor, known)
  return known
}

const sumKeys = {
  told: 'told',
  duplicate: 'duplicate',
  silenced: 'silenced',
  objected: 'objected',
  no_recipients: 'noRecipients',
  rejected: 'rejected',
} as const

/** What each monitor said of the events, and what came of it. */
export const monitorSums = (lanes: readonly LaneSums[], work: Work): Sums => {
  const sums: Sums = new Map()
  for (const { index, range } of lanes.flatMap((lane) => parts(work, lane))) {
    for (const { signature, count } of index.verdictCounts(range))
      addVerdicts(sums, readVerdictSignature(signature), count)
    for (const { signature, count } of index.replayCounts(range))
      for (const { monitor, notices } of readVerdictSignature(signature).verdicts) {
        sumsOf(sums, monitor).replayed += notices * count
        sumsOf(sums, monitor).notices += notices * count
      }
    for (const { signature, count } of index.deliveryCounts(range)) {
      const { monitor, outcome } = readDeliverySignature(signature)
      addDelivery(sumsOf(sums, monitor), outcome, count)
    }
  }
  return sums
}

/** The last word of a notice counts: what is redriven is open again, and what is dropped was undeliverable before. */
const addDelivery = (sums: MonitorSums, outcome: Delivery['outcome'], count: number): void => {
  if (outcome === 'told') sums.delivered += count
  if (outcome === 'undeliverable') sums.undeliverable += count
  if (outcome === 'redriven' || outcome === 'dropped') sums.undeliverable -= count
  if (outcome === 'dropped') sums.dropped += count
}

const addVerdicts = (sums: Sums, { verdicts }: VerdictSignature, count: number): void => {
  for (const { monitor, outcome, by, notices } of verdicts) {
    const of = sumsOf(sums, monitor)
    of.events += count
    of.notices += notices * count
    of[sumKeys[outcome]] += count
    if (outcome === 'objected') for (const filter of by) of.objectedBy[filter] = (of.objectedBy[filter] ?? 0) + count
  }
}
