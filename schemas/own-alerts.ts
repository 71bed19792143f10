import type { AlertEvent } from './generated.ts'

/** How the relay calls itself in letters. */
export const ownName = 'raptor-relay'
/** The artifact that alerts of the relay itself name. */
export const ownArtifact = 'relay'
/** Alerts of its own trouble have names that begin so. */
export const troublePrefix = 'raptor-relay: '
/** The name of its sign of life. */
export const heartbeatName = 'raptor-relay heartbeat'
/** The name of the end of a trouble begins so. */
export const troubleOverPrefix = `${troublePrefix}over: `

type Speaker = Pick<AlertEvent, 'artifact' | 'reported_by' | 'name'>

/** Whether the relay itself speaks: an endpoint may borrow the names of these alerts, but never speaks for the server. */
export const isOwnAlert = ({ artifact, reported_by }: Speaker): boolean =>
  reported_by === 'server' && artifact === ownArtifact

/** Whether it tells of a trouble that has begun. */
export const isOwnTrouble = (event: Speaker): boolean =>
  isOwnAlert(event) && event.name.startsWith(troublePrefix) && !event.name.startsWith(troubleOverPrefix)

/** What the relay tells of itself. */
export type OwnKind = 'trouble' | 'heartbeat'

/** Which of these an alert is; null: none, also where an endpoint borrowed the name. */
export const ownKindOf = (event: Speaker): OwnKind | null => {
  if (!isOwnAlert(event)) return null
  if (event.name === heartbeatName) return 'heartbeat'
  return event.name.startsWith(troublePrefix) ? 'trouble' : null
}
