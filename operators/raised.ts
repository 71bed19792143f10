import { map, type MonoTypeOperatorFunction } from 'rxjs'
import { isStanding, type Judgement } from './judgement.ts'

/** Marks each event that is to be told as one of which an alert is made. */
export const raised = <E>(): MonoTypeOperatorFunction<Judgement<E>> =>
  map((judgement) => (isStanding(judgement) ? { ...judgement, raises: true } : judgement))
