import { isFailed } from '../../operators/flow-facts.ts'
import type { FlowEvent, Notice } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { bytes, counted, timestamp } from './amounts.ts'
import { clientsOf, lateEvents, linksByOrg, MAX_BATCH_NAME, showsOrgs, withOrg } from './batch-parts.ts'
import { errorOf, tableSection } from './details.ts'
import type { LetterContext } from './flow-letter.ts'
import type { Inline, Letter, Section } from './letter.ts'
import { link, type Links } from './links.ts'
import { elideRight, singleLine } from './texts.ts'

// Together they fit what mail programs show, with ordinary names; what does not is cut further when it is rendered.
const MOST_GROUPS = 25
const MOST_LISTED = 120
const MAX_SUBJECT = 100
const MAX_ERROR = 100

/** Events of one organisation that belong together: flows of one hunt, else flows that collected the same. */
interface Group {
  readonly what: Inline
  /** The same in words. */
  readonly name: string
  readonly members: readonly FlowEvent[]
  readonly failed: number
}

/** The letter about several completed flows: counted, grouped by hunt or by what was requested, and listed, the worst first. */
export function batchLetter(
  notices: readonly Notice[],
  { now, guiUrl }: Pick<LetterContext, 'now' | 'guiUrl'>,
): Letter {
  const [first] = notices
  const events = notices.flatMap(({ flow }) => (flow === null ? [] : [flow])).toSorted(worstFirst)
  const [worst] = events
  if (first === undefined || worst === undefined) throw new TypeError('these notices are not about flows')
  const linksOf = linksByOrg(guiUrl)
  const failed = events.filter(isFailed).length
  const groups = groupsOf(events, linksOf)
  const showsOrg = showsOrgs(events)
  return {
    subject: singleLine(subjectOf(events.length, failed, groups)),
    title: headOf(events.length, failed),
    ok: failed === 0,
    summary: [summaryOf(events, failed, now), ...lateEvents(events), ...leftOut(notices)].join(' '),
    note: [],
    sections: [groupSection(groups, showsOrg), listSection(events, { linksOf, showsOrg, now })],
    footer: [
      'Sent from Velociraptor by ',
      link(first.artifact, linksOf(worst.org).artifact(first.artifact)),
      `, monitor ${singleLine(first.monitor)}`,
    ],
    more: moreOf(groups, guiUrl),
  }
}

/** Failures before successes, then the latest first. */
function worstFirst(a: FlowEvent, b: FlowEvent): number {
  return Number(isFailed(b)) - Number(isFailed(a)) || b.completed_at - a.completed_at
}

/** `20 collections, 3 FAILED`: how many and how bad it is stands first, for a phone shows little more. */
function headOf(all: number, failed: number): string {
  if (failed === 0) return `${all} collections finished`
  return failed === all ? `${all} collections FAILED` : `${all} collections, ${failed} FAILED`
}

function countsOf(all: number, failed: number): string {
  return [failed > 0 ? `${failed} FAILED` : '', all > failed ? `${all - failed} finished` : '']
    .filter((part) => part !== '')
    .join(', ')
}

function subjectOf(all: number, failed: number, groups: readonly Group[]): string {
  const [first, ...more] = groups
  const what = elideRight(first?.name ?? 'n/a', MAX_SUBJECT)
  return `${headOf(all, failed)}: ${what}${more.length === 0 ? '' : ` (+ ${more.length} more)`}`
}

function summaryOf(events: readonly FlowEvent[], failed: number, now: EpochMs): string {
  const times = events.map(({ completed_at }) => completed_at)
  const sum = (amount: (event: FlowEvent) => number): number =>
    events.reduce((total, event) => total + amount(event), 0)
  return (
    `${events.length} collections on ${counted(clientsOf(events), 'client')} completed ` +
    `between ${timestamp(Math.min(...times), now)} and ${timestamp(Math.max(...times), now)}: ` +
    `${countsOf(events.length, failed)}. ` +
    `They returned ${sum(({ flow }) => flow.total_rows)} row(s). ` +
    `${sum(({ flow }) => flow.uploaded_files)} file(s) were uploaded, totalling ${bytes(sum(({ flow }) => flow.uploaded_bytes))}.`
  )
}

