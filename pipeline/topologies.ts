import type { Topology } from '../connectors/log/event-log.ts'
import { kinds } from './kinds/kinds.ts'

const judging = kinds.map((kind) => kind.with(({ decide }) => ({ name: decide })))

/** Every topology of the relay by its name, under which a log keeps its state; `slots`: its tasks where they are not the log's partitions. */
export const topologies: readonly Pick<Topology, 'name' | 'slots'>[] = [
  { name: 'collect' },
  { name: 'enrich' },
  ...judging,
  { name: 'deliver' },
  { name: 'index' },
  { name: 'trouble', slots: 1 },
]
