import type { AlertEvent, FlowEvent } from '../../schemas/generated.ts'
import type { Inline } from './letter.ts'
import { type Links, linksTo } from './links.ts'
import { elideRight } from './texts.ts'

type BatchEvent = Pick<FlowEvent | AlertEvent, 'org' | 'org_name' | 'client' | 'origin'>
type OrgFacts = Pick<BatchEvent, 'org' | 'org_name'>

/** Characters of a name in a letter about several events. */
export const MAX_BATCH_NAME = 60

/** The links of each organisation, made once. */
export function linksByOrg(guiUrl: string): (org: string) => Links {
  const known = new Map<string, Links>()
  return (org) => {
    const links = known.get(org) ?? linksTo(guiUrl, org)
    known.set(org, links)
    return links
  }
}

/** How many came late, in whole sentences; none when none did. */
export function lateEvents(events: readonly BatchEvent[]): readonly string[] {
  const missed = events.filter(({ origin }) => origin !== 'live').length
  return missed === 0 ? [] : [`${missed} of them came to the relay late, by reading back what it had missed.`]
}

/** How many clients events concern. */
export function clientsOf(events: readonly BatchEvent[]): number {
  return new Set(events.map(({ org, client }) => JSON.stringify([org, client.id]))).size
}

/** Whether a letter must say which organisation is meant. */
export function showsOrgs(events: readonly BatchEvent[]): boolean {
  return events.some(({ org }) => org !== 'root')
}

/** The text or link with the organisation on a line of its own. */
export function withOrg(what: Inline, event: OrgFacts | undefined, showsOrg: boolean): Inline {
  if (!showsOrg || event === undefined) return what
  const org = elideRight(event.org_name === '' ? event.org : event.org_name, MAX_BATCH_NAME)
  return typeof what === 'string' ? `${what}\n${org}` : { ...what, text: `${what.text}\n${org}` }
}
