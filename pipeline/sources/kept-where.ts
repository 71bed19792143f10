import { lookUpDefinitions } from '../../connectors/velociraptor/lookups.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { QueueSource } from './queue-source.ts'

/** Where the server keeps the rows of an event queue. */
export type KeptWhere = 'by client' | 'by server' | 'nowhere'

const byType: Readonly<Record<string, KeptWhere>> = {
  client_event: 'by client',
  server_event: 'by server',
  internal: 'nowhere',
}

/** Looks up by the types of their artifacts where rows of queues are kept; a queue that the server does not know is left out. */
export const keptWhere = async (
  velociraptor: Velociraptor,
  org: string,
  queues: readonly string[],
): Promise<ReadonlyMap<string, KeptWhere>> => {
  const artifactOf = (queue: string): string => queue.split('/', 1)[0] ?? queue
  const definitions = await lookUpDefinitions(velociraptor, org, [...new Set(queues.map(artifactOf))])
  return new Map(
    queues.flatMap((queue) => {
      const kept = byType[String(definitions.get(artifactOf(queue))?.['type'])]
      return kept === undefined ? [] : [[queue, kept] as const]
    }),
  )
}

/** Sources with what the server says of where it keeps their rows; of one that it does not know, both places are still to be read. */
export const locatedSources = (
  sources: readonly QueueSource[],
  kept: ReadonlyMap<string, KeptWhere>,
): readonly QueueSource[] =>
  sources.map((source): QueueSource => {
    if (!source.mayBeMissing) return source
    const where = kept.get(source.queue)
    if (where === 'nowhere') return { ...source, isLiveOnly: true }
    return where === 'by server' ? { ...source, isPerClient: false } : source
  })
