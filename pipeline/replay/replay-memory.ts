import type { Mark, Schemas } from '../../schemas/generated.ts'
import type { SchemaName } from '../../schemas/codec.ts'
import { type MarkState } from '../runtime/marks.ts'
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
  /** Ranges of keys that were looked at, and whether nothing lies there. */
  const emptyRanges = new Map<string, boolean>()
  let isInFile = !file.hasNoMark(partition, '', '\uffff')

  const markOf = (key: string): Mark | undefined => {
    const mark = known.get(key)
    if (mark !== undefined || !isInFile) return mark
    return file.mark(partition, key)
  }
  const isEmpty = (from: string, to: string): boolean => {
    const remembered = emptyRanges.get(from)
    if (remembered !== undefined) return remembered
    const found =
      (!isInFile || file.hasNoMark(partition, from, to)) && ![...known.keys()].some((key) => key >= from && key < to)
    emptyRanges.set(from, found)
    return found
  }
  return {
    state: {
      get: <N extends SchemaName>(_name: N, key: string) => markOf(key) as Schemas[N] | undefined,
      put(_name, key, value) {
        known.set(key, value as Mark)
        unsaved.add(key)
        for (const [from, wasEmpty] of emptyRanges) if (wasEmpty && key.startsWith(from)) emptyRanges.set(from, false)
      },
      // A replay forgets nothing: its file goes when it is done.
      delete: () => undefined,
      committedKeys: () => [],
      isEmpty,
    },
    save() {
      for (const key of unsaved) file.putMark(partition, key, known.get(key) as Mark)
      if (unsaved.size > 0) isInFile = true
      unsaved.clear()
      if (known.size > mostInMemory) known.clear()
    },
  }
}
