import type { Mailbox } from '../../connectors/mail/mail.ts'

/** The channel of messages in Velociraptor's own GUI; no mail channel can have this name. */
export const inAppChannel = 'in-app messages'
/** Such messages have no sender. */
export const nobody: Mailbox = { address: '', name: '' }
