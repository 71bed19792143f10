import type { FlowEvent } from '../../schemas/generated.ts'
import type { Pattern } from '../../schemas/pattern.ts'
import { hasRows, hasUploads } from '../flow-facts.ts'
import type { Override } from '../overrule-for.ts'

const isLabelled = (pattern: Pattern, { client, hunt }: FlowEvent): boolean =>
  !pattern.isBlank && (pattern.matches(client.labels) || pattern.matches(hunt?.tags ?? []))

/** Applies to flows with rows whose client label or hunt tag matches. */
export const labelledResults = (pattern: Pattern): Override<FlowEvent> => ({
  name: 'results label',
  appliesTo: (event) => isLabelled(pattern, event) && hasRows(event),
})

/** Applies to flows with uploads whose client label or hunt tag matches. */
export const labelledUploads = (pattern: Pattern): Override<FlowEvent> => ({
  name: 'uploads label',
  appliesTo: (event) => isLabelled(pattern, event) && hasUploads(event),
})
