import type { ComposeTerms } from './claim.ts'
import type { Attachment } from '../../connectors/mail/mail.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { Letter } from '../letters/letter.ts'

export interface ComposeOptions {
  readonly velociraptor: Velociraptor
  readonly guiUrl: string
}

export type LetterTerms = ComposeOptions & Pick<ComposeTerms, 'now' | 'mostAttachedBytes'>

/** What notices come to, before it is a message to somebody. */
export interface Composed {
  readonly letter: Letter
  /** false: the text part alone. */
  readonly html: boolean
  readonly attachments: readonly Attachment[]
}
