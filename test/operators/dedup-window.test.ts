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
const alarm = (at: number, name = 'A'): Judgement<Alarm> => judgementOf({ id: `${name}${at}`, name, at })
const repeatOf = { event: 'A0', reason: 'within 100 ms' }

operatorContract('dedupWindow', () => dedupWindow(openStore<Mark>(), rule), {
  a: alarm(0),
  b: alarm(1),
  x: alarm(0),
  y: { ...alarm(1), repeatOf },
})

/** Of which event each is a repeat; '' where it is told. */
const repeats = (...alarms: readonly Judgement<Alarm>[]): readonly string[] => {
  const seen: string[] = []
  from(alarms)
    .pipe(dedupWindow(openStore<Mark>(), rule))
    .subscribe((judgement) => seen.push(judgement.repeatOf?.event ?? ''))
  return seen
}

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

  it('is joined by a late event only when its time lies inside, and is not moved by it', () => {
    expect(repeats(alarm(50), alarm(10), alarm(149), alarm(150))).toEqual(['', '', 'A50', ''])
  })

  it('is not opened by what was objected to', () => {
    const objected = { ...alarm(0), objections: [{ by: 'severity', reason: 'low' }] }
    expect(repeats(objected, alarm(1), alarm(2))).toEqual(['', '', 'A1'])
  })
})
