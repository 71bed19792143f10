import type { Attachment } from '../../connectors/mail/mail.ts'
import { ConnectorError } from '../../connectors/errors.ts'
import { type Dictionary, lookUpUploads } from '../../connectors/velociraptor/lookups.ts'
import { readResults, type ResultSource } from '../../connectors/velociraptor/results.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { FlowEvent, FlowLetterOptions, Notice } from '../../schemas/generated.ts'
import { compilePattern } from '../../schemas/pattern.ts'
import type { OmittedAttachment, ResultTable, Uploads } from '../letters/flow-letter.ts'
import { attachmentWriter } from './attachment-writer.ts'

/** What a letter shows beside its notice, fetched from the server when it is written. */
export interface LetterFacts {
  readonly uploads?: Uploads
  readonly results: readonly ResultTable[]
  readonly attachments: readonly Attachment[]
  readonly omitted: readonly OmittedAttachment[]
  readonly remarks: readonly string[]
}

/** Fetches uploads, result tables and attachments of a notice's flow. What the server does not give is left out with a remark. */
export const lookUpLetterFacts = async (velociraptor: Velociraptor, { flow, flow_letter }: Notice): Promise<LetterFacts> => {
  if (flow === null || flow_letter === null) return { results: [], attachments: [], omitted: [], remarks: [] }
  const remarks: string[] = []
  const orRemark = async <T>(what: string, fetch: () => Promise<T>, instead: T): Promise<T> => {
    try {
      return await fetch()
    } catch (cause) {
      if (!(cause instanceof ConnectorError)) throw cause
      remarks.push(`${what} could not be read from the server.`)
      return instead
    }
  }
  const uploads = await orRemark('The uploads', () => fetchUploads(velociraptor, flow, flow_letter), undefined)
  const results = flow_letter.html
    ? await orRemark('The results', () => fetchTables(velociraptor, flow, flow_letter), [])
    : []
  const attached = await fetchAttachments(velociraptor, flow, flow_letter)
  return { ...(uploads === undefined ? {} : { uploads }), results, ...attached, remarks }
}

const fetchUploads = async (velociraptor: Velociraptor, { org, client, flow }: FlowEvent, options: FlowLetterOptions): Promise<Uploads | undefined> => {
  if (!options.html || options.uploads_rows <= 0 || flow.uploaded_files <= 0) return undefined
  const rows = (await lookUpUploads(velociraptor, org, { client: client.id, flow: flow.id })).map(uploadRow)
  return { rows, total: rows.filter(({ type }) => type !== 'idx').length, maxRows: options.uploads_rows }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

const uploadRow = (row: Dictionary): Uploads['rows'][number] => {
  const upload = (row['Upload'] ?? {}) as Dictionary
  const components = Array.isArray(upload['Components']) ? upload['Components'].map(String) : []
  const size = Number(row['uploaded_size'])
  return {
    path: textOf(upload['Path'] ?? row['client_path']),
    size: Number.isFinite(size) ? size : 0,
    components,
    type: textOf(row['Type']),
  }
}

interface Matched<R> {
  readonly rule: R
  readonly source: string
}

/** Rules outermost; a source that two rules name belongs to the first. */
const matchedSources = <R extends { readonly source: string }>(rules: readonly R[], sources: readonly string[]): readonly Matched<R>[] => {
  const taken = new Set<string>()
  return rules.flatMap((rule) => {
    const pattern = compilePattern(rule.source)
    const matching = sources.filter((source) => !taken.has(source) && pattern.matches(source))
    for (const source of matching) taken.add(source)
    return matching.map((source) => ({ rule, source }))
  })
}

/** The columns that a pattern chooses; a blank one chooses all. */
const columnsOf = (row: Dictionary, columns: string): readonly string[] => {
  const pattern = compilePattern(columns)
  return Object.keys(row).filter((name) => pattern.isBlank || pattern.matches(name))
}

const sourceOf = ({ org, client, flow }: FlowEvent, source: string): ResultSource => ({ org, client: client.id, flow: flow.id, source })

const fetchTables = async (velociraptor: Velociraptor, event: FlowEvent, options: FlowLetterOptions): Promise<readonly ResultTable[]> => {
  const tables: ResultTable[] = []
  for (const { rule, source } of matchedSources(options.result_tables, event.flow.sources_with_results)) {
    const rows: Dictionary[] = []
    let columns: readonly string[] = []
    let total = 0
    await readResults(velociraptor, sourceOf(event, source), (row) => {
      if (total === 0) columns = columnsOf(row, rule.columns)
      if (total < rule.most_rows) rows.push(row)
      total += 1
      return true
    })
    if (total > 0)
      tables.push({ source, columns, rows, total, maxRows: rule.most_rows, cellLimit: rule.longest_cell, maxColumns: options.result_columns })
  }
  return tables
}

const fetchAttachments = async (
  velociraptor: Velociraptor, event: FlowEvent, options: FlowLetterOptions,
): Promise<Pick<LetterFacts, 'attachments' | 'omitted'>> => {
  const attachments: Attachment[] = []
  const omitted: OmittedAttachment[] = []
  let left = options.most_attached_bytes
  for (const { rule, source } of matchedSources(options.attachments, event.flow.sources_with_results)) {
    const name = `${source.replaceAll(/\/+/g, '.')}.${options.attachment_format}`
    const writer = attachmentWriter(options.attachment_format, left)
    let rows = 0
    try {
      await readResults(velociraptor, sourceOf(event, source), (row) => {
        if (rule.most_rows > 0 && rows >= rule.most_rows) return false
        rows += 1
        writer.write(Object.fromEntries(columnsOf(row, rule.columns).map((column) => [column, row[column]])))
        return true
      })
    } catch (cause) {
      if (!(cause instanceof ConnectorError)) throw cause
      omitted.push({ name, size: null, why: 'unreadable' })
      continue
    }
    const { content, encodedBytes } = writer.end()
    if (content === null) omitted.push({ name, size: encodedBytes, why: 'too large' })
    else {
      left -= encodedBytes
      attachments.push({ name, contentType: options.attachment_format === 'csv' ? 'text/csv' : 'application/x-ndjson', content })
    }
  }
  return { attachments, omitted }
}
