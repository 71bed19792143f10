import { isFailed } from '../../operators/flow-facts.ts'
import type { FlowEvent, Notice } from '../../schemas/generated.ts'
import { timestamp } from './amounts.ts'
import { errorOf, type LetterContext } from './flow-letter.ts'
import type { Inline, Letter, Section, Table } from './letter.ts'
import { link, linksTo } from './links.ts'
import { elideRight, singleLine } from './texts.ts'

const mostRows = 100
const longestName = 60
const longestError = 100

/** The letter about several completed flows: counted, grouped by what was collected, and listed, the worst first. */
export function batchLetter(notices: readonly Notice[], { now, guiUrl }: Pick<LetterContext, 'now' | 'guiUrl'>): Letter {
  const events = notices.flatMap(({ flow }) => (flow === null ? [] : [flow])).toSorted(worstFirst)
  const [first] = notices
  const [worst] = events
  if (first === undefined || worst === undefined) throw new TypeError('these notices are not about flows')
  const links = linksTo(guiUrl, worst.org)
  const failed = events.filter(isFailed).length
  return {
    subject: `${events.length} collections: ${countsOf(events.length, failed)}`,
    title: `${events.length} client collections`,
    ok: failed === 0,
    summary: summaryOf(events, failed, now),
    note: [],
    sections: [groupSection(events), listSection(events, guiUrl, now)],
    footer: ['Sent from Velociraptor by ', link(first.artifact, links.artifact(first.artifact)), `, monitor ${singleLine(first.monitor)}`],
    more: link(worst.flow.id, links.flow(worst.client.id, worst.flow.id)),
  }
}

/** Failures before successes, then the latest first. */
const worstFirst = (a: FlowEvent, b: FlowEvent): number =>
  Number(isFailed(b)) - Number(isFailed(a)) || b.completed_at - a.completed_at

const countsOf = (all: number, failed: number): string => {
  const parts = [failed > 0 ? `${failed} FAILED` : '', all > failed ? `${all - failed} finished` : '']
  return parts.filter((part) => part !== '').join(', ')
}

const summaryOf = (events: readonly FlowEvent[], failed: number, now: number): string => {
  const clients = new Set(events.map(({ org, client }) => `${org}/${client.id}`)).size
  const times = events.map(({ completed_at }) => completed_at)
  const span = `between ${timestamp(Math.min(...times), now)} and ${timestamp(Math.max(...times), now)}`
  return `${events.length} collections on ${clients} client(s) completed ${span}: ${countsOf(events.length, failed)}.`
}

const requested = ({ flow }: FlowEvent): string => {
  const [first = 'n/a', ...more] = flow.artifacts
  return `${elideRight(first, longestName)}${more.length === 0 ? '' : ` (+ ${more.length} more)`}`
}

const groupSection = (events: readonly FlowEvent[]): Section => {
  const groups = [...Map.groupBy(events, requested)].map(([name, members]) => ({ name, members, failed: members.filter(isFailed).length }))
  const rows = groups
    .toSorted((a, b) => b.failed - a.failed || b.members.length - a.members.length)
    .map(({ name, members, failed }) => [name, String(failed), String(members.length - failed), String(new Set(members.map(({ client }) => client.id)).size)])
  return tableSection('By what was requested', ['Requested', 'FAILED', 'Finished', 'Clients'], rows)
}

const listSection = (events: readonly FlowEvent[], guiUrl: string, now: number): Section => {
  const rows = events.map((event): readonly Inline[] => {
    const { client, flow, org } = event
    const links = linksTo(guiUrl, org)
    const state = isFailed(event) ? `FAILED: ${elideRight(singleLine(errorOf(flow)) || flow.state, longestError)}` : 'finished'
    return [
      state,
      link(client.fqdn === '' ? client.id : elideRight(client.fqdn, longestName), links.client(client.id)),
      link(flow.id, links.flow(client.id, flow.id)),
      requested(event),
      String(flow.total_rows),
      timestamp(event.completed_at, now),
    ]
  })
  return tableSection('Collections', ['State', 'Client', 'Flow', 'Requested', 'Rows', 'Finished'], rows)
}

const tableSection = (heading: string, headings: readonly string[], rows: readonly (readonly Inline[])[]): Section => {
  const body: Table = { kind: 'table', headings, width: headings.length, moreColumns: false, rows: rows.slice(0, mostRows), total: rows.length }
  return { heading, note: [], body }
}
