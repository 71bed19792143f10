import type {
  ClientFacts,
  FlowArgument,
  FlowEvent,
  FlowFacts,
  FlowLetterOptions,
  HuntFacts,
  Notice,
} from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { bytes, duration, relativeTime, timestamp } from './amounts.ts'
import type { Inline, Letter, Link, List, NestedRows, Row, Section, Table, Value } from './letter.ts'
import { link, linksTo } from './links.ts'
import type { Links } from './links.ts'
import { elideLeft, elideRight, singleLine, valueText } from './texts.ts'

/** One file that the flow uploaded. */
export interface UploadRow {
  /** On the endpoint. */
  readonly path: string
  /** Stored bytes. */
  readonly size: number
  /** Where the server keeps it. */
  readonly components: readonly string[]
  /** `idx` for the index of a sparse file, which is no file of its own. */
  readonly type: string
}

/** The files of a flow, all of them or the first. */
export interface Uploads {
  readonly rows: readonly UploadRow[]
  /** How many there are, indexes not counted. */
  readonly total: number
  /** At most 100; 0 or less: no table. */
  readonly maxRows: number
}

/** Rows of one source, all of them or the first. */
export interface ResultTable {
  /** `Artifact` or `Artifact/Source`. */
  readonly source: string
  /** The columns that were asked for and exist, in order. */
  readonly columns: readonly string[]
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  /** How many rows there are. */
  readonly total: number
  /** At most 100; 0 or less: 100. */
  readonly maxRows: number
  /** Code points, at most 10,000; 0 or less: 10,000. */
  readonly cellLimit: number
  /** 0 or less: every column, without headings. */
  readonly maxColumns: number
}

/** A file of results that should have been attached and is not. */
export interface OmittedAttachment {
  readonly name: string
  /** Bytes; null when nobody knows. */
  readonly size: number | null
  readonly why: 'too large' | 'unreadable' | 'not there yet'
}

/** What a letter needs besides its notice. */
export interface LetterContext {
  readonly now: EpochMs
  /** Public address of the Velociraptor GUI. */
  readonly guiUrl: string
  readonly uploads?: Uploads
  readonly results?: readonly ResultTable[]
  /** Results that should have been attached and are not. */
  readonly omitted?: readonly OmittedAttachment[]
  /** Whole sentences about what could not be looked up. */
  readonly remarks?: readonly string[]
}

const MAX_ROWS = 100
const MAX_CELL = 10_000
const MAX_ERROR = 10_000
// No domain name is longer, no artifact is called so: what exceeds it wants to push something out of sight.
const MAX_NAME = 255
const MAX_ARGUMENT = 100
const MAX_METADATA = 100
const MAX_HUNT = 300
const MAX_HEADING = 30
const MAX_UPLOAD_PATH = 50
const MAX_UPLOAD_TEXT = 30
const LATE = 5 * 60_000

interface Entry {
  readonly name: string
  /** null: nothing to say. */
  readonly value: Value | null
  /** What stands there when empty rows are kept; '' unless given. */
  readonly kept?: string
}

/** The letter about one completed flow; throws TypeError for a notice of something else. */
export function flowLetter(notice: Notice, context: LetterContext): Letter {
  const { flow: event, flow_letter: options } = notice
  if (event === null || options === null) throw new TypeError('this notice is not about a flow')
  const links = linksTo(context.guiUrl, event.org)
  const flowUrl = links.flow(event.client.id, event.flow.id)
  return {
    subject: singleLine(subjectOf(event)),
    title: `Client collection ${hasFinished(event.flow) ? 'finished' : 'FAILED'}`,
    ok: hasFinished(event.flow),
    summary: [summaryOf(event), ...lateness(notice, event, context.now), ...(context.remarks ?? [])].join(' '),
    note: [],
    sections: [
      rowsSection('Client details', clientRows(event, options, links), options.keep_empty_rows),
      rowsSection('Flow details', flowRows(event, options, links, context.now), options.keep_empty_rows),
      ...(options.html ? uploadsSection(context.uploads, links, flowUrl) : []),
      ...(options.html ? (context.results ?? []).flatMap(resultSection) : []),
      ...attachmentsSection(context.omitted ?? [], link(event.flow.id, flowUrl)),
    ],
    footer: [
      'Sent from Velociraptor by ',
      link(notice.artifact, links.artifact(notice.artifact)),
      `, monitor ${singleLine(notice.monitor)}`,
    ],
    more: link(event.flow.id, flowUrl),
  }
}

/** Why the flow failed, as a person would say it: a bare `Cancelled` gives way to the error of the query that caused it. */
export function errorOf(flow: FlowFacts): string {
  const status = flow.status.trimEnd()
  if (status !== 'Cancelled') return status
  const cause = flow.queries.find(
    ({ status: state, error }) => state !== 'OK' && error.trim() !== '' && !error.startsWith('Cancelled'),
  )
  return cause?.error.trimEnd() ?? status
}

