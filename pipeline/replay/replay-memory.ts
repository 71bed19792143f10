import type { SchemaName } from '../../schemas/codec.ts'
import type { Mark, Schemas, Suppression } from '../../schemas/generated.ts'
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
  const known = new Map<string, unknown>()
  const unsaved = new Map<string, SchemaName>()
  /** Whether the file holds what is not in memory. */
  let isElsewhere = !file.hasNoMark(partition)
  const inFile = (name: SchemaName, key: string): unknown =>
    name === 'Suppression' ? file.suppression(partition, key) : file.mark(partition, key)
  return {
    state: {
      get: <N extends SchemaName>(name: N, key: string) =>
        (known.get(key) ?? (isElsewhere ? inFile(name, key) : undefined)) as Schemas[N] | undefined,
      put(name, key, value) {
        known.set(key, value)
        unsaved.set(key, name)
      },
      // A replay forgets nothing: its file goes when it is done.
      delete: () => undefined,
      committedKeys: () => [],
      keys: () => [],
      // Its one turn never ends: asking for a mark costs no more than asking whether there is one.
      isChanged: () => true,
      // What is in the file may be any key, and so the first of all.
      firstFound: () => (isElsewhere ? '' : undefined),
    },
    save() {
      for (const [key, name] of unsaved)
        if (name === 'Suppression') file.putSuppression(partition, key, known.get(key) as Suppression)
        else file.putMark(partition, key, known.get(key) as Mark)
      unsaved.clear()
      if (known.size <= mostInMemory) return
      known.clear()
      isElsewhere = true
    },
  }
}
