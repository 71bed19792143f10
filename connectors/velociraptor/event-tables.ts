import type { EpochMs } from '../../schemas/time.ts'
import { isDictionary } from './exact-json.ts'
import { askRows } from './lookups.ts'
import type { Velociraptor } from './velociraptor.ts'

/** An artifact that a table of event artifacts has. */
export interface TableEntry {
  readonly artifact: string
  /** The label, letter for letter, that a client must carry; empty: every client, or the server. */
  readonly label: string
}

/** Which event artifacts run. */
export interface EventTable {
  /** The server's time of the answer, epoch ms, whole seconds. */
  readonly now: EpochMs
  /** Each pair once, in the table's order: what has parameters and what is only named alike. */
  readonly entries: readonly TableEntry[]
}

// The whole table holds the compiled queries of every artifact, and is asked for each minute.
const serverTableQuery =
  'SELECT now() AS Now, M.artifacts AS Named, array(_={ SELECT artifact FROM M.specs }) AS Specs ' +
  'FROM foreach(row={ SELECT get_server_monitoring() AS M FROM scope() })'

const clientTableQuery =
  'SELECT now() AS Now, M.artifacts.artifacts AS Named, array(_={ SELECT artifact FROM M.artifacts.specs }) AS Specs, ' +
  'array(_={ SELECT label, artifacts.artifacts AS Named, array(_={ SELECT artifact FROM artifacts.specs }) AS Specs FROM M.label_events }) AS Groups ' +
  'FROM foreach(row={ SELECT get_client_monitoring() AS M FROM scope() })'

const list = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === null || value === undefined ? [] : [value]

const namesIn = ({ Named, Specs }: Readonly<Record<string, unknown>>): readonly string[] =>
  [...list(Named), ...list(Specs).map((spec) => (isDictionary(spec) ? spec['artifact'] : spec))].filter(
    (name): name is string => typeof name === 'string' && name !== '',
  )

const entriesOf = (row: Readonly<Record<string, unknown>>): readonly TableEntry[] => {
  const all = [
    ...namesIn(row).map((artifact): TableEntry => ({ artifact, label: '' })),
    ...list(row['Groups'])
      .filter(isDictionary)
      .flatMap((group) => {
        const { label } = group
        return typeof label === 'string' && label !== ''
          ? namesIn(group).map((artifact): TableEntry => ({ artifact, label }))
          : []
      }),
  ]
  return [...new Map(all.map((entry) => [JSON.stringify([entry.artifact, entry.label]), entry])).values()]
}

const ask = async (velociraptor: Velociraptor, org: string, vql: string): Promise<EventTable> => {
  const [row = {}] = await askRows(velociraptor, { org, vql })
  return { now: Number(row['Now']) * 1000, entries: entriesOf(row) }
}

/** The artifacts that run on the server now. Rejects with ConnectorError. */
export const serverEventTable = (velociraptor: Velociraptor, org: string): Promise<EventTable> =>
  ask(velociraptor, org, serverTableQuery)

/** The artifacts that run on clients now, on all of them and on those with a label. Rejects with ConnectorError. */
export const clientEventTable = (velociraptor: Velociraptor, org: string): Promise<EventTable> =>
  ask(velociraptor, org, clientTableQuery)