function hasFinished(flow: FlowFacts): boolean {
  return flow.state === 'FINISHED'
}

function subjectOf({ client, flow }: FlowEvent): string {
  const [first = 'n/a', ...further] = flow.artifacts
  const who = client.fqdn === '' ? 'Client' : elideRight(client.fqdn, MAX_NAME)
  const what = `${hasFinished(flow) ? 'finished collecting' : 'FAILED to collect'} ${elideRight(first, MAX_NAME)}`
  return `${who} ${what}${further.length === 0 ? '' : ` (+ ${further.length} more)`}`
}

function summaryOf({ client, flow }: FlowEvent): string {
  const who = `Client ${client.id} (${client.fqdn === '' ? 'n/a' : elideRight(client.fqdn, MAX_NAME)})`
  const what = flow.artifacts.map((name) => elideRight(name, MAX_NAME)).join(', ') || 'n/a'
  const took = flow.duration_ns > 0 ? duration(flow.duration_ns) : 'n/a'
  return (
    `${who} has ${hasFinished(flow) ? 'finished collecting' : 'FAILED to collect'} ${what}. ` +
    `It took ${took} and returned ${flow.total_rows} row(s). ` +
    `${flow.uploaded_files} file(s) were uploaded, totalling ${bytes(flow.uploaded_bytes)}.`
  )
}

function lateness({ noticed_at }: Notice, { origin, completed_at }: FlowEvent, now: EpochMs): readonly string[] {
  const known = completed_at >= 1_000 && now - completed_at >= 1_000
  const happened = known ? `It happened ${relativeTime(completed_at, now)}` : 'It happened'
  if (origin === 'sweep')
    return [known ? `${happened}; the server sent no event for it.` : 'The server sent no event for it.']
  if (origin === 'history') return [`${happened}${known ? ',' : ''} while the relay was away.`]
  return known && noticed_at - completed_at > LATE ? [`${happened}; word of it came late.`] : []
}

function clientRows(event: FlowEvent, options: FlowLetterOptions, links: Links): readonly Entry[] {
  const { client } = event
  return [
    { name: 'Organisation', value: event.org === 'root' ? null : filled(event.org_name || event.org) },
    { name: 'ID', value: link(client.id, links.client(client.id)) },
    { name: 'FQDN', value: filled(elideRight(client.fqdn, MAX_NAME)) },
    { name: 'System', value: filled(client.system) },
    { name: 'OS', value: filled(client.release) },
    { name: 'Architecture', value: filled(client.machine) },
    { name: 'New client', value: options.new_client ? 'true' : null, kept: 'false' },
    { name: 'Labels', value: listOf(client.labels.filter((label) => label !== '')) },
    ...options.client_metadata.map(({ field, alias }) => ({
      name: alias === '' ? field : alias,
      value: filled(elideRight(metadataOf(client, field), MAX_METADATA)),
    })),
  ]
}

function metadataOf(client: ClientFacts, field: string): string {
  return client.metadata.find((entry) => entry.field === field)?.value ?? ''
}

function flowRows(event: FlowEvent, options: FlowLetterOptions, links: Links, now: EpochMs): readonly Entry[] {
  const { client, flow, hunt } = event
  const keep = options.keep_empty_rows
  return [
    { name: 'Flow', value: link(flow.id, links.flow(client.id, flow.id)) },
    { name: 'Collection created', value: timestamp(flow.created_at, now) },
    {
      name: 'Collection started',
      value: flow.started_at === null || flow.started_at <= 0 ? null : timestamp(flow.started_at, now),
    },
    { name: 'Collection finished', value: timestamp(event.completed_at, now) },
    { name: 'Duration', value: flow.duration_ns > 0 ? duration(flow.duration_ns) : null },
    { name: 'Creator', value: filled(elideRight(flow.creator, MAX_NAME)) },
    { name: 'Requested', value: listOf(artifactLinks(flow, links, keep)) },
    { name: 'Arguments', value: argumentRows(flow, keep) },
    { name: 'With results', value: listOf(flow.sources_with_results.filter((source) => keep || source !== '')) },
    { name: 'Error', value: filled(elideRight(errorOf(flow), MAX_ERROR)) },
    { name: 'Urgent', value: flow.urgent ? 'true' : null, kept: 'false' },
    { name: 'Hunt', value: hunt === null ? null : huntLink(hunt, links) },
    { name: 'Collected rows', value: flow.total_rows > 0 ? String(flow.total_rows) : null, kept: '0' },
    { name: 'Uploaded files', value: flow.uploaded_files > 0 ? String(flow.uploaded_files) : null, kept: '0' },
    { name: 'Uploaded bytes', value: flow.uploaded_bytes > 0 ? bytes(flow.uploaded_bytes) : null, kept: '0' },
  ]
}

