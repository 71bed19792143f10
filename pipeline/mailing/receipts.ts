import { ConnectorError } from '../../connectors/errors.ts'
import type { Receipt } from '../../schemas/generated.ts'
import { type DeliverOptions, receiptRecord } from './claim.ts'

/** Writes what is learnt of letters, many in one append. */
export interface Receipts {
  /** Resolves when it is durable, or with false when the log took it not. */
  write(partition: number, receipt: Receipt): Promise<boolean>
}

/** While more letters are under way a receipt waits at least so long for theirs, ms: one commit then serves all of them. */
const gatherMs = 10
/** On a slow disk it waits longer, so that appends take a fifth of the time at most, but never longer than this, ms. */
const longestGatherMs = 100
const waitPerAppend = 4
/** A process that is killed doubles at most so many letters of a channel whose reply it had already read. */
export const mostGathered = 32

interface Waiting {
  readonly partition: number
  readonly receipt: Receipt
  readonly resolve: (stands: boolean) => void
}

/** One append at a time; what comes meanwhile goes with the next. `expectsMore`: other receipts will follow soon. */
export const openReceipts = (
  { log, clock, tell }: Pick<DeliverOptions, 'log' | 'clock' | 'tell'>,
  expectsMore: () => boolean,
): Receipts => {
  let waiting: Waiting[] = []
  let isAppending = false
  let cancel: (() => void) | undefined
  let waitMs = gatherMs

  const append = async (group: readonly Waiting[]): Promise<boolean> => {
    try {
      await log.append(group.map(({ partition, receipt }) => receiptRecord(partition, receipt)))
      return true
    } catch (cause) {
      tell({ name: 'receipt not written', reason: cause instanceof ConnectorError ? cause.code : String(cause) })
      return false
    }
  }

  const flush = async (): Promise<void> => {
    cancel?.()
    cancel = undefined
    const group = waiting.slice(0, mostGathered)
    waiting = waiting.slice(mostGathered)
    isAppending = true
    const begun = performance.now()
    const stands = await append(group)
    waitMs = Math.min(longestGatherMs, Math.max(gatherMs, Math.round((performance.now() - begun) * waitPerAppend)))
    isAppending = false
    for (const { resolve } of group) resolve(stands)
    look()
  }

  const look = (): void => {
    if (isAppending || waiting.length === 0) return
    if (waiting.length >= mostGathered || !expectsMore()) void flush()
    else
      cancel ??= clock.at(clock.now() + waitMs, () => {
        cancel = undefined
        if (!isAppending && waiting.length > 0) void flush()
      })
  }

  return {
    write: (partition, receipt) =>
      new Promise((resolve) => {
        waiting.push({ partition, receipt, resolve })
        // A word that prolongs a claim is worth nothing late.
        if (receipt.kind === 'waiting' && !isAppending) void flush()
        else look()
      }),
  }
}