function leftOut(notices: readonly Notice[]): readonly string[] {
  const asksForMore = notices.some(
    ({ flow_letter }) => flow_letter !== null && flow_letter.result_tables.length + flow_letter.attachments.length > 0,
  )
  return asksForMore ? ['Results are not part of a letter about several collections; each flow has them.'] : []
}

function groupsOf(events: readonly FlowEvent[], linksOf: (org: string) => Links): readonly Group[] {
  const byLikeness = Map.groupBy(events, ({ org, hunt, flow }) => JSON.stringify([org, hunt?.id ?? flow.artifacts]))
  return [...byLikeness.values()]
    .map((members): Group => {
      const [event] = members as [FlowEvent]
      return { ...whatOf(event, linksOf(event.org)), members, failed: members.filter(isFailed).length }
    })
    .toSorted((a, b) => b.failed - a.failed || b.members.length - a.members.length)
}

function whatOf({ hunt, flow }: FlowEvent, links: Links): Pick<Group, 'what' | 'name'> {
  if (hunt !== null) {
    const name = singleLine(hunt.description.trim()) || hunt.id
    return { name: `hunt ${name}`, what: link(`Hunt: ${elideRight(name, MAX_BATCH_NAME)}`, links.hunt(hunt.id)) }
  }
  const [first] = flow.artifacts
  const name = requested(flow)
  return { name, what: first === undefined ? name : link(name, links.artifact(first)) }
}

function requested({ artifacts: [first = 'n/a', ...more] }: FlowEvent['flow']): string {
  return `${elideRight(first, MAX_BATCH_NAME)}${more.length === 0 ? '' : ` (+ ${more.length} more)`}`
}

// Few columns, for a phone has room for three words side by side.
function groupSection(groups: readonly Group[], showsOrg: boolean): Section {
  const rows = groups
    .slice(0, MOST_GROUPS)
    .map(({ what, members, failed }): readonly Inline[] => [
      withOrg(what, members[0], showsOrg),
      `${countsOf(members.length, failed)} on ${counted(clientsOf(members), 'client')}`,
    ])
  return tableSection('By hunt and request', ['Requested', 'Collections'], rows, groups.length)
}

interface Listing {
  readonly linksOf: (org: string) => Links
  readonly showsOrg: boolean
  readonly now: EpochMs
}

function listSection(events: readonly FlowEvent[], { linksOf, showsOrg, now }: Listing): Section {
  const rows = events.slice(0, MOST_LISTED).map((event): readonly Inline[] => {
    const { client, flow } = event
    const links = linksOf(event.org)
    const name = client.fqdn === '' ? client.id : elideRight(client.fqdn, MAX_BATCH_NAME)
    return [
      `${stateOf(event)}\n${timestamp(event.completed_at, now)}`,
      withOrg(link(name, links.client(client.id)), event, showsOrg),
      link(`${requested(flow)}\n${flow.id}`, links.flow(client.id, flow.id)),
    ]
  })
  return tableSection('Collections, failures first', ['State', 'Client', 'Flow'], rows, events.length)
}

function stateOf(event: FlowEvent): string {
  const { flow } = event
  if (!isFailed(event)) return `finished, ${flow.total_rows} row(s)`
  const why = singleLine(errorOf(flow)) || flow.state
  return `FAILED: ${elideRight(why, MAX_ERROR)}`
}

/** Where all of it stands: the hunt if there is one alone, else the server. */
function moreOf([group, ...others]: readonly Group[], guiUrl: string): Letter['more'] {
  const isOneHunt = others.length === 0 && group?.members[0]?.hunt !== null
  return isOneHunt && typeof group?.what === 'object' ? group.what : link('Velociraptor', guiUrl)
}
