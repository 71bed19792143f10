import type { Happening } from '../../schemas/happenings.ts'
import type { ReadyRow } from './ready-row.ts'

/** A row that a turn took. */
type Taken = Pick<ReadyRow, 'org' | 'source' | 'origin' | 'identified' | 'isUnreadable' | 'isRepair'>

/** What a turn of collect has to say once its commit stands. */
export interface TurnTale {
  /** `isNew`: the log had not got it. */
  took(taken: Taken, isNew: boolean): void
  happenings(): readonly Happening[]
}

const nameOf = ({ origin, isRepair }: Taken): Happening['name'] | null => {
  if (origin === 'sweep') return 'flows without event'
  return isRepair ? 'gap repaired' : null
}

/** Sums up by queue what the stream should have brought, and how far its history has been read. */
export const openTurnTale = (): TurnTale => {
  const sums = new Map<string, Happening & { rows: number }>()
  const readTo = new Map<string, Taken>()
  return {
    took(taken, isNew) {
      const { org, source, origin, isUnreadable } = taken
      const { queue } = source
      // What is kept by client comes client by client, and not in the order of time.
      if (origin === 'history' && !source.isPerClient && !isUnreadable) readTo.set(JSON.stringify([org, queue]), taken)
      const name = nameOf(taken)
      if (name === null || !isNew) return
      const key = JSON.stringify([name, org, queue])
      sums.set(key, { name, org, queue, rows: 1 + (sums.get(key)?.rows ?? 0) })
    },
    happenings: () => [
      ...sums.values(),
      ...[...readTo.values()].map(({ org, source: { queue }, identified }): Happening => ({
        ...{ name: 'queue read so far', org, queue, at: identified.receivedAt },
      })),
    ],
  }
}
