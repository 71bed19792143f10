import { saysCancelled, saysOnlyCancelled } from '../../operators/flow-facts.ts'
import type { ClientFacts, FlowArgument, FlowFacts, HuntFacts, MetadataRow } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { bytes, duration, timestamp } from './amounts.ts'
import type { Inline, Link, List, NestedRows, Row, Section, Value } from './letter.ts'
import { link } from './links.ts'
import type { Links } from './links.ts'
import { elideRight } from './texts.ts'

/** No domain name is longer, no artifact is called so: what exceeds it wants to push something out of sight. */
export const MAX_NAME = 255
const MAX_ERROR = 10_000
const MAX_ARGUMENT = 100
const MAX_METADATA = 100
const MAX_HUNT = 300

/** A row that may have nothing to say. */
export interface Entry {
  readonly name: string
  /** null: nothing to say. */
  readonly value: Value | null
  /** What stands there when empty rows are kept; '' unless given. */
  readonly kept?: string
  /** What the page shows in place of the value. */
  readonly short?: Value
}

/** Why the flow failed, as a person would say it: a bare `Cancelled` gives way to the error of the query that caused it. */
export function errorOf(flow: FlowFacts): string {
  const status = flow.status.trimEnd()
  if (!saysOnlyCancelled(status)) return status
  const cause = flow.queries.find(
    ({ status: state, error }) => state !== 'OK' && error.trim() !== '' && !saysCancelled(error),
  )
  return cause?.error.trimEnd() ?? status
}

/** What the details of a client are made of. */
export interface ClientDetails {
  readonly org: string
  readonly org_name: string
  readonly client: ClientFacts
  readonly isNew: boolean
  readonly metadata: readonly MetadataRow[]
}

/** The rows about a client. */
export function clientRows({ org, org_name, client, isNew, metadata }: ClientDetails, links: Links): readonly Entry[] {
  return [
    { name: 'Organisation', value: org === 'root' ? null : filled(org_name || org) },
    { name: 'ID', value: link(client.id, links.client(client.id)) },
    { name: 'FQDN', value: filled(elideRight(client.fqdn, MAX_NAME)) },
    { name: 'System', value: filled(client.system) },
    { name: 'OS', value: filled(client.release) },
    { name: 'Architecture', value: filled(client.machine) },
    { name: 'New client', value: isNew ? 'true' : null, kept: 'false' },
    { name: 'Labels', value: listOf(client.labels.filter((label) => label !== '')) },
    ...metadata.map(({ field, alias }) => ({
      name: alias === '' ? field : alias,
      value: filled(elideRight(metadataOf(client, field), MAX_METADATA)),
    })),
  ]
}

function metadataOf(client: ClientFacts, field: string): string {
  return client.metadata.find((entry) => entry.field === field)?.value ?? ''
}

/** What the details of a flow are made of. */
export interface FlowDetails {
  readonly client: string
  readonly flow: FlowFacts
  readonly hunt: HuntFacts | null
  /** Epoch ms; null: it is not said. */
  readonly finishedAt: EpochMs | null
}

/** The rows about a flow. */
export function flowRows(
  { client, flow, hunt, finishedAt }: FlowDetails,
  keep: boolean,
  links: Links,
  now: EpochMs,
): readonly Entry[] {
  return [
    { name: 'Flow', value: link(flow.id, links.flow(client, flow.id)) },
    { name: 'Collection created', value: timestamp(flow.created_at, now) },
    {
      name: 'Collection started',
      value: flow.started_at === null || flow.started_at <= 0 ? null : timestamp(flow.started_at, now),
    },
    ...(finishedAt === null ? [] : [{ name: 'Collection finished', value: timestamp(finishedAt, now) }]),
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

/** A section with a table that shows all or the first of `total` rows. */
export function tableSection(
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

/** A section with the rows that have something to say, or all when empty ones are kept. */
export function rowsSection(heading: string, entries: readonly Entry[], keepEmpty: boolean): Section {
  return { heading, note: [], body: { kind: 'rows', rows: entries.flatMap((entry) => rowOf(entry, keepEmpty)) } }
}

function rowOf({ name, value, kept = '', short }: Entry, keepEmpty: boolean): readonly Row[] {
  if (value !== null) return [short === undefined ? { name, value } : { name, value, short }]
  return keepEmpty ? [{ name, value: kept }] : []
}

/** The text, or null for nothing. */
export function filled(text: string): string | null {
  return text === '' ? null : text
}

function listOf(items: readonly Inline[]): List | null {
  return items.length === 0 ? null : { kind: 'list', items, total: items.length }
}
