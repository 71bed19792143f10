import fc from 'fast-check'
import { from, Subject } from 'rxjs'
import { describe, expect, it } from 'vitest'
import {
  type AtTurnstile,
  freeAt,
  fullBucket,
  queued,
  rateLimit,
  type RateLimitOptions,
  type RateRule,
  shareOf,
  taken,
  type Turned,
} from '../../operators/rate-limit.ts'
import type { Bucket, Turnstile, WaitingLetter } from '../../schemas/generated.ts'
import { marbles } from './marbles.ts'
import { openStore } from './state-store.ts'

const rule: RateRule = { most: 2, perMs: 100, burst: 1 }
const letter = (id: string, difference: Partial<WaitingLetter> = {}): WaitingLetter => ({
  id,
  group: 'g',
  severity: 0,
  since: 0,
  size: 1,
  ...difference,
})
const at = (
  now: number,
  id: string,
  difference: Partial<WaitingLetter> = {},
  more: Partial<AtTurnstile> = {},
): AtTurnstile => ({ letter: letter(id, { since: now, ...difference }), rule, sharedAt: now, now, ...more })
const options: RateLimitOptions = { keyOf: () => 'soc', mayGo: () => true, waits: () => true, mostGathered: 3 }
const turned = (inputs: readonly AtTurnstile[], more: Partial<RateLimitOptions> = {}): readonly string[] => {
  const seen: string[] = []
  from(inputs)
    .pipe(rateLimit(openStore<Turnstile>(), { ...options, ...more }))
    .subscribe((one) => seen.push(shown(one)))
  return seen
}
const shown = (one: Turned): string => {
  if (one.is === 'joining') return `${one.letter} into ${one.into}`
  return one.is === 'passing' ? `${one.letter} goes` : `${one.letter} waits until ${one.until}`
}

