import type { SchemaName } from '../../schemas/codec.ts'
import type { Mark, Schemas } from '../../schemas/generated.ts'
import type { MarkState } from '../runtime/marks.ts'
import type { ReplayFile } from './replay-file.ts'

/** What the monitors of a replay remember in one partition: the latest in memory, the rest in the replay's file. */
export interface ReplayMemory {
  readonly state: MarkState
  /** Inside a commit: what is not in the file yet goes there. */
  save(): void
}

const mostInMemory = 200_000

/** Opens the memory of a partition; what the file holds of it is remembered. */
export const openReplayMemory = (file: ReplayFile, partition: number): ReplayMemory => {
  const known = new Map<string, Mark>()
  const unsaved = new Set<string>()
  /** Whether the file holds what is not in memory. */
  let isElsewhere = !file.hasNoMark(partition)
  return {
    state: {
      get: <N extends SchemaName>(_name: N, key: string) =>
        (known.get(key) ?? (isElsewhere ? file.mark(partition, key) : undefined)) as Schemas[N] | undefined,
      put(_name, key, value) {
        known.set(key, value as Mark)
        unsaved.add(key)
      },
      // A replay forgets nothing: its file goes when it is done.
      delete: () => undefined,
      committedKeys: () => [],
      // Its one turn never ends: asking for a mark costs no more than asking whether there is one.
      isChanged: () => true,
      firstFound: () => undefined,
    },
    save() {
      for (const key of unsaved) file.putMark(partition, key, known.get(key) as Mark)
      unsaved.clear()
      if (known.size <= mostInMemory) return
      known.clear()
      isElsewhere = true
    },
  }
}
