import { isQueueName } from '../../connectors/velociraptor/watch-query.ts'
import { parseMailboxes } from '../../schemas/addresses.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { instead } from '../config/did-you-mean.ts'
import { isRecord } from '../config/is-record.ts'
import type { Path, Report } from '../config/problem.ts'
import { shown } from '../config/problem.ts'
import { scalarText } from './matchers.ts'
import { checkTimeField, readDuration, readMomentAt } from './moments.ts'
import { checkOrg, orgIdsOf, readWorld } from './read-world.ts'
import { type FaultName, faultNames, type TimelineEntry } from './scenario.ts'

export interface TimelineTerms {
  readonly t0: EpochMs
  readonly orgs: readonly string[]
  readonly report: Report
}

type Item = Readonly<Record<string, unknown>>

/** What entries of each kind are known by, and what else they hold. */
const shapes = {
  queue: ['at', 'queue', 'row', 'id', 'org'],
  log: ['at', 'log', 'artifact', 'level', 'message', 'client_time', 'org'],
  set: ['at', 'set'],
  fault: ['at', 'fault', 'for', 'times', 'to', 'code'],
  dead: ['at', 'dead', 'to', 'times'],
} as const
type Kind = keyof typeof shapes
const kinds = Object.keys(shapes) as Kind[]

/** Reads `timeline:`, in order of time. Entries with an error are left out; what is wrong with each was reported. */
export const readTimeline = (value: unknown, path: Path, terms: TimelineTerms): readonly TimelineEntry[] => {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) {
    terms.report(path, 'must be a list of entries, each beginning with `- { at: T+1s, `')
    return []
  }
  const orgIds = new Set(['root', ...terms.orgs])
  const entries = value.flatMap((item: unknown, index) => {
    const entry = readEntry(item, [...path, index], terms, orgIds)
    // Organisations that an entry brings are there for those after it.
    if (isRecord(item)) for (const id of orgIdsOf(item['set'])) orgIds.add(id)
    return entry === null ? [] : [entry]
  })
  reportRepeatedIds(value, path, terms.report)
  return entries.toSorted((a, b) => a.at - b.at)
}

const reportRepeatedIds = (items: readonly unknown[], path: Path, report: Report): void => {
  const seen = new Set<unknown>()
  for (const [index, item] of items.entries()) {
    const id: unknown = isRecord(item) ? item['id'] : undefined
    if (id === undefined) continue
    if (seen.has(id)) report([...path, index, 'id'], 'names another entry too: give each an id of its own')
    seen.add(id)
  }
}

const readEntry = (
  value: unknown,
  path: Path,
  terms: TimelineTerms,
  orgIds: ReadonlySet<string>,
): TimelineEntry | null => {
  const { report } = terms
  if (!isRecord(value)) {
    report(path, `must be a mapping with at and one of ${kinds.join(', ')}`)
    return null
  }
  const found = kinds.filter((kind) => value[kind] !== undefined)
  const [kind] = found
  if (kind === undefined || found.length > 1) {
    report(
      path,
      kind === undefined
        ? `says nothing that happens: write one of ${kinds.join(', ')}`
        : `does two things at once: make ${found.join(' and ')} two entries`,
    )
    return null
  }
  const known: readonly string[] = shapes[kind]
  for (const key of Object.keys(value))
    if (!known.includes(key))
      report([...path, key], `is not known in an entry with ${kind}: ${instead(key, known)}`, { at: 'key' })
  const at = readMomentAt(value['at'], terms.t0, [...path, 'at'], report)
  if (known.includes('org')) checkOrg(value['org'], [...path, 'org'], orgIds, report)
  const org = typeof value['org'] === 'string' ? value['org'] : 'root'
  if (at === undefined) return null
  switch (kind) {
    case 'queue':
      return readEvent(value, path, at, org, report)
    case 'log':
      checkTimeField(value['client_time'], terms.t0, [...path, 'client_time'], report)
      return readLogLine(value, path, at, org, report)
    case 'set':
      return { kind: 'set', at, change: readWorld(value['set'], [...path, 'set'], { ...terms, orgs: [...orgIds] }) }
    case 'fault':
      return readFault(value, path, at, report)
    case 'dead':
      return readDead(value, path, at, report)
  }
}

const readQueueName = (value: unknown, path: Path, report: Report): string | undefined => {
  if (typeof value === 'string' && isQueueName(value)) return value
  return void report(path, 'must be the name of an artifact, or Artifact/Source')
}

