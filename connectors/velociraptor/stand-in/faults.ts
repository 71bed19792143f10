import type { EpochMs } from '../../../schemas/time.ts'

/** How long a fault lasts: until a moment, for so many queries, or (neither) until healed. */
export interface Span {
  readonly untilMs?: EpochMs
  readonly times?: number
}

/** What can go wrong with the server. */
export interface Faults {
  /** Breaks off every running query, as a lost connection does. */
  cut(): void
  /** Sends nothing any more, neither rows nor log lines nor ends; connections stay open. What was held back comes at `thaw`. */
  freeze(): void
  thaw(): void
  /** Breaks off every running query and takes no new one; over gRPC nothing listens meanwhile, unless the span is counted in queries. */
  refuse(span?: Span): void
  /** Lookups find nothing: flows, clients, hunts, definitions. */
  lookupsEmpty(span?: Span): void
  /** Lookups begin only after `delayMs`; those whose time is over by then end without rows. */
  lookupsSlow(delayMs: number, span?: Span): void
  /** Lookups break off. */
  lookupsFail(span?: Span): void
  /** Streams that run say nothing any more, not even that they have ended; new ones live. */
  halfOpen(): void
  /** The server goes down at once, and is away for a span if one is given: what waited in its memory is lost, streams break off. */
  restart(span?: Span): void
  /** What watchers have not read yet is thrown away without a word: live rows are missing, stored ones are there. */
  overflow(span?: Span): void
  /** Live rows come as they come out of the server's file: parsed and written anew. */
  spill(span?: Span): void
  /** A live row is overtaken by the next. */
  reorder(span?: Span): void
  /** Live rows come twice. */
  repeat(span?: Span): void
  /** Completions of flows and uploads come live and are not stored, as those of clients behind a minion; all other rows are stored. */
  storeNothing(span?: Span): void
  /**
   * The server's event table has changed, so that every query of a server event artifact is ended and begun anew: what happens in a span
   * comes to nothing, neither live nor stored, and what was alerted within its `dedup` may be alerted again. Queries of clients go on.
   */
  eventTableChanged(span?: Span): void
  /** Takes a permission from every user of an organisation. Running queries go on, as on the real server. */
  revoke(org: string, permission: string): void
  grant(org: string, permission: string): void
  deleteArtifact(org: string, name: string): void
  /** Deletes a client, and everything that is kept of it. */
  deleteClient(org: string, id: string): void
  /** Ends every fault but taken permissions, deleted artifacts and clients. */
  heal(): void
}

export type LookupFault = 'empty' | 'slow' | 'fail'
/** What befalls a row on its way to watchers and to the server's disk. */
export type DeliveryFault = 'overflow' | 'spill' | 'reorder' | 'repeat' | 'unstored'
type LastingFault = LookupFault | DeliveryFault | 'refuse' | 'begun anew'

/** The faults that last. */
export interface LastingFaults {
  begin(kind: LastingFault, span: Span): void
  /** Whether a query that begins now is hit; counts it. */
  hits(kind: LastingFault, now: EpochMs): boolean
  end(): void
}

export const lastingFaults = (): LastingFaults => {
  const spans = new Map<string, { until: EpochMs; left: number }>()
  return {
    begin: (kind, { untilMs = Infinity, times = Infinity }) => spans.set(kind, { until: untilMs, left: times }),
    hits: (kind, now) => {
      const span = spans.get(kind)
      if (span === undefined || now >= span.until || span.left <= 0) return false
      span.left--
      return true
    },
    end: () => spans.clear(),
  }
}
