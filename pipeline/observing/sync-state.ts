import type { Tell } from '../../schemas/happenings.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'

/** How far an event queue of an organisation has been read. */
export interface QueueSync {
  readonly org: string
  readonly queue: string
  /** `backfilling`: the stream lives, and what was missed is being read back. */
  readonly state: 'live' | 'backfilling' | 'away'
  /** How much of the missed time has been read, 0 to 100; null: nothing is missed, or it cannot be said. */
  readonly percent: number | null
  /** Time of which not everything is known to be read, ms; 0 while live. */
  readonly behind_ms: number
  /** Rows that the live stream did not bring though it should have, since the process began. */
  readonly gaps_repaired: number
  /** The server keeps none of its rows: what comes while nobody listens is lost. */
  readonly live_only: boolean
  /** Time in which rows of a queue without history may have been lost, ms, since the process began. */
  readonly unheard_ms: number
  /** The same in words: `live`, `backfilling 43 %`, `behind 12 min; gaps repaired: 3`, `live only, unheard for 8 s`. */
  readonly text: string
}

/** Follows the sync state of every queue that this process reads. */
export interface SyncState {
  /** Takes a happening into account. */
  readonly note: Tell
  /** By organisation, then queue. */
  queues(): readonly QueueSync[]
}

interface Known {
  readonly org: string
  readonly queue: string
  state: QueueSync['state']
  /** When it was last known to be complete, our clock. */
  completeAt: EpochMs
  /** The missed time, server clock, and how much of it has been read. */
  missed: { readonly from: EpochMs; readonly to: EpochMs; percent: number | null } | null
  gaps: number
  isLiveOnly: boolean
  unheardMs: number
}

const minute = 60_000

/** A time in its largest whole unit that is at least one: `8 s`, `12 min`, `3 h`, `2 d`. */
const span = (ms: number): string => {
  if (ms < minute) return `${Math.max(1, Math.floor(ms / 1000))} s`
  if (ms < 60 * minute) return `${Math.floor(ms / minute)} min`
  return ms < 48 * 60 * minute ? `${Math.floor(ms / (60 * minute))} h` : `${Math.floor(ms / (24 * 60 * minute))} d`
}

const percentOf = ({ state, missed }: Known): number | null =>
  state === 'backfilling' ? (missed?.percent ?? null) : null

/** Not all, as it is not in sync yet. */
const boundedPercent = (percent: number): number => Math.max(0, Math.min(99, Math.floor(percent)))

const wordsOf = (state: QueueSync['state'], percent: number | null, behindMs: number): string => {
  if (state === 'live') return 'live'
  if (state === 'away') return `behind ${span(behindMs)}`
  return percent === null ? `backfilling, behind ${span(behindMs)}` : `backfilling ${percent} %`
}

const textOf = (words: string, { state, gaps, isLiveOnly, unheardMs }: Known): string => {
  const unheard = unheardMs === 0 ? '' : `, unheard for ${span(unheardMs)}`
  const kind = isLiveOnly ? `live only${unheard}` : ''
  const first = isLiveOnly && state === 'live' ? [kind] : [words, kind]
  return [...first, gaps === 0 ? '' : `gaps repaired: ${gaps}`].filter((part) => part !== '').join('; ')
}

const syncOf = (known: Known, now: EpochMs): QueueSync => {
  const { org, queue, state, completeAt, missed, gaps, isLiveOnly, unheardMs } = known
  const percent = percentOf(known)
  const missing = missed === null ? 0 : missed.to - missed.from
  const behind_ms = state === 'live' ? 0 : Math.max(0, now - completeAt, state === 'backfilling' ? missing : 0)
  const words = wordsOf(state, percent, behind_ms)
  return {
    ...{ org, queue, state, percent, behind_ms, gaps_repaired: gaps },
    ...{ live_only: isLiveOnly, unheard_ms: unheardMs },
    text: textOf(words, known),
  }
}

const keyOf = (org: string, queue: string): string => JSON.stringify([org, queue])

/** Begins with no queue: each is known from the first word of it. */
export const openSyncState = (clock: Pick<Clock, 'now'>): SyncState => {
  const all = new Map<string, Known>()
  const of = (org: string, queue: string): Known => {
    const key = keyOf(org, queue)
    const known = all.get(key) ?? {
      ...{ org, queue, state: 'backfilling', completeAt: clock.now(), missed: null },
      ...{ gaps: 0, isLiveOnly: false, unheardMs: 0 },
    }
    all.set(key, known)
    return known
  }
  return {
    note({ name, org, queue, queues, unread, from, to, at, percent, rows, ms }) {
      if (org === undefined) return
      const one = (): Known => of(String(org), String(queue))
      switch (name) {
        case 'collect begins':
          one()
          return
        case 'queue read back':
          Object.assign(one(), { state: 'backfilling', missed: { from: Number(from), to: Number(to), percent: null } })
          return
        case 'queue read so far': {
          const { missed } = one()
          if (missed === null) return
          const part = (Number(at) - missed.from) / Math.max(1, missed.to - missed.from)
          missed.percent = boundedPercent(at === undefined ? Number(percent) : part * 100)
          return
        }
        case 'queue in sync':
          Object.assign(one(), { state: 'live', completeAt: clock.now(), missed: null })
          return
        case 'source away':
          for (const each of String(queues).split(', ')) of(String(org), each).state = 'away'
          return
        case 'source dropped':
          for (const each of String(unread).split(', ')) all.delete(keyOf(String(org), each))
          return
        case 'gap repaired':
          one().gaps += Number(rows)
          return
        case 'queue is live only':
          one().isLiveOnly = true
          return
        case 'live rows may be lost':
          one().unheardMs += Number(ms)
          return
        case 'organisation gone':
          for (const [key, known] of all) if (known.org === org) all.delete(key)
          return
        default:
      }
    },
    queues: () => [...all].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, known]) => syncOf(known, clock.now())),
  }
}
