import fc from 'fast-check'
import { from } from 'rxjs'
import { describe, expect, it } from 'vitest'
import {
  type CountedWindowRule,
  countedWindow,
  dedupMs,
  mostSuppressedClients,
} from '../../operators/counted-window.ts'
import { dedupWindow } from '../../operators/dedup-window.ts'
import { type Judgement, judgementOf } from '../../operators/judgement.ts'
import type { Mark, Suppression } from '../../schemas/generated.ts'
import { operatorContract } from './operator.contract.ts'
import { openStore } from './state-store.ts'

interface Trouble {
  readonly id: string
  readonly artifact: string
  readonly severity: string
  readonly client: string
  readonly at: number
}
const minute = 60_000
const hour = 60 * minute
const rule: CountedWindowRule<Trouble> = {
  windowMs: hour,
  keyOf: ({ artifact, severity }) => JSON.stringify([artifact, severity]),
  idOf: ({ id }) => id,
  timeOf: ({ at }) => at,
  clientOf: ({ client }) => client,
  reason: 'within an hour',
}
const trouble = (at: number, { artifact = 'X', severity = 'medium', client = 'C.1' } = {}): Judgement<Trouble> => ({
  ...judgementOf({ id: `${client}@${at}`, artifact, severity, client, at }),
  raises: true,
})

operatorContract('countedWindow', () => countedWindow(openStore<Suppression>(), rule), {
  a: trouble(0),
  b: trouble(1, { client: 'C.2' }),
  x: trouble(0),
  y: { ...trouble(1, { client: 'C.2' }), repeatOf: { event: 'C.1@0', reason: 'within an hour' } },
})

const judged = (troubles: readonly Judgement<Trouble>[], store = openStore<Suppression>()) => {
  const seen: Judgement<Trouble>[] = []
  from(troubles)
    .pipe(countedWindow(store, rule))
    .subscribe((judgement) => seen.push(judgement))
  return seen
}
/** Of each: told, or what it is a repeat of, and what was suppressed before it. */
const told = (...troubles: readonly Judgement<Trouble>[]): readonly string[] =>
  judged(troubles).map(({ repeatOf, suppressed }) =>
    repeatOf === null
      ? `told${suppressed === null ? '' : ` after ${suppressed.count} of ${suppressed.clients.join()}`}`
      : repeatOf.event,
  )

describe('countedWindow', () => {
  it('EM-09: tells the first at once, and the next one after the window says how many were not told', () => {
    expect(told(trouble(0), trouble(30 * minute), trouble(61 * minute), trouble(122 * minute))).toEqual([
      'told',
      'C.1@0',
      'told after 1 of C.1',
      'told',
    ])
  })

  it('EM-11: keeps severities apart', () => {
    expect(told(trouble(0), trouble(5 * minute, { severity: 'high' }), trouble(6 * minute))).toEqual([
      'told',
      'told',
      'C.1@0',
    ])
  })

  it('EM-18: holds the same error of another client back, and names that client with the next one', () => {
    const events = [trouble(0), trouble(5 * minute, { client: 'C.2' }), trouble(hour, { client: 'C.3' })]
    expect(told(...events)).toEqual(['told', 'C.1@0', 'told after 1 of C.2'])
  })

  it('names each client once, however often it came', () => {
    const events = [1, 2, 3, 4].map((n) => trouble(n, { client: `C.${n % 2}` }))
    expect(told(trouble(0), ...events, trouble(hour)).at(-1)).toBe('told after 4 of C.1,C.0')
  })

  it('names a hundred clients at most, and says that there were more', () => {
    const many = Array.from({ length: 250 }, (_, n) => trouble(n + 1, { client: `C.${n % 200}` }))
    const few = many.slice(0, mostSuppressedClients)
    const suppressedBy = (events: readonly Judgement<Trouble>[]) =>
      judged([trouble(0), ...events, trouble(hour)]).at(-1)?.suppressed
    expect(suppressedBy(few)).toMatchObject({ count: 100, isMore: false })
    expect(suppressedBy(many)).toMatchObject({ count: 250, isMore: true })
    expect(suppressedBy(many)?.clients).toEqual(suppressedBy(few)?.clients)
  })

  it('lists nobody for events that are nobody’s', () => {
    const own = { client: '' }
    expect(told(trouble(0, own), trouble(1, own), trouble(hour, own)).at(-1)).toBe('told after 1 of ')
  })

  it('counts nothing that a filter objected to', () => {
    const objected = { ...trouble(1), objections: [{ by: 'message', reason: 'no' }] }
    expect(told(trouble(0), objected, trouble(hour))).toEqual(['told', 'told', 'told'])
  })

  it('goes on counting where its stream ended', () => {
    const store = openStore<Suppression>()
    judged([trouble(0), trouble(1)], store)
    judged([trouble(2, { client: 'C.2' })], store)
    expect(judged([trouble(hour)], store)[0]?.suppressed).toEqual({ count: 2, clients: ['C.1', 'C.2'], isMore: false })
  })

  it('accounts for every event: told, or counted by the next that is told, or still to be counted', () => {
    const events = fc.array(
      fc.record({
        at: fc.nat(5 * 60),
        artifact: fc.constantFrom('X', 'Y'),
        client: fc.constantFrom('C.1', 'C.2', 'C.3'),
        severity: fc.constantFrom('low', 'high'),
      }),
      { maxLength: 60 },
    )
    fc.assert(
      fc.property(events, (given) => {
        const store = openStore<Suppression>()
        const troubles = given.map(({ at, ...rest }) => trouble(at * minute, rest))
        const results = judged(troubles, store)
        const repeats = results.filter(({ repeatOf }) => repeatOf !== null)
        const counted = results.reduce((sum, { suppressed }) => sum + (suppressed?.count ?? 0), 0)
        const pending = [...store.states.values()].reduce((sum, { count }) => sum + count, 0)
        expect(counted + pending).toBe(repeats.length)
        const held = new Map<string, string[]>()
        for (const { event, repeatOf, suppressed } of results) {
          const key = rule.keyOf(event)
          const waiting = held.get(key) ?? []
          if (repeatOf === null) {
            expect(suppressed?.count ?? 0).toBe(waiting.length)
            expect(suppressed?.clients ?? []).toEqual([...new Set(waiting)])
          }
          held.set(key, repeatOf === null ? [] : [...waiting, event.client])
        }
      }),
    )
  })

  it('tells and holds back what dedupWindow does', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300), { maxLength: 40 }), (times) => {
        const troubles = times.map((at) => trouble(at * minute))
        const plain: (string | undefined)[] = []
        from(troubles)
          .pipe(dedupWindow(openStore<Mark>(), rule))
          .subscribe(({ repeatOf }) => plain.push(repeatOf?.event))
        expect(judged(troubles).map(({ repeatOf }) => repeatOf?.event)).toEqual(plain)
      }),
    )
  })
})

describe('a dedup in seconds', () => {
  it('EM-22: means no window where it is negative, so that every line passes', () => expect(dedupMs(-1)).toBe(null))
  it('AL-04: means two hours where it is 0', () => expect(dedupMs(0)).toBe(7_200_000))
  it('means itself otherwise', () => expect(dedupMs(3600)).toBe(3_600_000))
})
