import type { EpochMs } from '../../../schemas/time.ts'
import { artifactRow, clientRow, huntRow, listOf, plainOf, textOf, userRow, type Plain } from './defaults.ts'
import { momentNs } from './moments.ts'
import { dropFiles, emptyOrg, flowKey, resultsKey, type StandInOrg } from './organisation.ts'
import { uploadOf } from './uploads.ts'

/** The world of a scenario: what the server knows. Rows have the shapes of the API; fields left out get a default. */
export interface WorldDescription {
  /** T; default 2026-01-01T00:00:00Z. */
  readonly now?: EpochMs | string
  readonly orgs?: readonly Plain[]
  readonly clients?: readonly Plain[]
  readonly flows?: readonly Plain[]
  readonly hunts?: readonly Plain[]
  readonly artifacts?: readonly Plain[]
  readonly users?: readonly Plain[]
  readonly results?: readonly Plain[]
  readonly uploads?: readonly Plain[]
  readonly server_monitoring?: unknown
  readonly client_monitoring?: unknown
}

/** The organisations and users of a server as it was described. */
export interface DescribedWorld {
  /** T, to which relative times and defaults refer. */
  readonly t0: EpochMs
  /** By id. */
  readonly orgs: ReadonlyMap<string, StandInOrg>
  /** Of all organisations, as `gui_users()` gives them: a row for each user and organisation. */
  readonly users: readonly Plain[]
  /** An organisation by its id, '' being `root`; undefined: there is none. */
  org(id: string): StandInOrg | undefined
  /** The same; throws when there is none. */
  orgOf(id: string): StandInOrg
  /** Adds to what is there or replaces: an item takes the place of the one of the same identity. */
  set(change: WorldDescription): void
}

const defaultT0 = Date.UTC(2026, 0, 1)

/** The time T that a description names. */
const startOf = (now: WorldDescription['now']): EpochMs => {
  if (typeof now === 'number') return now
  const ns = now === undefined ? null : momentNs(now, defaultT0)
  return ns === null ? defaultT0 : Number(ns / 1_000_000n)
}

/** What a description says, in an organisation `root` that is always there and in those it names. */
export const describeWorld = (description: WorldDescription): DescribedWorld => {
  const t0 = startOf(description.now)
  const orgs = new Map<string, StandInOrg>([['root', emptyOrg('root', '<root>')]])
  const users: Plain[] = []

  const orgNamed = (id: string): StandInOrg | undefined => orgs.get(id === '' ? 'root' : id)
  const orgOf = (id: string): StandInOrg => {
    const known = orgNamed(id)
    if (known === undefined) throw new Error(`the world has no organisation ${id}: name it under orgs`)
    return known
  }
  const orgFor = (item: Plain): StandInOrg => orgOf(typeof item['org'] === 'string' ? item['org'] : 'root')

  const addUser = (item: Plain): void => {
    const { org: _, ...given } = item
    const { id, name } = orgFor(item)
    const row = userRow({ org_id: id, org_name: name, ...given })
    const at = users.findIndex((one) => one['name'] === row['name'] && one['org_id'] === row['org_id'])
    if (at === -1) users.push(row)
    else users[at] = row
  }
  /** The uploads of a flow, in place of those it had, with their files. */
  const setUploads = (item: Plain): void => {
    const { uploads, files } = orgFor(item)
    const key = { client: textOf(item['client_id']), flow: textOf(item['flow_id']) }
    dropFiles(files, ['clients', key.client, 'collections', key.flow])
    const made = listOf(item['rows']).map((row) => uploadOf(row, key, t0))
    uploads.set(
      flowKey(key.client, key.flow),
      made.flatMap(({ rows }) => rows),
    )
    for (const file of made.flatMap((one) => one.files)) files.set(JSON.stringify(file.components), file)
  }
  const set = (change: WorldDescription): void => {
    for (const { id, name } of (change.orgs ?? []).map(plainOf))
      if (typeof id === 'string' && !orgs.has(id)) orgs.set(id, emptyOrg(id, typeof name === 'string' ? name : id))
    for (const item of change.clients ?? []) {
      const org = orgFor(item)
      org.clients.set(textOf(item['client_id']), clientRow(item, t0))
      if ('metadata' in item) org.metadata.set(textOf(item['client_id']), item['metadata'])
    }
    for (const item of change.flows ?? []) orgFor(item).flows.set(flowKey(item['client_id'], item['session_id']), item)
    for (const item of change.hunts ?? []) orgFor(item).hunts.set(textOf(item['hunt_id']), huntRow(item, t0))
    for (const item of change.artifacts ?? []) {
      // Artifacts of the root organisation are seen in every other one.
      const row = artifactRow(item)
      for (const org of item['org'] === undefined ? orgs.values() : [orgFor(item)])
        org.artifacts.set(textOf(item['name']), row)
    }
    for (const item of change.users ?? []) addUser(item)
    for (const item of change.results ?? [])
      orgFor(item).results.set(
        resultsKey(item['client_id'], item['flow_id'], textOf(item['artifact'])),
        listOf(item['rows']),
      )
    for (const item of change.uploads ?? []) setUploads(item)
    if (change.server_monitoring !== undefined) orgOf('root').serverMonitoring = change.server_monitoring
    if (change.client_monitoring !== undefined) orgOf('root').clientMonitoring = change.client_monitoring
  }

  set(description)
  return { t0, orgs, users, org: orgNamed, orgOf, set }
}
