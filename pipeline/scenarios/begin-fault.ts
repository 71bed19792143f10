import { type Outbox, replyOfCode, SERVER_DOWN } from '../../connectors/mail/outbox.ts'
import type { StandInWorld } from '../../connectors/velociraptor/stand-in/world.ts'
import type { Clock } from '../../schemas/time.ts'
import type { RehearsedRelay } from './rehearsed-relay.ts'
import type { FaultEntry } from './scenario.ts'

export interface FaultTerms {
  readonly world: StandInWorld
  readonly outbox: Outbox
  readonly relay: RehearsedRelay
  readonly clock: Clock
}

/** The answer of a slow lookup, ms: late, yet within the time that a lookup is given. */
const slowLookupMs = 20_000

/** Lets something go wrong, and be well again when its time is over. */
export const beginFault = (
  { fault, until, times, to, code }: FaultEntry,
  { world, outbox, relay, clock }: FaultTerms,
): void => {
  const span = { ...(until === null ? {} : { untilMs: until }), ...(times === null ? {} : { times }) }
  const bounds = { ...(until === null ? {} : { until }), ...(times === null ? {} : { times }) }
  // A scenario is not over before its faults are, even if nobody else waits for that.
  if (until !== null) clock.at(until, () => (fault === 'relay-down' ? relay.start() : undefined))
  switch (fault) {
    case 'smtp-down':
      return outbox.inject({ reply: SERVER_DOWN, ...bounds })
    case 'smtp-reply':
      return outbox.inject({ reply: replyOfCode(code), ...(to === null ? {} : { to }), ...bounds })
    case 'lookup-empty':
      return world.faults.lookupsEmpty(span)
    case 'lookup-slow':
      return world.faults.lookupsSlow(slowLookupMs, span)
    case 'grpc-cut':
      if (until !== null || times !== null) world.faults.refuse(span)
      return world.faults.cut()
    case 'relay-down':
      return relay.stop()
  }
}
