import { map, type MonoTypeOperatorFunction } from 'rxjs'
import type { Judgement } from './judgement.ts'

/** Looks at an event and may overrule all objections to it. */
export interface Override<E> {
  readonly name: string
  appliesTo(event: E): boolean
}

/** Names the override on each event that it applies to; every event passes on. */
export const overruleFor = <E>(override: Override<E>): MonoTypeOperatorFunction<Judgement<E>> =>
  map((judgement) =>
    override.appliesTo(judgement.event)
      ? { ...judgement, overruledBy: [...judgement.overruledBy, override.name] }
      : judgement,
  )
