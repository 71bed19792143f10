import { map, type MonoTypeOperatorFunction } from 'rxjs'
import type { Objection } from '../schemas/generated.ts'
import type { Judgement } from './judgement.ts'

/** Looks at an event and may object, with a sentence that holds the compared values. */
export type Filter<E> = (event: E) => Objection | null

/** Adds the filters' objections to each event that they object to, in the order of the filters; every event passes on. */
export const objectTo = <E>(...filters: readonly Filter<E>[]): MonoTypeOperatorFunction<Judgement<E>> =>
  map((judgement) => {
    let raised: Objection[] | undefined
    for (const filter of filters) {
      const objection = filter(judgement.event)
      if (objection !== null) (raised ??= []).push(objection)
    }
    return raised === undefined ? judgement : { ...judgement, objections: [...judgement.objections, ...raised] }
  })
