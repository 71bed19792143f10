import type { FlowEvent } from '../../schemas/generated.ts'
import type { Pattern } from '../../schemas/pattern.ts'
import type { Filter } from '../object-to.ts'
import { listed } from './listed.ts'

export interface LabelRule {
  /** A labelled client needs one matching label; an unlabelled one passes; blank: any. */
  readonly alertOn: Pattern
  /** Any matching label objects; blank: none. */
  readonly ignore: Pattern
}

/** Objects to flows by the labels of their client. */
export const labelFilter =
  ({ alertOn, ignore }: LabelRule): Filter<FlowEvent> =>
  ({ client: { labels } }) => {
    if (!alertOn.isBlank && labels.length > 0 && !alertOn.matches(labels))
      return { by: 'label', reason: `no label of the client matches ${alertOn.text}: ${listed(labels)}` }
    if (!ignore.isBlank && ignore.matches(labels)) {
      const matching = labels.filter((label) => ignore.matches(label))
      return { by: 'label', reason: `the client has a label that matches ${ignore.text}: ${listed(matching)}` }
    }
    return null
  }
