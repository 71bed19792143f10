import { severityRank } from '../../operators/severity.ts'
import type { AlertEvent, Notice } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { type AlertContext, senderOf } from './alert-letter.ts'
import { counted, timestamp } from './amounts.ts'
import { clientsOf, lateEvents, linksByOrg, MAX_BATCH_NAME, showsOrgs, withOrg } from './batch-parts.ts'
import { tableSection } from './details.ts'
import type { Inline, Letter, Section } from './letter.ts'
import { link, type Links } from './links.ts'
import { elideRight, singleLine } from './texts.ts'

// Together they fit what mail programs show, with ordinary names; what does not is cut further when it is rendered.
const MOST_GROUPS = 25
const MOST_LISTED = 120
const MAX_SUBJECT = 100
const MAX_SEVERITY = 30

interface Told {
  readonly event: AlertEvent
  readonly severity: string
}

/** Alerts of one name and severity. */
interface Group extends Told {
  readonly members: readonly Told[]
}

/** The letter about several alerts: counted, grouped by name and severity, and listed, the worst first. */
export function alertBatchLetter(
  notices: readonly Notice[],
  { now, guiUrl }: Pick<AlertContext, 'now' | 'guiUrl'>,
): Letter {
  const [first] = notices
  const told = notices
    .flatMap(({ alert, alert_letter }) =>
      alert === null ? [] : [{ event: alert, severity: alert_letter?.severity ?? '' }],
    )
    .toSorted(worstFirst)
  const [worst] = told
  if (first === undefined || worst === undefined) throw new TypeError('these notices are not about alerts')
  const events = told.map(({ event }) => event)
  const linksOf = linksByOrg(guiUrl)
  const groups = groupsOf(told)
  const showsOrg = showsOrgs(events)
  return {
    subject: singleLine(subjectOf(told.length, worst, groups)),
    title: `${told.length} alerts`,
    ok: false,
    summary: [summaryOf(told, now), ...lateEvents(events)].join(' '),
    note: [],
    sections: [groupSection(groups, showsOrg), listSection(told, { linksOf, showsOrg, now })],
    footer: [
      'Sent from Velociraptor by ',
      link(first.artifact, linksOf(worst.event.org).artifact(first.artifact)),
      `, monitor ${singleLine(first.monitor)}`,
    ],
    more: link('Velociraptor', guiUrl),
  }
}

function worstFirst(a: Told, b: Told): number {
  return severityRank(b.severity) - severityRank(a.severity) || b.event.received_at - a.event.received_at
}

function groupsOf(told: readonly Told[]): readonly Group[] {
  const byLikeness = Map.groupBy(told, ({ event, severity }) =>
    JSON.stringify([event.org, event.name, severity.toLowerCase()]),
  )
  return [...byLikeness.values()]
    .map((members): Group => ({ ...(members[0] as Told), members }))
    .toSorted((a, b) => severityRank(b.severity) - severityRank(a.severity) || b.members.length - a.members.length)
}

/** `20 alerts (critical): Disk full (+ 3 more)`: how many and how bad it is stands first, for a phone shows little more. */
function subjectOf(all: number, { severity }: Told, [group, ...more]: readonly Group[]): string {
  const worst = severity === '' ? '' : ` (${elideRight(severity, MAX_SEVERITY)})`
  const what = elideRight(group?.event.name ?? 'n/a', MAX_SUBJECT)
  return `${all} alerts${worst}: ${what}${more.length === 0 ? '' : ` (+ ${more.length} more)`}`
}

function summaryOf(told: readonly Told[], now: EpochMs): string {
  const times = told.map(({ event }) => event.received_at)
  const counts = Map.groupBy(told, ({ severity }) => elideRight(severity.toLowerCase(), MAX_SEVERITY) || 'no severity')
  const spread = [...counts].map(([severity, some]) => `${some.length} ${severity}`)
  return (
    `${told.length} alerts on ${counted(clientsOf(told.map(({ event }) => event)), 'client')} were raised ` +
    `between ${timestamp(Math.min(...times), now)} and ${timestamp(Math.max(...times), now)}: ${spread.join(', ')}.`
  )
}

const severityText = (severity: string): string => elideRight(severity, MAX_SEVERITY) || 'n/a'

// Few columns, for a phone has room for three words side by side.
function groupSection(groups: readonly Group[], showsOrg: boolean): Section {
  const rows = groups.slice(0, MOST_GROUPS).map(({ event, severity, members }): readonly Inline[] => {
    const clients = clientsOf(members.map((member) => member.event))
    return [
      severityText(severity),
      withOrg(elideRight(event.name, MAX_SUBJECT), event, showsOrg),
      `${members.length} on ${counted(clients, 'client')}`,
    ]
  })
  return tableSection('By name and severity', ['Severity', 'Alert', 'Alerts'], rows, groups.length)
}

interface Listing {
  readonly linksOf: (org: string) => Links
  readonly showsOrg: boolean
  readonly now: EpochMs
}

function listSection(told: readonly Told[], { linksOf, showsOrg, now }: Listing): Section {
  const rows = told.slice(0, MOST_LISTED).map(({ event, severity }): readonly Inline[] => {
    const { client, name, flow, flow_id } = event
    const links = linksOf(event.org)
    const who = elideRight(senderOf(event), MAX_BATCH_NAME)
    const what = elideRight(name, MAX_SUBJECT)
    return [
      `${severityText(severity)}\n${timestamp(event.received_at, now)}`,
      withOrg(client.id === 'server' ? who : link(who, links.client(client.id)), event, showsOrg),
      flow === null ? what : link(what, links.flow(client.id, flow_id)),
    ]
  })
  return tableSection('Alerts, the worst first', ['Severity', 'From', 'Alert'], rows, told.length)
}
