import type { AlertEvent } from '../../schemas/generated.ts'
import { ownKindOf } from '../../schemas/own-alerts.ts'
import type { Filter } from '../object-to.ts'

/** Objects to the relay's signs of life: nobody is told them but those whom `heartbeat:` names. */
export const ownFilter: Filter<AlertEvent> = (event) =>
  ownKindOf(event) === 'heartbeat' ? { by: 'own', reason: 'signs of life go to those whom heartbeat: names' } : null
