import type { FlowEvent } from '../../schemas/generated.ts'
import type { Filter } from '../object-to.ts'

/** Objects to collections that the server made on itself. */
export const serverFilter = (): Filter<FlowEvent> => (event) =>
  event.client.id === 'server' ? { by: 'server', reason: 'the collection ran on the server itself' } : null
