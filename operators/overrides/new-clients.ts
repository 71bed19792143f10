import type { FlowEvent } from '../../schemas/generated.ts'
import type { Pattern } from '../../schemas/pattern.ts'
import { isNewClient } from '../flow-facts.ts'
import type { Override } from '../overrule-for.ts'

export interface NewClientRule {
  /** One requested artifact must match; blank: never. */
  readonly artifacts: Pattern
  /** Seconds; a client younger than this is new. */
  readonly thresholdS: number
}

/** Applies to flows of clients that have just enrolled. */
export const newClients = ({ artifacts, thresholdS }: NewClientRule): Override<FlowEvent> => ({
  name: 'new client',
  appliesTo: (event) => !artifacts.isBlank && isNewClient(event, thresholdS) && artifacts.matches(event.flow.artifacts),
})
