import type { FlowEvent } from '../../schemas/generated.ts'
import type { Pattern } from '../../schemas/pattern.ts'
import { isFailed } from '../flow-facts.ts'
import type { Filter } from '../object-to.ts'
import { listed } from './listed.ts'

export interface ArtifactRule {
  /** At least one requested artifact must match; blank: any. */
  readonly alertOn: Pattern
  /** A flow of exactly one artifact is objected to when it matches; blank: never. */
  readonly ignore: Pattern
  /** Failed flows pass whatever they collected. */
  readonly exceptFailed: boolean
}

/** Objects to flows by the artifacts that they collected. */
export const artifactFilter =
  ({ alertOn, ignore, exceptFailed }: ArtifactRule): Filter<FlowEvent> =>
  (event) => {
    if (exceptFailed && isFailed(event)) return null
    const { artifacts } = event.flow
    if (!alertOn.isBlank && !alertOn.matches(artifacts))
      return { by: 'artifact', reason: `no requested artifact matches ${alertOn.text}: ${listed(artifacts)}` }
    if (!ignore.isBlank && artifacts.length === 1 && ignore.matches(artifacts))
      return {
        by: 'artifact',
        reason: `the only requested artifact ${artifacts[0]} matches ${ignore.text}, which is ignored`,
      }
    return null
  }
