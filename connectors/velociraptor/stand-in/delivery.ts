import type { EpochMs } from '../../../schemas/time.ts'
import type { DeliveryFault, LastingFaults } from './faults.ts'
import { reparsed, type Row } from './vql/values.ts'

/** Gives the live rows of queues to whoever watches, as well or as badly as the faults of the moment have it. */
export interface Delivery {
  give(row: Row, watchers: () => Iterable<(row: Row) => void>, now: EpochMs): void
  /** Gives what was held back for a later place. */
  flush(): void
  /** Forgets what was held back. */
  lose(): void
}

/** Delivery that suffers from these faults. */
export const openDelivery = (lasting: LastingFaults): Delivery => {
  let held: (() => void)[] = []
  const flush = (): void => {
    const calls = held
    held = []
    for (const call of calls) call()
  }
  return {
    give(row, watchers, now) {
      const hit = (kind: DeliveryFault): boolean => lasting.hits(kind, now)
      if (hit('overflow')) return
      const given = hit('spill') ? reparsed(row) : row
      const times = hit('repeat') ? 2 : 1
      const give = (): void => {
        for (let n = 0; n < times; n++) for (const watcher of [...watchers()]) watcher(new Map(given))
      }
      // One row waits, the next overtakes it.
      if (held.length === 0 && hit('reorder')) return void held.push(give)
      give()
      flush()
    },
    flush,
    lose: () => {
      held = []
    },
  }
}
