import type { WorldDescription } from '../../connectors/velociraptor/stand-in/world-description.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { instead } from '../config/did-you-mean.ts'
import { isRecord } from '../config/is-record.ts'
import type { Path, Report } from '../config/problem.ts'
import { checkTimeField } from './moments.ts'

type Item = Readonly<Record<string, unknown>>

interface Collection {
  /** Fields without which an item is nobody. */
  readonly identity: readonly string[]
  readonly times?: readonly string[]
  /** Lists inside whose items have times too. */
  readonly inside?: Readonly<Record<string, readonly string[]>>
  /** Looks at an item of a list inside. */
  readonly look?: (item: Item, path: Path, report: Report) => void
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

const isSize = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

/** The bytes of an upload, if it says any, and where those of a sparse file belong. */
const lookAtContent = ({ content, content_base64: encoded, ranges }: Item, path: Path, report: Report): void => {
  if (content !== undefined && typeof content !== 'string') report([...path, 'content'], 'must be text')
  if (encoded !== undefined && (typeof encoded !== 'string' || !base64.test(encoded)))
    report([...path, 'content_base64'], 'must be text in base64')
  if (content !== undefined && encoded !== undefined)
    report([...path, 'content_base64'], 'stands beside content: one of them says what the bytes are')
  if (ranges === undefined) return
  if (!Array.isArray(ranges) || !ranges.every((one) => isRecord(one) && isSize(one['offset']) && isSize(one['length'])))
    return report([...path, 'ranges'], 'must be a list of mappings with offset and length, in bytes')
  let end = 0
  let stored = 0
  for (const { offset, length } of ranges as readonly { readonly offset: number; readonly length: number }[]) {
    if (offset < end) return report([...path, 'ranges'], 'must be in order, and none may reach into the next')
    end = offset + length
    stored += length
  }
  const bytes = Buffer.byteLength(
    typeof content === 'string' ? content : typeof encoded === 'string' ? encoded : '',
    typeof content === 'string' ? 'utf8' : 'base64',
  )
  if (stored !== bytes) report([...path, 'ranges'], `are for ${stored} bytes, and the content has ${bytes}`)
}

const collections = {
  orgs: { identity: ['id'] },
  clients: { identity: ['client_id'], times: ['first_seen_at', 'last_seen_at'] },
  flows: {
    identity: ['client_id', 'session_id'],
    times: ['create_time', 'start_time', 'active_time'],
    inside: { query_stats: ['last_active', 'first_active'] },
  },
  hunts: { identity: ['hunt_id'], times: ['create_time', 'start_time', 'expires'] },
  artifacts: { identity: ['name'] },
  users: { identity: ['name'] },
  results: { identity: ['client_id', 'flow_id', 'artifact'], inside: { rows: [] } },
  uploads: { identity: ['client_id', 'flow_id'], inside: { rows: ['Timestamp'] }, look: lookAtContent },
} as const satisfies Record<string, Collection>

const tables = ['server_monitoring', 'client_monitoring'] as const
const known = [...Object.keys(collections), ...tables]

export interface WorldTerms {
  readonly t0: EpochMs
  /** Organisations that exist already. */
  readonly orgs: readonly string[]
  readonly report: Report
  /** Keys of the mapping that are read elsewhere. */
  readonly others?: readonly string[]
}

/** Reads `world:` or the change of a `set:`, as the stand-in takes it. */
export const readWorld = (
  value: unknown,
  path: Path,
  { t0, orgs, report, others = [] }: WorldTerms,
): WorldDescription => {
  if (value === undefined || value === null) return { now: t0 }
  if (!isRecord(value)) {
    report(path, `must be a mapping with ${[...others, ...known].join(', ')}`)
    return { now: t0 }
  }
  for (const key of Object.keys(value))
    if (!known.includes(key) && !others.includes(key))
      report([...path, key], `is not known here: ${instead(key, [...others, ...known])}`, { at: 'key' })
  const orgIds = new Set(['root', ...orgs, ...orgIdsOf(value)])
  const lists = Object.entries(collections).flatMap(([key, collection]) => {
    const items = value[key]
    return items === undefined || items === null
      ? []
      : [[key, readItems(items, collection, [...path, key], { t0, orgIds, report })] as const]
  })
  const tablesRead = tables.filter((key) => value[key] !== undefined).map((key) => [key, value[key]] as const)
  return { now: t0, ...Object.fromEntries([...lists, ...tablesRead]) }
}

/** Ids of the organisations that a world names. */
export const orgIdsOf = (world: unknown): readonly string[] => {
  const orgs: unknown = isRecord(world) ? world['orgs'] : undefined
  return Array.isArray(orgs)
    ? orgs.flatMap((org: unknown) => (isRecord(org) && typeof org['id'] === 'string' ? [org['id']] : []))
    : []
}

interface ItemTerms {
  readonly t0: EpochMs
  readonly orgIds: ReadonlySet<string>
  readonly report: Report
}

const readItems = (value: unknown, collection: Collection, path: Path, terms: ItemTerms): readonly Item[] => {
  if (!Array.isArray(value)) {
    terms.report(path, 'must be a list of mappings')
    return []
  }
  return value.flatMap((item: unknown, index) => {
    const at = [...path, index]
    if (!isRecord(item)) {
      terms.report(at, `must be a mapping with ${collection.identity.join(', ')}`)
      return []
    }
    checkItem(item, collection, at, terms)
    return [item]
  })
}

const checkItem = (
  item: Item,
  { identity, times = [], inside = {}, look }: Collection,
  path: Path,
  { t0, orgIds, report }: ItemTerms,
): void => {
  for (const field of identity)
    if (typeof item[field] !== 'string' || item[field] === '')
      report([...path, field], `is missing: it says which one this is, as text`)
  checkOrg(item['org'], [...path, 'org'], orgIds, report)
  for (const field of times) checkTimeField(item[field], t0, [...path, field], report)
  for (const [field, inner] of Object.entries(inside)) {
    const rows = item[field]
    if (rows === undefined || rows === null) continue
    if (!Array.isArray(rows)) report([...path, field], 'must be a list')
    else
      rows.forEach((row: unknown, index) => {
        if (!isRecord(row)) return
        for (const time of inner) checkTimeField(row[time], t0, [...path, field, index, time], report)
        look?.(row, [...path, field, index], report)
      })
  }
}

/** Reports an organisation that the world does not have. */
export const checkOrg = (org: unknown, path: Path, orgIds: ReadonlySet<string>, report: Report): void => {
  if (org === undefined) return
  if (typeof org !== 'string' || !orgIds.has(org))
    report(path, `is no organisation of this world: name it under world.orgs (there are ${[...orgIds].join(', ')})`)
}