function artifactLinks(flow: FlowFacts, links: Links, keepEmpty: boolean): readonly Link[] {
  return flow.artifacts
    .filter((name) => keepEmpty || name !== '')
    .map((name) => link(elideRight(name, MAX_NAME), links.artifact(name)))
}

function huntLink(hunt: HuntFacts, links: Links): Link {
  const description = hunt.description.trim()
  return link(elideRight(description === '' ? hunt.id : description, MAX_HUNT), links.hunt(hunt.id))
}

function argumentRows(flow: FlowFacts, keepEmpty: boolean): NestedRows | null {
  const shown = flow.arguments.filter(({ value }) => keepEmpty || value !== '')
  if (shown.length === 0) return null
  const rows = shown.map((argument) => ({
    name: elideRight(flow.specs === 1 ? argument.name : `${argument.artifact}/${argument.name}`, MAX_NAME),
    text: argumentText(argument),
  }))
  return { kind: 'nested', rows, total: rows.length }
}

function argumentText({ value, redacted }: FlowArgument): string {
  return redacted ? '(redacted)' : elideRight(value, MAX_ARGUMENT)
}

function uploadsSection(uploads: Uploads | undefined, links: Links, flowUrl: string): readonly Section[] {
  const files = uploads?.rows.filter(({ type }) => type !== 'idx') ?? []
  if (uploads === undefined || uploads.maxRows <= 0 || files.length === 0) return []
  const rows = files
    .slice(0, Math.min(uploads.maxRows, MAX_ROWS))
    .map(({ path, size, components }) => [
      elideLeft(path, MAX_UPLOAD_PATH),
      bytes(size),
      link(elideLeft(components.at(-1) ?? path, MAX_UPLOAD_TEXT), links.upload(components, path) ?? flowUrl),
    ])
  return [tableSection('Uploads', ['File name', 'Size', 'URL'], rows, Math.max(uploads.total, files.length))]
}

function resultSection(result: ResultTable): readonly Section[] {
  const { columns, rows, total, maxColumns } = result
  if (rows.length === 0 || columns.length === 0) return []
  const shown = maxColumns > 0 ? columns.slice(0, maxColumns) : columns
  const cellLimit = limited(result.cellLimit, MAX_CELL)
  const cells = rows
    .slice(0, limited(result.maxRows, MAX_ROWS))
    .map((row) =>
      shown.map((column) => elideRight(Object.hasOwn(row, column) ? valueText(row[column]) : '', cellLimit)),
    )
  const table: Table = {
    kind: 'table',
    headings: maxColumns > 0 ? shown.map((column) => elideRight(column, MAX_HEADING)) : [],
    width: shown.length,
    moreColumns: columns.length > shown.length,
    rows: cells,
    total: Math.max(total, rows.length),
  }
  return [{ heading: `${elideRight(result.source, MAX_NAME)} results`, note: [], body: table }]
}

function attachmentsSection(omitted: readonly OmittedAttachment[], flow: Link): readonly Section[] {
  if (omitted.length === 0) return []
  const rows = omitted
    .slice(0, MAX_ROWS)
    .map(({ name, size, why }) => [elideLeft(name, MAX_NAME), size === null ? 'n/a' : bytes(size), reasonOf(why)])
  const section = tableSection('Attachments', ['File name', 'Size', 'Not attached because'], rows, omitted.length)
  return [{ ...section, note: ['These results are not attached; they can be downloaded from the flow: ', flow] }]
}

function reasonOf(why: OmittedAttachment['why']): string {
  if (why === 'not there yet') return 'the server had no rows of it yet'
  return why === 'too large' ? 'it exceeds the size limit' : 'it could not be read'
}

function tableSection(
  heading: string,
  headings: readonly string[],
  rows: readonly (readonly Inline[])[],
  total: number,
): Section {
  return {
    heading,
    note: [],
    body: { kind: 'table', headings, width: headings.length, moreColumns: false, rows, total },
  }
}

function rowsSection(heading: string, entries: readonly Entry[], keepEmpty: boolean): Section {
  return { heading, note: [], body: { kind: 'rows', rows: entries.flatMap((entry) => rowOf(entry, keepEmpty)) } }
}

function rowOf({ name, value, kept = '' }: Entry, keepEmpty: boolean): readonly Row[] {
  if (value !== null) return [{ name, value }]
  return keepEmpty ? [{ name, value: kept }] : []
}

function filled(text: string): string | null {
  return text === '' ? null : text
}

function listOf(items: readonly Inline[]): List | null {
  return items.length === 0 ? null : { kind: 'list', items, total: items.length }
}

function limited(asked: number, most: number): number {
  return asked > 0 ? Math.min(asked, most) : most
}
