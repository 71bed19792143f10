import type { AlertEvent, AlertLetterOptions, Notice } from '../../schemas/generated.ts'
import { isOwnAlert, isOwnTrouble, ownName } from '../../schemas/own-alerts.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { contextRows } from './alert-context.ts'
import { timestamp } from './amounts.ts'
import { clientRows, filled, flowRows, MAX_NAME, rowsSection } from './details.ts'
import { lateness } from './lateness.ts'
import type { Letter, Link, Row, Section } from './letter.ts'
import { link, linksTo } from './links.ts'
import type { Links } from './links.ts'
import { elideRight, singleLine } from './texts.ts'

/** What a letter about alerts needs besides its notices. */
export interface AlertContext {
  readonly now: EpochMs
  /** Public address of the Velociraptor GUI. */
  readonly guiUrl: string
  /** What is known of the artifact that raised it, name and text; left out: nothing was asked. */
  readonly artifactDetails?: readonly (readonly [name: string, text: string])[]
  /** Whole sentences about what could not be looked up. */
  readonly remarks?: readonly string[]
}

const MAX_IN_SUBJECT = 30
const MAX_IN_SUMMARY = 1000
const MAX_ON_PAGE = 300
const MAX_SEVERITY = 60
/** Seconds for which a client counts as new. */
const NEW_CLIENT_S = 300

const seconds = (ms: EpochMs): number => Math.floor(ms / 1000)

/** The letter about one alert; throws TypeError for a notice of something else. */
export function alertLetter(notice: Notice, context: AlertContext): Letter {
  const { alert: event, alert_letter: options } = notice
  if (event === null || options === null) throw new TypeError('this notice is not about an alert')
  const links = linksTo(context.guiUrl, event.org)
  const title = titleOf(event)
  const told = { ...event, happenedAt: event.received_at, noticedAt: notice.noticed_at }
  return {
    subject: singleLine(subjectOf(event, title, options.severity)),
    title,
    ok: isOwnAlert(event) && !isOwnTrouble(event),
    summary: isOwnAlert(event)
      ? `raptor-relay says at ${raisedText(event)}:`
      : `An alert was sent from ${senderOf(event)} at ${raisedText(event)}:`,
    stress: elideRight(event.name, MAX_IN_SUMMARY),
    note: [...lateness(told, context.now), ...cut(event), ...(context.remarks ?? [])]
      .join(' ')
      .split('\n')
      .filter(isText),
    sections: [
      rowsSection('Alert summary', summaryRows(event, options, links, context.now), false),
      contextSection(event, options),
      ...clientSection(event, options, links),
      ...flowSection(event, options, links, context.now),
      ...artifactSection(options, context),
    ].filter(({ body }) => body.rows.length > 0),
    footer: isOwnAlert(event)
      ? [`Sent by raptor-relay, monitor ${singleLine(notice.monitor)}`]
      : [
          'Sent from Velociraptor by ',
          link(notice.artifact, links.artifact(notice.artifact)),
          `, monitor ${singleLine(notice.monitor)}`,
        ],
    more: moreOf(event, links, context.guiUrl),
  }
}

const isText = (text: string): boolean => text !== ''

/** Whom an alert concerns, as people know it. */
export function senderOf(event: AlertEvent): string {
  const { client } = event
  if (isOwnAlert(event)) return ownName
  if (client.id === 'server') return 'the server'
  return client.hostname === '' ? client.id : elideRight(client.hostname, MAX_NAME)
}

function subjectOf(event: AlertEvent, title: string, severity: string): string {
  // The names of these begin with the relay's, and are short.
  if (isOwnAlert(event)) return elideRight(event.name, MAX_NAME)
  const how = severity === '' ? '' : ` (${elideRight(severity, MAX_SEVERITY)})`
  return `${title}${how}: ${elideRight(event.name, MAX_IN_SUBJECT)}`
}

function titleOf(event: AlertEvent): string {
  if (isOwnTrouble(event)) return 'Trouble of raptor-relay'
  if (isOwnAlert(event)) return 'News of raptor-relay'
  return event.client.id === 'server' ? 'Server alert' : `Alert from client ${senderOf(event)}`
}

function raisedText({ alerted_at, received_at }: AlertEvent): string {
  return `${new Date(alerted_at ?? received_at).toISOString().slice(0, 19)}Z`
}

function cut({ shortened }: AlertEvent): readonly string[] {
  return shortened ? ['The alert was too large: long values of it are cut.'] : []
}

function summaryRows(event: AlertEvent, options: AlertLetterOptions, links: Links, now: EpochMs) {
  const { alerted_at, received_at, name, artifact_type } = event
  // The relay's own artifact has no page on the server.
  const artifact = isOwnAlert(event) ? '' : event.artifact
  // Who raised it may have dated it as they liked.
  const isLater = alerted_at !== null && seconds(received_at) > seconds(alerted_at)
  return [
    { name: 'Server time', value: isLater ? timestamp(received_at, now) : null },
    { name: 'Alert time', value: timestamp(alerted_at ?? received_at, now) },
    { name: 'Severity', value: filled(elideRight(options.severity, MAX_ON_PAGE)) },
    { name: 'Message', value: name, short: elideRight(name, MAX_ON_PAGE) },
    { name: 'Artifact', value: artifact === '' ? null : artifactLink(artifact, links) },
    { name: 'Artifact type', value: filled(artifact_type) },
  ]
}

/** The page of an artifact; a named source has none of its own. */
function artifactLink(artifact: string, links: Links): Link {
  const [name = artifact] = artifact.split('/')
  return link(elideRight(artifact, MAX_NAME), links.artifact(name))
}

function contextSection(event: AlertEvent, options: AlertLetterOptions): Section {
  return { heading: 'Alert details', note: [], body: { kind: 'rows', ...contextRows(event, options) } }
}

function clientSection(event: AlertEvent, options: AlertLetterOptions, links: Links): readonly Section[] {
  const { client, received_at } = event
  if (!options.client_details || client.id === 'server') return []
  const age = client.first_seen_at === null ? null : seconds(received_at) - seconds(client.first_seen_at)
  const details = { ...event, isNew: age !== null && age < NEW_CLIENT_S, metadata: options.client_metadata }
  return [rowsSection('Client details', clientRows(details, links), options.keep_empty_rows)]
}

function flowSection(
  { client, flow, hunt }: AlertEvent,
  options: AlertLetterOptions,
  links: Links,
  now: EpochMs,
): readonly Section[] {
  if (!options.flow_details || flow === null) return []
  const keep = options.keep_empty_rows
  return [
    rowsSection('Flow details', flowRows({ client: client.id, flow, hunt, finishedAt: null }, keep, links, now), keep),
  ]
}

function artifactSection(options: AlertLetterOptions, { artifactDetails = [] }: AlertContext): readonly Section[] {
  const rows = artifactDetails
    .filter(([, text]) => options.keep_empty_rows || text !== '')
    .map(([name, text]): Row => ({ name, value: elideRight(text, options.longest_value) }))
  const shown = rows.slice(0, options.most_rows)
  return [{ heading: 'Artifact details', note: [], body: { kind: 'rows', rows: shown, total: rows.length } }]
}

function moreOf(event: AlertEvent, links: Links, guiUrl: string): Link {
  const { client, flow_id, flow, artifact } = event
  if (isOwnAlert(event)) return link('Velociraptor', guiUrl)
  if (flow !== null) return link(flow_id, links.flow(client.id, flow_id))
  if (client.id !== 'server') return link(client.id, links.client(client.id))
  return artifact === '' ? link('Velociraptor', guiUrl) : artifactLink(artifact, links)
}
