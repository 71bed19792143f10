import type { Notice } from '../../schemas/generated.ts'
import { flowLetter } from './flow-letter.ts'
import type { LetterContext } from './flow-letter.ts'
import type { Letter } from './letter.ts'

/** The letter about what a notice tells; throws TypeError for a notice that tells nothing. */
export function letterOf(notice: Notice, context: LetterContext): Letter {
  if (notice.flow !== null) return flowLetter(notice, context)
  throw new TypeError(`the notice ${notice.id} tells nothing`)
}
