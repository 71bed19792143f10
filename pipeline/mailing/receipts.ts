import { ConnectorError } from '../../connectors/errors.ts'
import type { Receipt } from '../../schemas/generated.ts'
import { type Backoff, backoffMs } from '../runtime/backoff.ts'
import { type DeliverOptions, receiptRecord } from './claim.ts'

/** Writes what is learnt of letters, many in one append. */
export interface Receipts {
  /** Resolves when it is durable, however late; with false when the log will never take it, or takes no `waiting` now. */
  write(partition: number, receipt: Receipt): Promise<boolean>
}

/** While more letters are under way a receipt waits at least so long for theirs, ms: one commit then serves all of them. */
const gatherMs = 10
/** On a slow disk it waits longer, so that appends take a fifth of the time at most, but never longer than this, ms. */
const longestGatherMs = 100
const waitPerAppend = 4
/** A process that is killed doubles at most so many letters of a channel whose reply it had already read. */
export const mostGathered = 32
const refusedWaits: Backoff = { firstMs: 200, longestMs: 5000 }

interface Waiting {
  readonly partition: number
  readonly receipt: Receipt
  readonly resolve: (stands: boolean) => void
}

/** What came of an append. */
type Written = 'stands' | 'not now' | 'never'

/**
 * One append at a time; what comes meanwhile goes with the next. What the log does not take now is tried again for as long as the process
 * lives: a reply that is forgotten is a letter sent twice. `expectsMore`: other receipts will follow soon.
 */
export const openReceipts = (
  { log, clock, random, tell }: Pick<DeliverOptions, 'log' | 'clock' | 'random' | 'tell'>,
  expectsMore: () => boolean,
): Receipts => {
  let waiting: Waiting[] = []
  let isAppending = false
  let cancel: (() => void) | undefined
  let waitMs = gatherMs
  let failures = 0
  /** Some of those that wait were refused before. */
  let isRefused = false

  const append = async (group: readonly Waiting[]): Promise<Written> => {
    try {
      await log.append(group.map(({ partition, receipt }) => receiptRecord(partition, receipt)))
      if (failures > 0) tell({ name: 'receipts written again', failed: failures })
      failures = 0
      return 'stands'
    } catch (cause) {
      const code = cause instanceof ConnectorError ? cause.code : String(cause)
      if (failures++ === 0) tell({ name: 'receipt not written', reason: code })
      return code === 'LOG_UNAVAILABLE' ? 'not now' : 'never'
    }
  }

  const flush = async (): Promise<void> => {
    cancel?.()
    cancel = undefined
    const group = waiting.slice(0, mostGathered)
    waiting = waiting.slice(mostGathered)
    isAppending = true
    const begun = performance.now()
    const written = await append(group)
    waitMs = Math.min(longestGatherMs, Math.max(gatherMs, Math.round((performance.now() - begun) * waitPerAppend)))
    isAppending = false
    // A word that prolongs a claim is worth nothing late.
    const isKept = ({ receipt }: Waiting): boolean => written === 'not now' && receipt.kind !== 'waiting'
    const kept = group.filter(isKept)
    waiting = [...kept, ...waiting]
    isRefused = kept.length > 0
    for (const each of group) if (!isKept(each)) each.resolve(written === 'stands')
    look()
  }

  const flushIn = (ms: number): void => {
    cancel ??= clock.at(clock.now() + ms, () => {
      cancel = undefined
      if (!isAppending && waiting.length > 0) void flush()
    })
  }

  const look = (): void => {
    if (isAppending || waiting.length === 0) return
    if (isRefused) flushIn(backoffMs(refusedWaits, failures, random))
    else if (waiting.length >= mostGathered || !expectsMore()) void flush()
    else flushIn(waitMs)
  }

  return {
    write: (partition, receipt) =>
      new Promise((resolve) => {
        waiting.push({ partition, receipt, resolve })
        if (receipt.kind === 'waiting' && !isAppending) void flush()
        else look()
      }),
  }
}
