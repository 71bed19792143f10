import type { TaskState } from '../../connectors/log/event-log.ts'
import { decode } from '../../schemas/codec.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { afterPrefix, type TurnState } from '../runtime/turn-state.ts'

/** A look for organisations, and what it found. */
export interface OrgLook {
  readonly at: EpochMs
  readonly ids: readonly string[]
}

/** What a slot knew of organisations before it began. */
export interface OrgMemory {
  /** Not before this time was an organisation there that nothing is known of, epoch ms; null: it may have been there ever. */
  absentUntil(org: string): EpochMs | null
}

const lookedKey = 'orgs/looked'
const knownPrefix = 'orgs/known/'

/** What a slot's committed state says of organisations, as it stands now. */
export const orgMemory = (state: TaskState): OrgMemory => {
  const looked = state.get(lookedKey)
  const until = looked === undefined ? null : decode('CollectCursor', looked).history_at
  const known = new Set([...state.range(knownPrefix, afterPrefix(knownPrefix))].map(([key]) => key))
  return { absentUntil: (org) => (known.has(`${knownPrefix}${org}`) ? null : until) }
}

/**
 * Remembers a look and what it found; whether it did. As long as a queue has not begun that should, it does not: the organisation would be
 * taken for one that was read before.
 */
export const noteLook = (state: TurnState, { at, ids }: OrgLook, hasBegun: (org: string) => boolean): boolean => {
  const unknown = ids.filter((id) => state.getBytes(`${knownPrefix}${id}`) === undefined)
  if (!unknown.every(hasBegun)) return false
  const record = (org: string) => ({ org, queue: '', began_at: at, history_at: at, scanned: [] })
  for (const id of unknown) state.put('CollectCursor', `${knownPrefix}${id}`, record(id))
  state.put('CollectCursor', lookedKey, record(''))
  return true
}
