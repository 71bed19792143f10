import { type Outbox, replyOfCode, SERVER_DOWN } from '../../connectors/mail/outbox.ts'
import type { StandInWorld } from '../../connectors/velociraptor/stand-in/world.ts'
import type { Clock } from '../../schemas/time.ts'
import type { RehearsedRelay } from './rehearsed-relay.ts'
import type { FaultEntry } from './scenario.ts'
import { beginServerFault } from './server-fault.ts'

export interface FaultTerms {
  readonly world: StandInWorld
  readonly outbox: Outbox
  readonly relay: RehearsedRelay
  readonly clock: Clock
}

/** Lets something go wrong, and be well again when its time is over. */
export const beginFault = (entry: FaultEntry, { world, outbox, relay, clock }: FaultTerms): void => {
  const { fault, until, times, to, code } = entry
  const bounds = { ...(until === null ? {} : { until }), ...(times === null ? {} : { times }) }
  // A scenario is not over before its faults are, even if nobody else waits for that.
  if (until !== null) clock.at(until, () => (fault === 'relay-down' ? relay.start() : undefined))
  switch (fault) {
    case 'smtp-down':
      return outbox.inject({ reply: SERVER_DOWN, ...bounds })
    case 'smtp-reply':
      return outbox.inject({ reply: replyOfCode(code), ...(to === null ? {} : { to }), ...bounds })
    case 'relay-down':
      return relay.stop()
    default:
      beginServerFault(world, entry)
  }
}