describe('a rate limit', () => {
  it(
    'lets pass at once what is below it',
    marbles(({ hot, expectObservable }) => {
      const source = hot('  -a--b-|', { a: at(0, 'a'), b: at(1000, 'b') })
      const expected = '    -x--y-|'
      expectObservable(source.pipe(rateLimit(openStore<Turnstile>(), options))).toBe(expected, {
        x: { is: 'passing', letter: 'a' },
        y: { is: 'passing', letter: 'b' },
      })
    }),
  )

  it(
    'holds what is above it until its turn',
    marbles(({ hot, expectObservable }) => {
      const source = hot('  -(ab)-b|', { a: at(0, 'a'), b: at(0, 'b') })
      const expected = '    -(xy)-y|'
      expectObservable(source.pipe(rateLimit(openStore<Turnstile>(), options))).toBe(expected, {
        x: { is: 'passing', letter: 'a' },
        y: { is: 'waiting', letter: 'b', until: 50 },
      })
    }),
  )

  it(
    'completes, stays open and fails with its source',
    marbles(({ cold, expectObservable }) => {
      const limited = () => rateLimit(openStore<Turnstile>(), options)
      expectObservable(cold<AtTurnstile>('---|').pipe(limited())).toBe('---|')
      expectObservable(cold<AtTurnstile>('----').pipe(limited())).toBe('----')
      expectObservable(cold<AtTurnstile>('--#', {}, new Error('away')).pipe(limited())).toBe(
        '--#',
        {},
        new Error('away'),
      )
    }),
  )

  it(
    'leaves its source when it is left',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('  -a-a--a|', { a: at(0, 'a') })
      expectObservable(source.pipe(rateLimit(openStore<Turnstile>(), options)), '--!').toBe('-x', {
        x: { is: 'passing', letter: 'a' },
      })
      expectSubscriptions(source.subscriptions).toBe('^-!')
    }),
  )

  it('gathers what waits of one group into one, as far as there is room, and keeps other groups apart', () => {
    expect(turned([at(0, 'a'), at(1, 'b'), at(2, 'c'), at(3, 'd'), at(4, 'e'), at(5, 'f', { group: 'h' })])).toEqual([
      'a goes',
      'b waits until 50',
      'c into b',
      'd into b',
      'e waits until 100',
      'f waits until 150',
    ])
  })

  it('gathers nothing into a letter that stays as it is', () => {
    const fixed = { group: '' }
    expect(turned([at(0, 'a'), at(1, 'b', fixed), at(2, 'c', fixed)])).toEqual([
      'a goes',
      'b waits until 50',
      'c waits until 100',
    ])
  })

  it('lets the severest go first, whoever asks, and of equal ones the oldest', () => {
    expect(
      turned([
        at(0, 'a'),
        at(1, 'low', { group: '1', severity: 2 }),
        at(2, 'high', { group: '2', severity: 4 }),
        at(3, 'high too', { group: '3', severity: 4 }),
        at(50, 'low', { group: '1', severity: 2, since: 1 }),
        at(100, 'low', { group: '1', severity: 2, since: 1 }),
        at(150, 'low', { group: '1', severity: 2, since: 1 }),
      ]),
    ).toEqual([
      'a goes',
      'low waits until 50',
      'high waits until 50',
      'high too waits until 100',
      'high goes',
      'low waits until 150',
      'high too goes',
      'low waits until 150',
      'low goes',
    ])
  })

  it('is as severe as the severest that it gathered', () => {
    expect(
      turned([
        at(0, 'a'),
        at(1, 'b', { group: '1' }),
        at(2, 'c', { group: '2', severity: 1 }),
        at(3, 'd', { group: '1', severity: 5 }),
        at(50, 'c', { group: '2', severity: 1 }),
      ]).slice(-2),
    ).toEqual(['b goes', 'c waits until 100'])
  })

  it('lets nothing go that may not go for another reason', () => {
    expect(
      turned(
        [at(0, 'a'), at(1, 'b', { group: '1', severity: 5 }), at(2, 'c', { group: '2' }), at(50, 'c', { group: '2' })],
        {
          mayGo: (id) => id !== 'b',
        },
      ).slice(-1),
    ).toEqual(['c goes'])
  })

  it('waits for a shared limit where the recipient has none', () => {
    const shared = { rule: null, sharedAt: 70 }
    expect(
      turned([at(0, 'a', {}, shared), at(1, 'b', {}, shared), at(70, 'a', {}, { rule: null, sharedAt: 70 })]),
    ).toEqual(['a waits until 70', 'b into a', 'a goes'])
  })

  it('keeps recipients apart', () => {
    expect(turned([at(0, 'a'), at(0, 'b', { group: 'other' })], { keyOf: ({ letter: { group } }) => group })).toEqual([
      'a goes',
      'b goes',
    ])
  })

  it('asks to be woken when the next may pass, and keeps nothing of what has passed without a limit', () => {
    const store = openStore<Turnstile>()
    const source = new Subject<AtTurnstile>()
    source.pipe(rateLimit(store, options)).subscribe()
    source.next(at(0, 'a', {}, { rule: null, sharedAt: 0 }))
    expect(store.states.size).toBe(0)
    source.next(at(0, 'b'))
    source.next(at(0, 'c'))
    expect(store.calls.at(-1)).toBe('wake soc at 50')
  })

  it('does not make anybody wait for the time by which a clock was set back', () => {
    expect(turned([at(1_000_000, 'a'), at(10, 'b')])).toEqual(['a goes', 'b waits until 60'])
  })
})

describe('a share of a limit', () => {
  it('adds up to the whole, and is nothing where there are more shares than may pass', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 64 }), (most, parts) => {
        const shares = Array.from({ length: parts }, (_, part) => shareOf({ most, perMs: 1, burst: most }, part, parts))
        expect(shares.reduce((sum, share) => sum + (share?.most ?? 0), 0)).toBe(most)
        for (const share of shares) if (share !== null) expect(share.burst).toBeLessThanOrEqual(share.most)
      }),
    )
  })
})

