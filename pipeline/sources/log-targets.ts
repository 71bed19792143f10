import type { EventTable, TableEntry } from '../../connectors/velociraptor/event-tables.ts'
import { lookUpDefinitions } from '../../connectors/velociraptor/lookups.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { LogReading } from './queue-source.ts'

/** Whose lines a round reads. */
export interface LogTargets {
  /** Artifacts with their sources, each once: what runs on every client is not read once more for those with a label. */
  readonly entries: readonly TableEntry[]
  /** Those of the table of now. */
  readonly running: readonly string[]
  /** Artifacts of the table that the server does not know. */
  readonly unknown: readonly string[]
}

const named = (value: unknown): string =>
  typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string' ? value.name : ''

/** Each named source has a log of its own, and those without a name that of the artifact. */
const queuesOf = (artifact: string, sources: unknown): readonly string[] => {
  const names = Array.isArray(sources) ? sources.map(named) : []
  if (names.length === 0) return [artifact]
  return [...new Set(names.map((name) => (name === '' ? artifact : `${artifact}/${name}`)))]
}

const withoutRepeats = (entries: readonly TableEntry[]): readonly TableEntry[] => {
  const everywhere = new Set(entries.flatMap(({ artifact, label }) => (label === '' ? [artifact] : [])))
  const needed = entries.filter(({ artifact, label }) => label === '' || !everywhere.has(artifact))
  return [...new Map(needed.map((entry) => [JSON.stringify([entry.artifact, entry.label]), entry])).values()]
}

/**
 * The artifacts of a table, with their named sources as they are defined now, of which a monitor may look for lines; and once more those of
 * the round before: one that was taken out of the table since may have said why.
 */
export const logTargets = async (
  velociraptor: Velociraptor,
  org: string,
  { entries }: EventTable,
  { selections, before }: Pick<LogReading, 'selections'> & { readonly before: readonly string[] },
): Promise<LogTargets> => {
  const artifacts = [...new Set(entries.map(({ artifact }) => artifact))]
  const definitions = await lookUpDefinitions(velociraptor, org, artifacts)
  const running = entries
    .flatMap(({ artifact, label }) =>
      queuesOf(artifact, definitions.get(artifact)?.['sources']).map((queue) => ({ artifact: queue, label })),
    )
    .filter(({ artifact }) => selections.some((selection) => selection.concerns(artifact)))
  const known = new Set(running.map(({ artifact }) => artifact))
  const gone = before.filter((queue) => !known.has(queue)).map((queue) => ({ artifact: queue, label: '' }))
  return {
    entries: withoutRepeats([...running, ...gone]),
    running: [...known],
    unknown: artifacts.filter((artifact) => (definitions.get(artifact) ?? null) === null),
  }
}
