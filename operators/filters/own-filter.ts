import type { AlertEvent } from '../../schemas/generated.ts'
import { heartbeatName, ownArtifact, troublePrefix } from '../../schemas/own-alerts.ts'
import type { Filter } from '../object-to.ts'

/** What a monitor tells of the relay itself: its trouble alone, its signs of life alone, or all but these. */
export type OwnRule = 'trouble' | 'heartbeat' | 'all but heartbeats'

const reasons: Readonly<Record<OwnRule, string>> = {
  trouble: "it is no trouble of the relay's own",
  heartbeat: 'it is no sign of life of the relay',
  'all but heartbeats': 'signs of life go to those whom heartbeat: names',
}

/** Objects by whether the relay itself speaks. An endpoint may borrow the names of these alerts, but never speaks for the server. */
export const ownFilter =
  (rule: OwnRule): Filter<AlertEvent> =>
  ({ name, artifact, reported_by }) => {
    const isOwn = reported_by === 'server' && artifact === ownArtifact
    const isHeartbeat = isOwn && name === heartbeatName
    const isTrouble = isOwn && name.startsWith(troublePrefix)
    const passes = { trouble: isTrouble, heartbeat: isHeartbeat, 'all but heartbeats': !isHeartbeat }[rule]
    return passes ? null : { by: 'own', reason: reasons[rule] }
  }
