import type { OutgoingMail } from '../../connectors/mail/mail.ts'
import { openOutbox } from '../../connectors/mail/outbox.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { Notice } from '../../schemas/generated.ts'
import type { Clock } from '../../schemas/time.ts'
import type { Configuration } from '../config/configuration.ts'
import { inAppChannel, nobody } from '../monitors/in-app-channel.ts'
import { composeNotices } from './compose-notices.ts'

export interface UnsentTerms {
  readonly configuration: Configuration
  /** Asked for uploads and results; what it does not give is remarked in the letter. */
  readonly velociraptor: Velociraptor
  readonly clock: Clock
}

/** The letter or in-app message of notices to one recipient as it would be sent; `id`: the left part of its Message-ID. null: its mail channel is gone. */
export const composeUnsent = async (
  notices: readonly Notice[],
  id: string,
  { configuration, velociraptor, clock }: UnsentTerms,
): Promise<OutgoingMail | null> => {
  const name = notices[0]?.channel
  const from = name === inAppChannel ? nobody : configuration.channels.find((channel) => channel.name === name)?.from
  if (name === undefined || from === undefined) return null
  const domain = from.address.slice(from.address.lastIndexOf('@') + 1)
  return composeNotices({ velociraptor, guiUrl: configuration.velociraptor.guiUrl })(notices, {
    messageId: `<${encodeURIComponent(id)}@${domain}>`,
    now: clock.now(),
    channel: { name, from, sink: openOutbox({ clock }) },
  })
}
