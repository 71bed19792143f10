import type { FlowEvent } from '../schemas/generated.ts'

const second = 1000
const seconds = (ms: number): number => Math.floor(ms / second)

/** Every state other than FINISHED is a failure. */
export const isFailed = ({ flow }: FlowEvent): boolean => flow.state !== 'FINISHED'

/** Whether a status or an error says that the flow was cancelled, by whomever. */
export const saysCancelled = (text: string): boolean => /^cancelled/i.test(text.trim())

/** Whether it says that alone: of the flow as a whole that may be a limit that ended it. */
export const saysOnlyCancelled = (text: string): boolean => /^cancelled$/i.test(text.trim())

/**
 * Whether a person cancelled the flow. The bare status `Cancelled` is also what the server reports when a limit ended
 * the flow: then some failed query says something else.
 */
export const isCancelled = ({ flow }: FlowEvent): boolean => {
  if (!saysCancelled(flow.status)) return false
  if (!saysOnlyCancelled(flow.status)) return true
  return flow.queries.every(({ error }) => error.trim() === '' || saysCancelled(error))
}

/** The hunt that made a flow with this id, or null: hunt H.X names its flows F.X.H. */
export const huntOf = (flow: string): string | null => {
  // Asked several times of every flow, and most are of none.
  if (!flow.endsWith('.H')) return null
  const match = /^F\.([^.]+)\.H$/.exec(flow)
  return match === null ? null : `H.${match[1]}`
}

/** Whole seconds from creation to completion; a flow without a creation time is infinitely old. */
export const delayOf = ({ completed_at, flow }: FlowEvent): number =>
  flow.created_at === null ? Infinity : seconds(completed_at) - seconds(flow.created_at)

/** Whole seconds from the client's first sign of life to the flow's start; null when not known. The endpoint's clock counts only while plausible. */
export const clientAgeOf = ({ client, completed_at, flow }: FlowEvent): number | null => {
  const { created_at, started_at } = flow
  if (client.first_seen_at === null || created_at === null) return null
  const isPlausible = started_at !== null && created_at <= started_at && seconds(started_at) <= seconds(completed_at)
  return seconds(isPlausible ? started_at : created_at) - seconds(client.first_seen_at)
}

/** Whether the client was younger than the threshold, in seconds, when the flow ran. */
export const isNewClient = (event: FlowEvent, thresholdS: number): boolean => {
  const age = clientAgeOf(event)
  return age !== null && age < thresholdS
}

export const hasRows = ({ flow }: FlowEvent): boolean => flow.queries.some(({ rows }) => rows > 0)
export const hasUploads = ({ flow }: FlowEvent): boolean => flow.queries.some(({ uploads }) => uploads > 0)
