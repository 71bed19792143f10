/** The artifact that alerts of the relay itself name. */
export const ownArtifact = 'relay'
/** Alerts of its own trouble have names that begin so. */
export const troublePrefix = 'raptor-relay: '
/** The name of its sign of life. */
export const heartbeatName = 'raptor-relay heartbeat'
