import type { OutgoingMail } from '../../connectors/mail/mail.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { Notice } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { batchLetter } from '../letters/batch-letter.ts'
import { composeMail } from '../letters/compose.ts'
import { letterOf } from '../letters/letter-of.ts'
import { lookUpLetterFacts } from './letter-facts.ts'
import type { OpenChannel } from './claim.ts'

export interface ComposeOptions {
  readonly velociraptor: Velociraptor
  readonly guiUrl: string
}

export interface ComposeTerms {
  readonly messageId: string
  readonly now: EpochMs
  readonly channel: OpenChannel
}

/** Writes the letter of one notice, or of several to the same recipient; what stands only on the server (uploads, results) is fetched now. */
export const composeNotices =
  ({ velociraptor, guiUrl }: ComposeOptions) =>
  async (notices: readonly Notice[], { messageId, now, channel }: ComposeTerms): Promise<OutgoingMail> => {
    const [notice] = notices
    if (notice === undefined) throw new TypeError('a letter without a notice')
    const terms = {
      html: notice.flow_letter?.html ?? true,
      messageId,
      from: notice.sender ?? channel.from,
      to: notice.recipient,
      date: now,
      monitor: notice.monitor,
    }
    if (notices.length > 1)
      return composeMail(batchLetter(notices, { now, guiUrl }), { ...terms, event: `${notices.length} events` })
    const { attachments, ...facts } = await lookUpLetterFacts(velociraptor, notice)
    const letter = letterOf(notice, { now, guiUrl, ...facts })
    return composeMail(letter, { ...terms, event: notice.flow?.id ?? '', attachments })
  }
