import type { EventLog } from '../../../connectors/log/event-log.ts'
import { flowKind } from '../../../pipeline/kinds/flow-kind.ts'
import type { SomeKind } from '../../../pipeline/kinds/kinds.ts'
import { openProgress } from '../../../pipeline/replay/progress.ts'
import { inMemory, openReplayFile, type Pair, type ReplayFile } from '../../../pipeline/replay/replay-file.ts'
import type { ReplayRange } from '../../../pipeline/replay/replay-range.ts'
import { replay, type Replayed } from '../../../pipeline/replay/replay.ts'
import type { ReplayWork, Rules } from '../../../pipeline/replay/replay-work.ts'
import type { Clock } from '../../../schemas/time.ts'

export const always: ReplayRange = { from: 0, to: Number.MAX_SAFE_INTEGER }

export interface ReplayTerms {
  readonly log: EventLog
  readonly clock: Clock
  readonly rules: Rules
  /** Of the events; default: flows. */
  readonly kind?: SomeKind
  readonly range?: ReplayRange
  readonly file?: ReplayFile
  readonly warmUpMs?: number | null
  readonly stop?: AbortSignal
  /** Called at each report of progress. */
  readonly onProgress?: () => void
}

/** What a replay needs, its file in memory unless one is given. */
export const workOf = ({
  log,
  clock,
  rules,
  kind = { with: (use) => use(flowKind) },
  range = always,
  file = openReplayFile(inMemory),
  warmUpMs = null,
  stop = new AbortController().signal,
  onProgress = () => undefined,
}: ReplayTerms): Omit<ReplayWork, 'lost'> => ({
  log,
  clock,
  tell: () => undefined,
  file,
  kind,
  topic: kind.with(({ topic }) => topic.name),
  range,
  rules,
  warmUpMs,
  listsKept: true,
  progress: openProgress(onProgress, () => performance.now()),
  stop,
})

/** A replay to its end, and its pairs. */
export const replayed = async (
  terms: ReplayTerms,
): Promise<
  Replayed & { readonly gained: readonly Pair[]; readonly lost: readonly Pair[]; readonly kept: readonly Pair[] }
> => {
  const work = workOf(terms)
  const found = await replay(work)
  if (found === null) throw new Error('the replay was stopped')
  const { file } = work
  const of = (kind: Pair['kind']): readonly Pair[] => [...file.pairs([kind])]
  return { ...found, gained: of('gained'), lost: of('lost'), kept: of('kept') }
}
