import type { AlertEvent } from '../../schemas/generated.ts'
import { heartbeatName, isOwnAlert, troublePrefix } from '../../schemas/own-alerts.ts'
import type { Filter } from '../object-to.ts'

/** What a monitor tells of the relay itself: its trouble alone, its signs of life alone, or all but these. */
export type OwnRule = 'trouble' | 'heartbeat' | 'all but heartbeats'

const reasons: Readonly<Record<OwnRule, string>> = {
  trouble: "it is no trouble of the relay's own",
  heartbeat: 'it is no sign of life of the relay',
  'all but heartbeats': 'signs of life go to those whom heartbeat: names',
}

/** Objects by whether the relay itself speaks. */
export const ownFilter =
  (rule: OwnRule): Filter<AlertEvent> =>
  (event) => {
    const { name } = event
    const isOwn = isOwnAlert(event)
    const isHeartbeat = isOwn && name === heartbeatName
    const isTrouble = isOwn && name.startsWith(troublePrefix)
    const passes = { trouble: isTrouble, heartbeat: isHeartbeat, 'all but heartbeats': !isHeartbeat }[rule]
    return passes ? null : { by: 'own', reason: reasons[rule] }
  }
