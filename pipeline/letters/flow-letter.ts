import type { FlowEvent, FlowFacts, Notice } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { bytes, duration } from './amounts.ts'
import { lateness } from './lateness.ts'
import { clientRows, flowRows, MAX_NAME, rowsSection, tableSection } from './details.ts'
import type { Letter, Link, Section, Table } from './letter.ts'
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
const MAX_HEADING = 30
const MAX_UPLOAD_PATH = 50
const MAX_UPLOAD_TEXT = 30

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
    summary: [
      summaryOf(event),
      ...lateness({ ...event, happenedAt: event.completed_at, noticedAt: notice.noticed_at }, context.now),
      ...(context.remarks ?? []),
    ].join(' '),
    note: [],
    sections: [
      rowsSection(
        'Client details',
        clientRows({ ...event, isNew: options.new_client, metadata: options.client_metadata }, links),
        options.keep_empty_rows,
      ),
      rowsSection(
        'Flow details',
        flowRows(
          { ...event, client: event.client.id, finishedAt: event.completed_at },
          options.keep_empty_rows,
          links,
          context.now,
        ),
        options.keep_empty_rows,
      ),
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

function limited(asked: number, most: number): number {
  return asked > 0 ? Math.min(asked, most) : most
}
