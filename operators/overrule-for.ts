import { map, type MonoTypeOperatorFunction } from 'rxjs'
import type { Judgement } from './judgement.ts'

/** Looks at an event and may overrule all objections to it. */
export interface Override<E> {
  readonly name: string
  appliesTo(event: E): boolean
}

/** Names the overrides on each event that they apply to, in their order; every event passes on. */
export const overruleFor = <E>(...overrides: readonly Override<E>[]): MonoTypeOperatorFunction<Judgement<E>> =>
  map((judgement) => {
    let names: string[] | undefined
    for (const override of overrides) if (override.appliesTo(judgement.event)) (names ??= []).push(override.name)
    return names === undefined ? judgement : { ...judgement, overruledBy: [...judgement.overruledBy, ...names] }
  })
