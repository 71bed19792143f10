/** The channel of messages in Velociraptor's own GUI; no mail channel can have this name. */
export const inAppChannel = 'in-app messages'
