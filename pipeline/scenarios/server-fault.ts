import type { StandInWorld } from '../../connectors/velociraptor/stand-in/world.ts'
import type { FaultEntry } from './scenario.ts'

/** The answer of a slow lookup, ms: late, yet within the time that a lookup is given. */
const slowLookupMs = 20_000

/** Begins a fault of the Velociraptor server; false: it is a fault of something else. */
export const beginServerFault = ({ faults }: StandInWorld, { fault, until, times }: FaultEntry): boolean => {
  const span = { ...(until === null ? {} : { untilMs: until }), ...(times === null ? {} : { times }) }
  switch (fault) {
    case 'lookup-empty':
      faults.lookupsEmpty(span)
      return true
    case 'lookup-slow':
      faults.lookupsSlow(slowLookupMs, span)
      return true
    case 'grpc-cut':
      if (until !== null || times !== null) faults.refuse(span)
      faults.cut()
      return true
    default:
      return false
  }
}
