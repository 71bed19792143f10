import type { OutgoingMail } from '../../connectors/mail/mail.ts'
import type { Notice } from '../../schemas/generated.ts'
import { aboutNotice, kindOfNotice } from '../kinds/kinds.ts'
import { composeMail } from '../letters/compose.ts'
import { inAppChannel } from '../monitors/in-app-channel.ts'
import { composeMessage } from './compose-message.ts'
import type { ComposeTerms } from './claim.ts'
import type { ComposeOptions } from './composed.ts'

/** Writes the letter of one notice, or of several of one kind to the same recipient; what stands only on the server is fetched now. */
export const composeNotices =
  (options: ComposeOptions) =>
  async (notices: readonly Notice[], terms: ComposeTerms): Promise<OutgoingMail> => {
    const { messageId, now, channel } = terms
    const [notice, ...more] = notices
    if (notice === undefined) throw new TypeError('a letter without a notice')
    if (notice.channel === inAppChannel) return composeMessage(notices, terms)
    const kind = kindOfNotice(notice)
    if (kind === null) throw new TypeError(`the notice ${notice.id} tells nothing`)
    const { letter, html, attachments } = await kind.with(({ compose }) =>
      compose([notice, ...more], { ...options, ...terms }),
    )
    return composeMail(letter, {
      html,
      messageId,
      from: notice.sender ?? channel.from,
      to: notice.recipient,
      date: now,
      monitor: notice.monitor,
      event: more.length > 0 ? `${notices.length} events` : aboutNotice(notice).event,
      attachments,
    })
  }
