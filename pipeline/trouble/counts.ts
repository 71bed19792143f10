import type { Happening, HappeningName, Tell } from '../../schemas/happenings.ts'
import type { EpochMs } from '../../schemas/time.ts'

/** What was done since one was last asked, or since the process began. */
export interface Counts {
  readonly note: Tell
  /** The counts, by words for a letter, with the time from which they count; then counts anew. */
  take(now: EpochMs): Readonly<Record<string, string | number>>
}

const counted: Readonly<Partial<Record<HappeningName, string>>> = {
  'letter delivered': 'letters delivered',
  'letter undeliverable': 'letters undeliverable',
  'mail server away': 'outages of mail',
  'source away': 'outages of Velociraptor',
  'log unavailable': 'outages of the log',
}

/** Stand in every letter, so that nothing done reads 0. */
const always = ['verdicts told', 'letters delivered']

/** Counts from now on. */
export const openCounts = (begun: EpochMs): Counts => {
  let since = begun
  const counts = new Map<string, number>()
  const add = (what: string, count: number): void => void counts.set(what, (counts.get(what) ?? 0) + count)
  return {
    note(happening: Happening) {
      const what = counted[happening.name]
      if (what !== undefined) add(what, 1)
      if (happening.name === 'event judged') add(`verdicts ${String(happening['outcome'])}`, Number(happening['count']))
    },
    take(now) {
      const others = [...counts.keys()].filter((what) => !always.includes(what)).toSorted()
      const ordered = [...always, ...others].map((what) => [what, counts.get(what) ?? 0] as const)
      const taken = { since: new Date(since).toISOString(), ...Object.fromEntries(ordered) }
      since = now
      counts.clear()
      return taken
    },
  }
}