describe('whatever comes when', () => {
  const rules = fc
    .record({ most: fc.integer({ min: 1, max: 12 }), perMs: fc.integer({ min: 10, max: 3000 }), part: fc.nat(100) })
    .map(({ most, perMs, part }): RateRule => ({ most, perMs, burst: Math.max(1, Math.round((most * part) / 100)) }))
  const arrivals = fc.array(
    fc.record({
      gap: fc.oneof(fc.constant(0), fc.nat(400)),
      to: fc.constantFrom('ann', 'bob'),
      group: fc.constantFrom('g', 'h', ''),
      severity: fc.nat(5),
    }),
    { maxLength: 60 },
  )

  /** Plays letters through the turnstiles of two recipients and a limit that they share, as their keeper does. */
  const play = (
    own: RateRule,
    common: RateRule,
    given: readonly { gap: number; to: string; group: string; severity: number }[],
  ) => {
    const waiting = new Map<string, { letter: WaitingLetter; to: string; due: number; holds: string[] }>()
    const passed: {
      id: string
      to: string
      now: number
      holds: readonly string[]
      severity: number
      left: readonly number[]
    }[] = []
    let bucket: Bucket = fullBucket
    let now = 1_000_000
    const source = new Subject<AtTurnstile & { to: string }>()
    const outputs = source.pipe(
      rateLimit(openStore<Turnstile>(), {
        keyOf: (each) => waiting.get(each.letter.id)?.to ?? '',
        mayGo: (id) => waiting.has(id),
        waits: () => true,
        mostGathered: 4,
      }),
    )
    outputs.subscribe((one) => {
      const entry = waiting.get(one.letter)
      if (entry === undefined) throw new Error(`${one.letter} is gone`)
      if (one.is === 'waiting') {
        const turn = queued(common, bucket, now)
        if (freeAt(common, bucket, now) > now) bucket = turn.bucket
        entry.due = Math.max(one.until, freeAt(common, bucket, now) > now ? turn.turn : now)
        return
      }
      waiting.delete(one.letter)
      if (one.is === 'joining') {
        const into = waiting.get(one.into)
        into?.holds.push(...entry.holds)
        if (into !== undefined)
          into.letter = {
            ...into.letter,
            severity: Math.max(into.letter.severity, entry.letter.severity),
            size: into.letter.size + entry.letter.size,
          }
        return
      }
      bucket = taken(common, bucket, now)
      const left = [...waiting.values()].filter(({ to, letter: { since } }) => to === entry.to && since < now)
      passed.push({
        id: one.letter,
        to: entry.to,
        now,
        holds: entry.holds,
        severity: entry.letter.severity,
        left: left.map(({ letter: each }) => each.severity),
      })
    })
    const ask = (id: string) => {
      const entry = waiting.get(id)
      if (entry !== undefined)
        source.next({ letter: entry.letter, rule: own, sharedAt: freeAt(common, bucket, now), now, to: entry.to })
    }
    const runTo = (end: number) => {
      for (;;) {
        const next = [...waiting].filter(([, { due }]) => due <= end).toSorted(([, a], [, b]) => a.due - b.due)[0]
        if (next === undefined) break
        now = Math.max(now, next[1].due)
        const before = next[1].due
        const count = passed.length
        ask(next[0])
        expect(passed.length > count || (waiting.get(next[0])?.due ?? Infinity) > before).toBe(true)
      }
      now = end
    }
    given.forEach(({ gap, to, group, severity }, n) => {
      runTo(now + gap)
      const id = `l${n}`
      waiting.set(id, { letter: letter(id, { group, severity, since: now }), to, due: now, holds: [id] })
      ask(id)
    })
    runTo(now + 1e7)
    return passed
  }
  const mostIn = (times: readonly number[], perMs: number): number =>
    Math.max(0, ...times.map((from) => times.filter((time) => time >= from && time < from + perMs).length))

  it('no more than the limit pass in any span of its time, of one recipient and of all', () => {
    fc.assert(
      fc.property(rules, rules, arrivals, (own, common, given) => {
        const passed = play(own, common, given)
        expect(
          mostIn(
            passed.map(({ now }) => now),
            common.perMs,
          ),
        ).toBeLessThanOrEqual(common.most)
        for (const name of ['ann', 'bob'])
          expect(
            mostIn(
              passed.filter(({ to }) => to === name).map(({ now }) => now),
              own.perMs,
            ),
          ).toBeLessThanOrEqual(own.most)
      }),
    )
  })

  it('everything passes, once', () => {
    fc.assert(
      fc.property(rules, rules, arrivals, (own, common, given) => {
        const told = play(own, common, given).flatMap(({ holds }) => holds)
        expect(told.toSorted()).toEqual(given.map((_, n) => `l${n}`).toSorted())
      }),
    )
  })

  it('nothing of a recipient waits that is severer than what goes', () => {
    fc.assert(
      fc.property(rules, rules, arrivals, (own, common, given) => {
        for (const { severity, left } of play(own, common, given))
          expect(Math.max(0, ...left)).toBeLessThanOrEqual(severity)
      }),
    )
  })
})
