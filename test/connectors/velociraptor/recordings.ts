import { readFileSync } from 'node:fs'
import { isDictionary, parseExact, type Dictionary } from '../../../connectors/velociraptor/exact-json.ts'
import { splitRows } from '../../../connectors/velociraptor/split-rows.ts'
import type { WorldDescription } from '../../../connectors/velociraptor/stand-in/world-description.ts'
import { createWorld, type StandInWorld } from '../../../connectors/velociraptor/stand-in/world.ts'

const folder = new URL('../../fixtures/velociraptor/', import.meta.url)

/** The lines of a recorded file. */
export const lines = (file: string): readonly string[] =>
  readFileSync(new URL(file, folder), 'utf8')
    .split('\n')
    .filter((line) => line !== '')

/** The rows of a recorded file. */
export const rows = (file: string): readonly Dictionary[] =>
  lines(file)
    .map(parseExact)
    .filter((row) => isDictionary(row))

/** A recorded call: what was asked, every message of the answer, and how it ended. */
export interface Transcript {
  readonly case: string
  readonly role: string
  readonly request: {
    readonly vql?: string | readonly string[]
    readonly timeout?: number
    readonly max_row?: number
    readonly org?: string
  }
  readonly messages?: readonly (Dictionary & { readonly log?: string })[]
  readonly code?: number
  readonly details?: string
}

export const transcripts = (): readonly Transcript[] =>
  rows('probes/query-transcripts.jsonl') as unknown as readonly Transcript[]

/** The member texts of an object, verbatim. */
export const membersOf = (row: string): readonly string[] => splitRows(`[${row.slice(1, -1)}]`)

/** A row without the fields that say when and from whom it was read. */
export const withoutReading = (row: string): string =>
  `{${membersOf(row)
    .filter((member) => !/^\s*"(_ts|_Source)"/.test(member))
    .join(',')}}`

/** The recorded server's state. */
export const recordedDescription = (): WorldDescription => {
  const metadata = new Map(rows('state/client_metadata.jsonl').map(({ CId, M }) => [CId, M]))
  return {
    now: '2026-11-24T08:32:00Z',
    clients: rows('state/clients.jsonl').map((client) => ({
      ...client,
      metadata: metadata.get(client['client_id']) ?? {},
    })),
    flows: rows('state/flows.jsonl'),
    hunts: rows('state/hunt_info.jsonl').flatMap(({ H }) => (isDictionary(H) ? [H] : [])),
    artifacts: rows('state/artifact_definitions.jsonl'),
    users: rows('state/gui_users.as-api.jsonl'),
  }
}

export const recordedWorld = (): StandInWorld => createWorld(recordedDescription())
