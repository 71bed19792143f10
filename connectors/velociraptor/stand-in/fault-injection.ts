import type { EpochMs } from '../../../schemas/time.ts'
import type { Delivery } from './delivery.ts'
import type { Faults, LastingFaults } from './faults.ts'

/** The begin or the end of a fault, as running queries and the server's port are told. */
export type FaultCall = 'cut' | 'thaw' | 'refuse' | 'heal' | 'half-open'

/** The faults that take away what the server knows or allows, and that `heal` does not mend. */
type Losses = 'revoke' | 'grant' | 'deleteArtifact' | 'deleteClient'

/** The faults of connections, lookups and delivery as they are in force. */
export interface FaultInjection {
  readonly commands: Omit<Faults, Losses>
  /** How long a slow lookup waits before it begins, ms. */
  readonly slowMs: number
  /** Whether the server says nothing at all. */
  readonly frozen: boolean
  /** Calls when a fault begins or ends; `untilMs`: until when it lasts, Infinity where it does not say. Returns what forgets the call. */
  whenFault(call: (what: FaultCall, untilMs: EpochMs) => void): () => void
}

/** Nothing is wrong at first. Faults that last are kept in `lasting`, which `delivery` obeys. */
export const openFaultInjection = (lasting: LastingFaults, delivery: Delivery): FaultInjection => {
  const listeners = new Set<(what: FaultCall, untilMs: EpochMs) => void>()
  let frozen = false
  let slowMs = 0

  const tell = (what: FaultCall, untilMs = Infinity): void => {
    for (const listener of [...listeners]) listener(what, untilMs)
  }
  const thaw = (): void => {
    frozen = false
    tell('thaw')
  }
  const commands: FaultInjection['commands'] = {
    cut: () => tell('cut'),
    freeze: () => {
      frozen = true
    },
    thaw,
    refuse: (span = {}) => {
      lasting.begin('refuse', span)
      tell('cut')
      if (span.times === undefined) tell('refuse', span.untilMs)
    },
    lookupsEmpty: (span = {}) => lasting.begin('empty', span),
    lookupsSlow: (delayMs, span = {}) => {
      slowMs = delayMs
      lasting.begin('slow', span)
    },
    lookupsFail: (span = {}) => lasting.begin('fail', span),
    halfOpen: () => tell('half-open'),
    restart: (span) => {
      delivery.lose()
      if (span === undefined) tell('cut')
      else commands.refuse(span)
    },
    overflow: (span = {}) => lasting.begin('overflow', span),
    spill: (span = {}) => lasting.begin('spill', span),
    reorder: (span = {}) => lasting.begin('reorder', span),
    repeat: (span = {}) => lasting.begin('repeat', span),
    storeNothing: (span = {}) => lasting.begin('unstored', span),
    eventTableChanged: (span = {}) => lasting.begin('begun anew', span),
    heal: () => {
      lasting.end()
      delivery.flush()
      thaw()
      tell('heal')
    },
  }
  return {
    commands,
    get slowMs() {
      return slowMs
    },
    get frozen() {
      return frozen
    },
    whenFault: (call) => {
      listeners.add(call)
      return () => listeners.delete(call)
    },
  }
}