const readEvent = (value: Item, path: Path, at: EpochMs, org: string, report: Report): TimelineEntry | null => {
  const queue = readQueueName(value['queue'], [...path, 'queue'], report)
  const row = readRow(value['row'], [...path, 'row'], report)
  const id = value['id'] === undefined ? null : scalarText(value['id'])
  if (id === undefined || id === '') report([...path, 'id'], 'must be text')
  return queue === undefined || row === undefined || id === undefined
    ? null
    : { kind: 'event', at, org, queue, row, id }
}

const readRow = (value: unknown, path: Path, report: Report): Item | string | undefined => {
  if (isRecord(value)) return value
  if (typeof value === 'string' && isJsonObject(value)) return value
  return void report(
    path,
    value === undefined
      ? 'is missing: write the row that the event holds'
      : 'must be a mapping, or the JSON text of one',
  )
}

const isJsonObject = (text: string): boolean => {
  try {
    return isRecord(JSON.parse(text))
  } catch {
    return false
  }
}

const readLogLine = (value: Item, path: Path, at: EpochMs, org: string, report: Report): TimelineEntry | null => {
  const text = (key: string): string | undefined => {
    const read = scalarText(value[key])
    if (read === undefined)
      report([...path, key], value[key] === undefined || value[key] === null ? 'is missing' : 'must be text')
    return read
  }
  const client = text('log')
  const artifact = readQueueName(value['artifact'], [...path, 'artifact'], report)
  const level = text('level')
  const message = text('message')
  if (client === undefined || artifact === undefined || level === undefined || message === undefined) return null
  return { kind: 'log', at, org, client, artifact, level, message, clientTime: value['client_time'] }
}

const readFault = (value: Item, path: Path, at: EpochMs, report: Report): TimelineEntry | null => {
  const fault = readFaultName(value['fault'], [...path, 'fault'], report)
  const lasts = value['for'] === undefined ? null : readDuration(value['for'], [...path, 'for'], report)
  const times = value['times'] === undefined ? null : readTimes(value['times'], fault, [...path, 'times'], report)
  if (value['for'] !== undefined && value['times'] !== undefined)
    report(path, 'takes one of `for` and `times`, not both')
  if (fault === undefined) return null
  const { to, code } = readReply(value, fault, path, report)
  if (lasts === undefined || times === undefined) return null
  return { kind: 'fault', at, fault, until: lasts === null ? null : at + lasts, times, to, code }
}

const readDead = (value: Item, path: Path, at: EpochMs, report: Report): TimelineEntry | null => {
  const { dead: deed, times = 1 } = value
  if (deed !== 'redrive' && deed !== 'drop') return (report([...path, 'dead'], 'must be redrive or drop'), null)
  const isCount = typeof times === 'number' && Number.isSafeInteger(times) && times > 0
  if (!isCount) return (report([...path, 'times'], 'must be a whole number from 1'), null)
  return { kind: 'dead', at, deed, to: readAddress(value['to'], [...path, 'to'], report), times }
}

const readAddress = (to: unknown, path: Path, report: Report): string | null => {
  const [mailbox] = typeof to === 'string' ? parseMailboxes(to).mailboxes : []
  if (to !== undefined && mailbox === undefined) report(path, 'must be a mail address')
  return mailbox?.address ?? null
}

const readFaultName = (value: unknown, path: Path, report: Report): FaultName | undefined => {
  const fault = faultNames.find((name) => name === value)
  const help =
    typeof value === 'string' ? `${shown(value)}: ${instead(value, faultNames)}` : `known are ${faultNames.join(', ')}`
  if (fault === undefined) report(path, `is no fault: ${help}`)
  return fault
}

const readTimes = (value: unknown, fault: FaultName | undefined, path: Path, report: Report): number | undefined => {
  if (fault === 'relay-down') return void report(path, 'does not suit relay-down: write `for` with a duration')
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value
  return void report(path, 'must be a whole number from 1')
}

const readReply = (value: Item, fault: FaultName, path: Path, report: Report): { to: string | null; code: number } => {
  const { to, code } = value
  if (fault !== 'smtp-reply') {
    for (const key of ['to', 'code'])
      if (value[key] !== undefined) report([...path, key], 'belongs to smtp-reply only', { at: 'key' })
    return { to: null, code: 0 }
  }
  if (typeof code !== 'number' || !Number.isInteger(code) || code < 200 || code > 599)
    report(
      [...path, 'code'],
      code === undefined
        ? 'is missing: the SMTP code of the reply, such as 451 or 550'
        : 'must be an SMTP code from 200 to 599',
    )
  return { to: readAddress(to, [...path, 'to'], report), code: typeof code === 'number' ? code : 0 }
}
