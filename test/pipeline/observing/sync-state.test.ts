import { beforeEach, describe, expect, it } from 'vitest'
import { openSyncState, type SyncState } from '../../../pipeline/observing/sync-state.ts'

const minute = 60_000
const queue = 'Server.Internal.Alerts'
const org = 'root'

let now: number
let sync: SyncState
beforeEach(() => {
  now = 1_776_868_947_000
  sync = openSyncState({ now: () => now })
})
const texts = (): readonly string[] => sync.queues().map(({ text }) => text)

describe('the sync state of a queue', () => {
  it('is live once it is in sync, and 0 behind', () => {
    sync.note({ name: 'collect begins', org, queue, at: '2026-04-22T14:42:27Z' })
    expect(sync.queues()).toMatchObject([{ org, queue, state: 'backfilling', percent: null }])
    sync.note({ name: 'queue in sync', org, queue })
    expect(sync.queues()).toEqual([
      {
        org,
        queue,
        state: 'live',
        percent: null,
        behind_ms: 0,
        gaps_repaired: 0,
        live_only: false,
        unheard_ms: 0,
        text: 'live',
      },
    ])
  })

  it('says how much of an outage has been read back, and never 100 % before it is in sync', () => {
    sync.note({ name: 'queue in sync', org, queue })
    sync.note({ name: 'queue read back', org, queue, from: now - 100 * minute, to: now })
    expect(texts()).toEqual(['backfilling, behind 1 h'])
    sync.note({ name: 'queue read so far', org, queue, at: now - 57 * minute })
    expect(texts()).toEqual(['backfilling 43 %'])
    sync.note({ name: 'queue read so far', org, queue, at: now + minute })
    expect(texts()).toEqual(['backfilling 99 %'])
    sync.note({ name: 'queue in sync', org, queue })
    expect(texts()).toEqual(['live'])
  })

  it('says that a queue is live only, and for how long nobody heard it', () => {
    sync.note({ name: 'collect begins', org, queue, at: '' })
    sync.note({ name: 'queue is live only', org, queue })
    expect(texts()).toEqual(['backfilling, behind 1 s; live only'])
    sync.note({ name: 'queue in sync', org, queue })
    expect(texts()).toEqual(['live only'])
    sync.note({ name: 'live rows may be lost', org, queue, ms: 8000 })
    sync.note({ name: 'live rows may be lost', org, queue, ms: 61_000 })
    expect(sync.queues()).toMatchObject([{ live_only: true, unheard_ms: 69_000, text: 'live only, unheard for 1 min' }])
    sync.note({ name: 'source away', org, queues: queue })
    expect(texts()).toEqual(['behind 1 s; live only, unheard for 1 min'])
  })

  it('takes the part that was read as it is told', () => {
    sync.note({ name: 'queue read back', org, queue, from: now - minute, to: now })
    sync.note({ name: 'queue read so far', org, queue, percent: 12 })
    expect(sync.queues()).toMatchObject([{ percent: 12, text: 'backfilling 12 %' }])
    sync.note({ name: 'queue read so far', org, queue, percent: 100 })
    expect(texts()).toEqual(['backfilling 99 %'])
  })

  it.each([
    [8000, 'behind 8 s'],
    [12 * minute, 'behind 12 min'],
    [5 * 60 * minute, 'behind 5 h'],
    [72 * 60 * minute, 'behind 3 d'],
  ])('counts from when it was last in sync while the source is away: %i ms', (ms, text) => {
    sync.note({ name: 'queue in sync', org, queue })
    now += ms
    sync.note({ name: 'source away', org, queues: `${queue}, Other.Queue`, reason: 'silent' })
    expect(sync.queues().find((one) => one.queue === queue)).toMatchObject({ state: 'away', behind_ms: ms, text })
    expect(sync.queues()).toHaveLength(2)
  })

  it('sums the gaps that were repaired', () => {
    sync.note({ name: 'queue in sync', org, queue })
    sync.note({ name: 'gap repaired', org, queue, rows: 2 })
    sync.note({ name: 'gap repaired', org, queue, rows: 1 })
    expect(texts()).toEqual(['live; gaps repaired: 3'])
  })

  it('ends when nobody reads it any more', () => {
    for (const each of ['A', 'B', 'C']) sync.note({ name: 'queue in sync', org, queue: each })
    sync.note({ name: 'source dropped', org, queues: 'A, B', unread: 'A' })
    sync.note({ name: 'source dropped', org: 'O1', queues: 'C', unread: 'C' })
    expect(sync.queues().map((one) => one.queue)).toEqual(['B', 'C'])
  })

  it('ends with its organisation', () => {
    sync.note({ name: 'queue in sync', org: 'O1', queue })
    sync.note({ name: 'queue in sync', org, queue })
    sync.note({ name: 'organisation gone', org: 'O1' })
    expect(sync.queues().map((one) => one.org)).toEqual([org])
  })
})
