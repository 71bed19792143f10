import type { Happening } from '../../schemas/happenings.ts'

/** What may be away while the relay runs. */
export type OutagePart = 'source' | 'lookups' | 'mail' | 'log'

/** The begin or the end of an outage. */
export interface OutageChange {
  readonly part: OutagePart
  /** Which one: the organisation, the mail channel, the topology; empty: the only one. */
  readonly name: string
  /** null: it is over. */
  readonly reason: string | null
}

type Fact = 'org' | 'channel' | 'topology'

const begins: Readonly<Record<string, readonly [OutagePart, Fact]>> = {
  'source away': ['source', 'org'],
  'lookups away': ['lookups', 'org'],
  'mail server away': ['mail', 'channel'],
  'log unavailable': ['log', 'topology'],
}
const ends: Readonly<Record<string, readonly [OutagePart, Fact]>> = {
  'source back': ['source', 'org'],
  // Nobody waits for it any longer.
  'source dropped': ['source', 'org'],
  'lookups back': ['lookups', 'org'],
  'mail server back': ['mail', 'channel'],
  'log available again': ['log', 'topology'],
}

/**
 * Follows outages: each happening as the begin or the end of one, null when it is neither. An organisation has several readers; it is back
 * when the last of them is.
 */
export const openOutages = (): ((happening: Happening) => OutageChange | null) => {
  const away = new Map<string, readonly (readonly string[])[]>()
  return (happening) => {
    const change = outageChange(happening)
    if (change === null) return null
    const what = `${change.part}/${change.name}`
    const queues = String(happening['queues'] ?? '').split(', ')
    // What a reader reads may have changed while it was away.
    const others = (away.get(what) ?? []).filter((reader) => !reader.some((queue) => queues.includes(queue)))
    const left = change.reason === null ? others : [...others, queues]
    if (left.length === 0) away.delete(what)
    else away.set(what, left)
    return change.reason === null && left.length > 0 ? null : change
  }
}

const outageChange = (happening: Happening): OutageChange | null => {
  // A retention that could not run is tried again later, and nothing waits for it.
  if (happening['during'] === 'retention') return null
  const isBegin = Object.hasOwn(begins, happening.name)
  const known = isBegin ? begins[happening.name] : ends[happening.name]
  if (known === undefined) return null
  const [part, fact] = known
  return { part, name: String(happening[fact] ?? ''), reason: isBegin ? String(happening['reason'] ?? '') : null }
}
