/** What can be done to the server. */
export const faultNames = [
  ...(['cut', 'freeze', 'half-open', 'restart', 'overflow', 'spill', 'reorder', 'repeat'] as const),
  ...(['lookups fail', 'lookups slow', 'stores nothing', 'clock steps', 'organisation made', 'heal'] as const),
  ...(['event table changed', 'permission revoked', 'artifact deleted'] as const),
] as const
export type FaultName = (typeof faultNames)[number]

/** What the server is told to do. */
export type Told =
  | { readonly kind: 'emit'; readonly events: number; readonly overMs: number }
  | { readonly kind: 'fault'; readonly fault: FaultName; readonly ms: number }

/** What the server says. */
export type Said =
  | { readonly kind: 'open'; readonly apiConfig: string }
  | { readonly kind: 'emitted'; readonly events: readonly Emitted[] }

export interface Emitted {
  readonly queue: string
  /** Which event it is, of all queues and organisations. */
  readonly key: string
  /** Server clock, ms. */
  readonly at: number
  /** What the server did to live rows at that time. */
  readonly mishaps: readonly FaultName[]
}

/** A queue that the server keeps by client. */
export const customQueue = 'Custom.Detections'
/** A queue that the server keeps nowhere. */
export const liveOnlyQueue = 'Server.Internal.Interrogation'
