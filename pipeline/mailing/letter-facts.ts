import type { Attachment } from '../../connectors/mail/mail.ts'
import { ConnectorError } from '../../connectors/errors.ts'
import type { Dictionary } from '../../connectors/velociraptor/lookups.ts'
import {
  countResults,
  firstUploads,
  readResults,
  recordedRowCounts,
  type ResultSource,
} from '../../connectors/velociraptor/results.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { AttachmentRule, FlowEvent, FlowLetterOptions, Notice, ResultTableRule } from '../../schemas/generated.ts'
import { compilePattern } from '../../schemas/pattern.ts'
import type { OmittedAttachment, ResultTable, Uploads } from '../letters/flow-letter.ts'
import { elideRight, singleLine, valueText } from '../letters/texts.ts'
import { type AttachmentEnd, attachmentWriter, type ColumnChoice } from './attachment-writer.ts'

/** What a letter shows beside its notice, fetched from the server when it is written. */
export interface LetterFacts {
  readonly uploads?: Uploads
  readonly results: readonly ResultTable[]
  readonly attachments: readonly Attachment[]
  readonly omitted: readonly OmittedAttachment[]
  /** Whole sentences about what could not be shown. */
  readonly remarks: readonly string[]
}

/** What is asked about one flow, and what is said about the answers. */
interface Asking {
  readonly velociraptor: Velociraptor
  readonly event: FlowEvent
  readonly options: FlowLetterOptions
  readonly mostAttachedBytes: number
  readonly remarks: string[]
}

/** Fetches uploads, result tables and attachments of a notice's flow. What the server does not give is left out with a remark. */
export const lookUpLetterFacts = async (
  velociraptor: Velociraptor,
  { flow: event, flow_letter: options }: Notice,
  mostAttachedBytes = Infinity,
): Promise<LetterFacts> => {
  const remarks: string[] = []
  if (event === null || options === null) return { results: [], attachments: [], omitted: [], remarks }
  const asking = { velociraptor, event, options, mostAttachedBytes, remarks }
  const uploads = options.html ? await fetchUploads(asking) : undefined
  const results = options.html ? await fetchTables(asking) : []
  const attached = await fetchAttachments(asking)
  return { ...(uploads === undefined ? {} : { uploads }), results, ...attached, remarks }
}

/** What the server answered, or undefined where it did not. */
const ifReadable = async <T>(fetch: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await fetch()
  } catch (cause) {
    if (cause instanceof ConnectorError) return undefined
    throw cause
  }
}

const longestName = 255
const nameOf = (source: string): string => elideRight(singleLine(source), longestName)

const fetchUploads = async ({ velociraptor, event, options, remarks }: Asking): Promise<Uploads | undefined> => {
  const { org, client, flow } = event
  const maxRows = options.uploads_rows
  if (maxRows <= 0 || flow.uploaded_files <= 0) return undefined
  const found = await ifReadable(() => firstUploads(velociraptor, org, { client: client.id, flow: flow.id }, maxRows))
  if (found !== undefined) return { rows: found.rows.map(uploadRow), total: found.total, maxRows }
  remarks.push('The uploads could not be read from the server.')
  return undefined
}

const uploadRow = (row: Dictionary): Uploads['rows'][number] => {
  const upload = (row['Upload'] ?? {}) as Dictionary
  const components = Array.isArray(upload['Components']) ? upload['Components'].map(valueText) : []
  const size = Number(row['uploaded_size'])
  return {
    path: valueText(upload['Path'] ?? row['client_path']),
    size: Number.isFinite(size) ? size : 0,
    components,
    type: valueText(row['Type']),
  }
}

interface Matched<R> {
  readonly rule: R
  readonly source: string
}

/** Rules outermost; a source that two rules name belongs to the first. */
const matchedSources = <R extends { readonly source: string }>(
  rules: readonly R[],
  sources: readonly string[],
): readonly Matched<R>[] => {
  const taken = new Set<string>()
  return rules.flatMap((rule) => {
    const pattern = compilePattern(rule.source)
    const matching = sources.filter((source) => !taken.has(source) && pattern.matches(source))
    for (const source of matching) taken.add(source)
    return matching.map((source) => ({ rule, source }))
  })
}

/** The columns that a pattern chooses; a blank one chooses all. */
const choiceOf = (columns: string): ColumnChoice => {
  const pattern = compilePattern(columns)
  return pattern.isBlank ? null : (name) => pattern.matches(name)
}

const sourceOf = ({ org, client, flow }: FlowEvent, source: string): ResultSource => ({
  org,
  client: client.id,
  flow: flow.id,
  source,
})

const fetchTables = async (asking: Asking): Promise<readonly ResultTable[]> => {
  const tables: ResultTable[] = []
  const { event, options, remarks } = asking
  for (const matched of matchedSources(options.result_tables, event.flow.sources_with_results)) {
    const table = await ifReadable(() => fetchTable(matched, asking))
    if (table === undefined) remarks.push(`The results of ${nameOf(matched.source)} could not be read from the server.`)
    else if (table.total === 0) remarks.push(`The server had no rows of ${nameOf(matched.source)} yet.`)
    else tables.push(table)
  }
  return tables
}

