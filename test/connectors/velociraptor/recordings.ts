import { readFileSync } from 'node:fs'
import { splitRows } from '../../../connectors/velociraptor/split-rows.ts'
import { createWorld, type StandInWorld, type WorldDescription } from '../../../connectors/velociraptor/stand-in/world.ts'

const folder = new URL('../../fixtures/velociraptor/', import.meta.url)

/** The lines of a recorded file. */
export const lines = (file: string): readonly string[] =>
  readFileSync(new URL(file, folder), 'utf8').split('\n').filter((line) => line !== '')

/** The rows of a recorded file. */
export const rows = <T = Record<string, unknown>>(file: string): readonly T[] => lines(file).map((line) => JSON.parse(line) as T)

/** The member texts of an object, verbatim. */
export const membersOf = (row: string): readonly string[] => splitRows(`[${row.slice(1, -1)}]`)

/** A row without the fields that say when and from whom it was read. */
export const withoutReading = (row: string): string =>
  `{${membersOf(row)
    .filter((member) => !/^\s*"(_ts|_Source)"/.test(member))
    .join(',')}}`

/** The recorded server's state. */
export const recordedDescription = (): WorldDescription => {
  const metadata = new Map(rows<{ CId: string; M: unknown }>('state/client_metadata.jsonl').map(({ CId, M }) => [CId, M]))
  return {
    now: '2026-11-24T08:32:00Z',
    clients: rows<{ client_id: string }>('state/clients.jsonl').map((client) => ({ ...client, metadata: metadata.get(client.client_id) ?? {} })),
    flows: rows('state/flows.jsonl'),
    hunts: rows<{ H: Record<string, unknown> | null }>('state/hunt_info.jsonl').flatMap(({ H }) => (H === null ? [] : [H])),
    artifacts: rows('state/artifact_definitions.jsonl'),
    users: rows('state/gui_users.as-api.jsonl'),
  }
}

export const recordedWorld = (): StandInWorld => createWorld(recordedDescription())
