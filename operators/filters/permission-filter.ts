import type { FlowEvent } from '../../schemas/generated.ts'
import type { Pattern } from '../../schemas/pattern.ts'
import type { Filter } from '../object-to.ts'
import { listed } from './listed.ts'

export interface PermissionRule {
  /** At least one requested artifact must require a matching permission; blank: any flow. */
  readonly alertOn: Pattern
}

/** Objects to flows whose artifacts require no matching permission. An unknown artifact requires none. */
export const permissionFilter =
  ({ alertOn }: PermissionRule): Filter<FlowEvent> =>
  ({ definitions }) => {
    if (alertOn.isBlank) return null
    const required: string[] = []
    for (const { required_permissions } of definitions) required.push(...required_permissions)
    if (alertOn.matches(required)) return null
    const unknown = definitions.filter(({ known }) => !known).map(({ name }) => name)
    const note = unknown.length === 0 ? '' : `; no definition of ${listed(unknown)}`
    return { by: 'permission', reason: `no required permission matches ${alertOn.text}: ${listed(required)}${note}` }
  }