const fetchTable = async ({ rule, source }: Matched<ResultTableRule>, asking: Asking): Promise<ResultTable> => {
  const { velociraptor, event, options } = asking
  const { most_rows: maxRows, longest_cell: cellLimit } = rule
  const from = sourceOf(event, source)
  const isWanted = choiceOf(rule.columns) ?? (() => true)
  const rows: Dictionary[] = []
  let columns: readonly string[] | null = null
  let seen = 0
  // One more than shown: without it these are all.
  await readResults(velociraptor, from, maxRows + 1, ({ columns: row }) => {
    columns ??= Object.keys(row).filter(isWanted)
    const shown = options.result_columns > 0 ? columns.slice(0, options.result_columns) : columns
    if (seen < maxRows) rows.push(shownCells(row, shown, cellLimit))
    seen += 1
    return true
  })
  const total = seen > maxRows ? await totalOf(from, seen, asking) : seen
  return { source, columns: columns ?? [], rows, total, maxRows, cellLimit, maxColumns: options.result_columns }
}

/** A row may have 20 MiB: only what the letter shows of it is kept. */
const shownCells = (row: Dictionary, columns: readonly string[], limit: number): Dictionary =>
  Object.fromEntries(
    columns.map((column) => {
      const text = valueText(Object.hasOwn(row, column) ? row[column] : null)
      // A piece of a text would keep the whole of it in memory; one character more lets the letter see that it was longer.
      return [column, text.length > limit ? detached(elideRight(text, limit + 1)) : text]
    }),
  )

const detached = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le')

/** How many rows there are: as the flow's record counts them, else as the server does; at least those that were seen. */
const totalOf = async (from: ResultSource, seen: number, { velociraptor, event }: Asking): Promise<number> => {
  const key = { client: event.client.id, flow: event.flow.id }
  const recorded = await ifReadable(() => recordedRowCounts(velociraptor, event.org, key))
  const known = recorded?.get(from.source) ?? 0
  return known >= seen ? known : Math.max(seen, (await ifReadable(() => countResults(velociraptor, from))) ?? seen)
}

const contentTypes = { csv: 'text/csv', jsonl: 'application/x-ndjson' } as const

const fetchAttachments = async (asking: Asking): Promise<Pick<LetterFacts, 'attachments' | 'omitted'>> => {
  const { event, options, mostAttachedBytes, remarks } = asking
  const attachments: Attachment[] = []
  const omitted: OmittedAttachment[] = []
  let left = Math.min(options.most_attached_bytes, mostAttachedBytes)
  for (const matched of matchedSources(options.attachments, event.flow.sources_with_results)) {
    const taken = new Set([...attachments, ...omitted].map(({ name }) => name))
    const name = fileName(matched.source, options.attachment_format, taken)
    const file = await readFile(matched, left, asking)
    if (file.why !== null) omitted.push({ name, size: file.size, why: file.why })
    else {
      left -= file.encodedBytes
      attachments.push({ name, contentType: contentTypes[options.attachment_format], content: file.content })
      if (file.lostColumns.length > 0) remarks.push(lostRemark(name, file.lostColumns))
    }
  }
  return { attachments, omitted }
}

const fileName = (source: string, format: string, taken: ReadonlySet<string>): string => {
  const base = source.replaceAll(/[/\\]+/g, '.')
  for (let n = 1; ; n++) {
    const name = `${base}${n === 1 ? '' : `-${n}`}.${format}`
    if (!taken.has(name)) return name
  }
}

const lostRemark = (name: string, columns: readonly string[]): string =>
  `${nameOf(name)} has the columns of the first row; later rows also have ${columns.map(nameOf).join(', ')}.`

type FileRead =
  | (AttachmentEnd & { readonly why: null; readonly content: Uint8Array })
  | { readonly why: OmittedAttachment['why']; readonly size: number | null }

const readFile = async (
  { rule, source }: Matched<AttachmentRule>,
  mostEncodedBytes: number,
  { velociraptor, event, options }: Asking,
): Promise<FileRead> => {
  const writer = attachmentWriter(options.attachment_format, mostEncodedBytes, choiceOf(rule.columns))
  let rows = 0
  const most = rule.most_rows > 0 ? rule.most_rows : Infinity
  const isRead = await ifReadable(async () => {
    await readResults(velociraptor, sourceOf(event, source), most, (row) => {
      rows += 1
      writer.write(row)
      return rows < most
    })
    return true
  })
  const { content, ...end } = writer.end()
  // What is too large already is so whatever the rest would have been.
  if (content === null) return { why: 'too large', size: isRead === true ? end.encodedBytes : null }
  if (isRead === undefined) return { why: 'unreadable', size: null }
  return rows === 0 ? { why: 'not there yet', size: null } : { why: null, content, ...end }
}
