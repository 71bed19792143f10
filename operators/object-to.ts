import { map, type MonoTypeOperatorFunction } from 'rxjs'
import type { Objection } from '../schemas/generated.ts'
import type { Judgement } from './judgement.ts'

/** Looks at an event and may object, with a sentence that holds the compared values. */
export type Filter<E> = (event: E) => Objection | null

/** Adds the filter's objection to each event that it objects to; every event passes on. */
export const objectTo = <E>(filter: Filter<E>): MonoTypeOperatorFunction<Judgement<E>> =>
  map((judgement) => {
    const objection = filter(judgement.event)
    return objection === null ? judgement : { ...judgement, objections: [...judgement.objections, objection] }
  })
