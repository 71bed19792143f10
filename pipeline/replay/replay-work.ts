import type { EventLog } from '../../connectors/log/event-log.ts'
import type { Tell } from '../../schemas/happenings.ts'
import type { Clock } from '../../schemas/time.ts'
import type { SomeKind } from '../kinds/kinds.ts'
import type { Monitors } from '../monitors/monitor.ts'
import type { Progress } from './progress.ts'
import type { ReplayFile } from './replay-file.ts'
import type { ReplayRange } from './replay-range.ts'

/** Rules that events are judged by. */
export interface Rules {
  readonly monitors: Monitors
  /** Hash of the configuration that they come from. */
  readonly configuration: string
}

/** What every part of a replay needs. */
export interface ReplayWork {
  readonly log: EventLog
  readonly clock: Clock
  readonly tell: Tell
  readonly file: ReplayFile
  /** The kind of the events, and its topic. */
  readonly kind: SomeKind
  readonly topic: string
  readonly range: ReplayRange
  readonly rules: Rules
  /** Ms before the range from which on events are judged for what monitors remember; null: all that is kept. */
  readonly warmUpMs: number | null
  /** Pairs that are kept are not only counted. */
  readonly listsKept: boolean
  readonly progress: Progress
  /** Aborted when it shall stop where it stands. */
  readonly stop: AbortSignal
  /** Aborted when a record whose schema nobody here knows has been waited for long enough. */
  readonly lost: AbortSignal
}

export const isStopped = ({ stop }: ReplayWork): boolean => stop.aborted
