import fc from 'fast-check'
import { from } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { dedupWindow, type WindowRule } from '../../operators/dedup-window.ts'
import { type Judgement, judgementOf } from '../../operators/judgement.ts'
import type { Mark } from '../../schemas/generated.ts'
import { operatorContract } from './operator.contract.ts'
import { openStore } from './state-store.ts'

interface Alarm {
  readonly id: string
  readonly name: string
  readonly at: number
}
const rule: WindowRule<Alarm> = {
  windowMs: 100,
  keyOf: ({ name }) => name,
  idOf: ({ id }) => id,
  timeOf: ({ at }) => at,
  reason: 'within 100 ms',
}
const alarm = (at: number, name = 'A'): Judgement<Alarm> => ({
  ...judgementOf({ id: `${name}${at}`, name, at }),
  recipients: [{ address: 'soc@example.org', name: '' }],
})
const repeated = (judgement: Judgement<Alarm>, event: string): Judgement<Alarm> => ({
  ...judgement,
  recipients: [],
  repeatOf: { event, reason: 'within 100 ms' },
})

operatorContract('dedupWindow', () => dedupWindow(openStore<Mark>(), rule), {
  a: alarm(0),
  b: alarm(1),
  x: alarm(0),
  y: repeated(alarm(1), 'A0'),
})

const judged = (
  alarms: readonly Judgement<Alarm>[],
  store = openStore<Mark>(),
): readonly (Judgement<Alarm> & { readonly of: string })[] => {
  const seen: (Judgement<Alarm> & { readonly of: string })[] = []
  from(alarms)
    .pipe(dedupWindow(store, rule))
    .subscribe((judgement) => seen.push({ ...judgement, of: judgement.repeatOf?.event ?? '' }))
  return seen
}
/** Of which event each is a repeat; '' where it is told. */
const repeats = (...alarms: readonly Judgement<Alarm>[]): readonly string[] => judged(alarms).map(({ of }) => of)

describe('dedupWindow', () => {
  it('holds until just before its end', () => {
    expect(repeats(alarm(0), alarm(99), alarm(100))).toEqual(['', 'A0', ''])
  })

  it('is counted from the event that was told, so that a steady stream is told again', () => {
    expect(repeats(alarm(0), alarm(60), alarm(120), alarm(180), alarm(220))).toEqual(['', 'A0', '', 'A120', ''])
  })

  it('keeps keys apart', () => {
    expect(repeats(alarm(0), alarm(1, 'B'), alarm(2))).toEqual(['', '', 'A0'])
  })

  it('holds events of the same moment', () => {
    expect(repeats(alarm(0), alarm(0), alarm(0))).toEqual(['', 'A0', 'A0'])
  })

  it('is joined by a late event only when its time lies inside', () => {
    expect(repeats(alarm(50), alarm(149), alarm(50), alarm(49))).toEqual(['', 'A50', 'A50', ''])
  })

  it('is opened anew after a clock was set back, rather than held for the lost time', () => {
    expect(repeats(alarm(10_000), alarm(20), alarm(21), alarm(120))).toEqual(['', '', 'A20', ''])
  })

  it('is not opened by what was objected to, nor does that count as a repeat', () => {
    const objected = { ...alarm(0), objections: [{ by: 'severity', reason: 'low' }] }
    expect(repeats(objected, alarm(1), objected, alarm(2))).toEqual(['', '', '', 'A1'])
  })

  it('is not opened by what nobody is told of', () => {
    expect(repeats({ ...alarm(0), recipients: [] }, alarm(1), alarm(2))).toEqual(['', '', 'A1'])
  })

  it('is opened by what an override let through', () => {
    const overruled = { ...alarm(0), objections: [{ by: 'delay', reason: 'soon' }], overruledBy: ['new client'] }
    expect(repeats(overruled, alarm(1))).toEqual(['', 'A0'])
  })

  it('outlives its stream in the store, and writes there only when it opens', () => {
    const store = openStore<Mark>()
    judged([alarm(0), alarm(10)], store)
    expect(judged([alarm(99)], store)[0]).toMatchObject({ of: 'A0', recipients: [] })
    expect(store.calls).toEqual(['put A at 0'])
  })

  it('keeps silent only about what lies in the window of an event of its key that was told, whatever comes when', () => {
    const alarms = fc.array(
      fc.record({
        at: fc.nat(500),
        name: fc.constantFrom('A', 'B'),
        mode: fc.constantFrom('told', 'objected', 'nobody'),
      }),
      { maxLength: 40 },
    )
    fc.assert(
      fc.property(alarms, (given) => {
        const told = new Map<string, Alarm>()
        const events = given.map(({ at, name, mode }, n): Judgement<Alarm> => {
          const judgement = { ...alarm(at, name), event: { id: `${n}`, name, at } }
          if (mode === 'nobody') return { ...judgement, recipients: [] }
          return mode === 'told' ? judgement : { ...judgement, objections: [{ by: 'x', reason: '' }] }
        })
        for (const { event, of, recipients, objections } of judged(events)) {
          if (of === '') {
            if (recipients.length > 0 && objections.length === 0) told.set(event.id, event)
            continue
          }
          const opener = told.get(of)
          expect(opener?.name).toBe(event.name)
          expect(event.at - (opener?.at ?? NaN)).toBeGreaterThanOrEqual(0)
          expect(event.at - (opener?.at ?? NaN)).toBeLessThan(rule.windowMs)
        }
      }),
    )
  })

  it('tells events of a key at least a window apart where they come in order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(120), { maxLength: 40 }), (gaps) => {
        let at = 0
        const told = judged(gaps.map((gap) => alarm((at += gap)))).filter(({ of }) => of === '')
        told.slice(1).forEach(({ event }, n) => {
          expect(event.at - (told[n]?.event.at ?? NaN)).toBeGreaterThanOrEqual(rule.windowMs)
        })
      }),
    )
  })
})
