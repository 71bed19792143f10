import type { OpenChannel } from './claim.ts'
import type { Attachment } from '../../connectors/mail/mail.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { Letter } from '../letters/letter.ts'

export interface ComposeOptions {
  readonly velociraptor: Velociraptor
  readonly guiUrl: string
}

export interface LetterTerms extends ComposeOptions {
  readonly now: EpochMs
}

/** What notices come to, before it is a message to somebody. */
export interface Composed {
  readonly letter: Letter
  /** false: the text part alone. */
  readonly html: boolean
  readonly attachments: readonly Attachment[]
}

/** What one letter is written with. */
export interface ComposeTerms {
  readonly messageId: string
  readonly now: EpochMs
  readonly channel: OpenChannel
}
