import { partitionOf } from '../../connectors/log/partition-of.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { KnownOrg } from './known-orgs.ts'
import type { LogSource, QueueSource } from './queue-source.ts'

/** Whether it reads logs. */
export const isLogs = (source: QueueSource): source is LogSource => source.logs !== undefined

/** Who reads in a slot: of each organisation the queues that belong to it, those that may be missing each by itself, and logs. */
export const readersOf = (
  all: readonly QueueSource[],
  orgs: readonly KnownOrg[],
  { partition, slots }: { readonly partition: number; readonly slots: number },
): readonly Reader[] =>
  orgs.flatMap(({ id: org, since }) => {
    const own = all.filter(({ queue }) => partitionOf(`${org}/${queue}`, slots) === partition)
    // One queue that is not there would end the stream of the others, and logs have no stream.
    const isAlone = (source: QueueSource): boolean => source.mayBeMissing || isLogs(source)
    const together = own.filter((source) => !isAlone(source))
    return [together, ...own.filter(isAlone).map((source) => [source])]
      .filter((sources) => sources.length > 0)
      .map((sources) => ({ org, foundSince: since, sources }))
  })

/** Tells readers apart. */
export const nameOf = ({ org, sources }: Pick<Reader, 'org' | 'sources'>): string =>
  [org, ...sources.map(({ queue }) => queue)].join('\n')

/** What is read together of an organisation. */
export interface Reader {
  readonly org: string
  /** The organisation was found while running and came after this time, epoch ms; null: it was there. */
  readonly foundSince: EpochMs | null
  readonly sources: readonly QueueSource[]
}

/** Readers that end with the next list: what they read, and what of it nobody reads on. */
export const droppedFrom = (
  before: readonly Reader[],
  next: readonly Reader[],
): readonly { readonly org: string; readonly queues: string; readonly unread: string }[] => {
  const staying = new Set(next.map(nameOf))
  const isRead = (org: string, queue: string): boolean =>
    next.some((reader) => reader.org === org && reader.sources.some((source) => source.queue === queue))
  return before
    .filter((reader) => !staying.has(nameOf(reader)))
    .map(({ org, sources }) => {
      const queues = sources.map(({ queue }) => queue)
      return { org, queues: queues.join(', '), unread: queues.filter((queue) => !isRead(org, queue)).join(', ') }
    })
}
