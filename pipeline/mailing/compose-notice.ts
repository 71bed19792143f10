import type { OutgoingMail } from '../../connectors/mail/mail.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { Notice } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
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

/** Writes the letter of a notice; what stands only on the server (uploads, results) is fetched now. */
export const composeNotice =
  ({ velociraptor, guiUrl }: ComposeOptions) =>
  async (notice: Notice, { messageId, now, channel }: ComposeTerms): Promise<OutgoingMail> => {
    const { attachments, ...facts } = await lookUpLetterFacts(velociraptor, notice)
    return composeMail(letterOf(notice, { now, guiUrl, ...facts }), {
      html: notice.flow_letter?.html ?? true,
      messageId,
      from: notice.sender ?? channel.from,
      to: notice.recipient,
      date: now,
      monitor: notice.monitor,
      event: notice.flow?.id ?? '',
      attachments,
    })
  }
