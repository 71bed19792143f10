import { isDictionary } from './exact-json.ts'
import { askRows, clientMonitoring, type Dictionary, serverMonitoring } from './lookups.ts'
import type { Velociraptor } from './velociraptor.ts'

/** The newest change that the server's audit log has, by operation. */
export interface ArtifactChange {
  readonly operation: string
  readonly principal: string
  /** Epoch ms. */
  readonly at: number
}

/** What the server knows of an artifact that runs on events; null: nothing. */
export interface ArtifactRecord {
  readonly definition: Dictionary | null
  /** Its entry in the table of event artifacts, and the label group whose entry it is (empty: that of every client, or of the server). */
  readonly execution: { readonly label: string; readonly spec: Dictionary } | null
  readonly changes: readonly ArtifactChange[]
}

const changesWithinMs = 86_400_000
const changesTimeoutS = 5

/** Definition, event table entry and latest changes of an artifact. Rejects with ConnectorError. */
export const lookUpArtifact = async (
  velociraptor: Velociraptor,
  org: string,
  { artifact, isOfClients, now }: { readonly artifact: string; readonly isOfClients: boolean; readonly now: number },
): Promise<ArtifactRecord> => {
  const [definition = null] = await askRows(velociraptor, {
    org,
    vql:
      'SELECT name, type, author, built_in, is_inherited, required_permissions, implied_permissions, metadata, ' +
      'array(_={ SELECT name, type FROM parameters }) AS parameters FROM artifact_definitions(names=Name)',
    env: { Name: artifact },
  })
  const table = isOfClients ? await clientMonitoring(velociraptor, org) : await serverMonitoring(velociraptor, org)
  const changes = await askRows(velociraptor, {
    org,
    timeoutS: changesTimeoutS,
    vql:
      "SELECT operation, principal, details, _ts FROM monitoring(client_id='server', artifact='Server.Audit.Logs', start_time=FromMs) " +
      "WHERE operation IN ('SetArtifactFile', 'SetServerMonitoringState', 'SetClientMonitoringState')",
    env: { FromMs: String(Math.max(1, now - changesWithinMs)) },
  })
  return {
    definition,
    execution: table === null ? null : isOfClients ? inClientTable(table, artifact) : inTable(table, artifact, ''),
    changes: changes.filter((row) => concerns(row, artifact)).map(changeOf),
  }
}

const list = (value: unknown): readonly Dictionary[] => (Array.isArray(value) ? value.filter(isDictionary) : [])

const inTable = (table: Dictionary, artifact: string, label: string): ArtifactRecord['execution'] => {
  const spec = list(table['specs']).find((each) => each['artifact'] === artifact)
  if (spec !== undefined) return { label, spec }
  return Array.isArray(table['artifacts']) && table['artifacts'].includes(artifact) ? { label, spec: {} } : null
}

/** The entry for all clients comes first, then those of label groups in their order. */
const inClientTable = (table: Dictionary, artifact: string): ArtifactRecord['execution'] => {
  const all = table['artifacts']
  const found = isDictionary(all) ? inTable(all, artifact, '') : null
  if (found !== null) return found
  for (const group of list(table['label_events'])) {
    const { artifacts: events, label } = group
    const entry = isDictionary(events) ? inTable(events, artifact, typeof label === 'string' ? label : '') : null
    if (entry !== null) return entry
  }
  return null
}

/** A change of a definition names its artifact somewhere in its details; one of a table concerns everything in it. */
const concerns = ({ operation, details }: Dictionary, artifact: string): boolean => {
  if (operation !== 'SetArtifactFile') return true
  return isDictionary(details) && Object.values(details).some((value) => value === artifact)
}

const changeOf = ({ operation, principal, _ts }: Dictionary): ArtifactChange => ({
  operation: String(operation),
  principal: typeof principal === 'string' ? principal : '',
  at: Number(_ts),
})
