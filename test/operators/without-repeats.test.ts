import { from, map } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { type Judgement, judgementOf, repeating } from '../../operators/judgement.ts'
import { type RepeatRule, withoutRepeats } from '../../operators/without-repeats.ts'
import type { Mark } from '../../schemas/generated.ts'
import { operatorContract } from './operator.contract.ts'
import { openStore } from './state-store.ts'

interface Completion {
  readonly id: string
  readonly flow: string
  readonly at: number
}
const rule: RepeatRule<Completion> = {
  identityOf: ({ flow }) => flow,
  idOf: ({ id }) => id,
  timeOf: ({ at }) => at,
  reason: 'completed again',
}
const toSoc = (event: Completion): Judgement<Completion> => ({
  ...judgementOf(event),
  recipients: [{ address: 'soc@example.org', name: '' }],
})
const first = toSoc({ id: 'F/1', flow: 'F', at: 1 })
const again = toSoc({ id: 'F/2', flow: 'F', at: 2 })
const other = toSoc({ id: 'G/2', flow: 'G', at: 2 })
const repeatOf = { event: 'F/1', reason: 'completed again' }

operatorContract('withoutRepeats', () => withoutRepeats(openStore<Mark>(), rule), {
  a: first,
  b: again,
  x: first,
  y: { ...again, recipients: [], repeatOf },
})

const judged = (store = openStore<Mark>(), ...judgements: readonly Judgement<Completion>[]) => {
  const seen: Judgement<Completion>[] = []
  from(judgements)
    .pipe(withoutRepeats(store, rule))
    .subscribe((judgement) => seen.push(judgement))
  return seen
}

describe('withoutRepeats', () => {
  it('tells events of other identities', () => {
    expect(judged(openStore(), first, other)).toEqual([first, other])
  })

  it('names the event that was told, also for the third of its kind', () => {
    expect(judged(openStore(), first, again, again).map((judgement) => judgement.repeatOf?.event)).toEqual([
      undefined,
      'F/1',
      'F/1',
    ])
  })

  it('remembers what was told when and by which event', () => {
    const store = openStore<Mark>()
    judged(store, first)
    expect(store.states).toEqual(new Map([['F', { event: 'F/1', at: 1 }]]))
  })

  it('does not remember what was objected to: a later completion is told', () => {
    const objected = { ...first, objections: [{ by: 'delay', reason: 'too soon' }] }
    expect(judged(openStore(), objected, again)).toEqual([objected, again])
  })

  it('does not remember what nobody was told of: a later completion is told', () => {
    const toNobody = { ...first, recipients: [] }
    expect(judged(openStore(), toNobody, again)).toEqual([toNobody, again])
  })

  it('does not mark as a repeat what is not told anyway', () => {
    const objected = { ...again, objections: [{ by: 'delay', reason: 'too soon' }] }
    expect(judged(openStore(), first, objected)).toEqual([first, objected])
  })

  it('does not remember what nobody is told of: a later completion is told', () => {
    const lonely = { ...first, recipients: [] }
    expect(judged(openStore(), lonely, again)).toEqual([lonely, again])
  })

  it('does not remember what a window keeps silent: a later completion is told', () => {
    const store = openStore<Mark>()
    const silent = { event: 'E/1', reason: 'like one told before' }
    const window = map((judgement: Judgement<Completion>) =>
      judgement.event.at < 2 ? repeating(judgement, silent) : judgement,
    )
    const seen: Judgement<Completion>[] = []
    from([first, again, again])
      .pipe(withoutRepeats(store, rule, window))
      .subscribe((judgement) => seen.push(judgement))
    expect(seen.map((judgement) => judgement.repeatOf)).toEqual([
      silent,
      null,
      { event: 'F/2', reason: 'completed again' },
    ])
  })

  it('remembers what an override let through', () => {
    const overruled = { ...first, objections: [{ by: 'hunt', reason: 'of a hunt' }], overruledBy: ['new client'] }
    expect(judged(openStore(), overruled, again).at(1)?.repeatOf).toEqual(repeatOf)
  })

  it('does not disturb a mark for a repeat', () => {
    const store = openStore<Mark>()
    judged(store, first, again)
    expect(store.calls).toEqual(['put F at 1'])
  })
})
