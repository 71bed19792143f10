import type { MonoTypeOperatorFunction } from 'rxjs'
import type { BatchRule } from '../../operators/batch.ts'
import type { Judgement } from '../../operators/judgement.ts'
import type { StateStore } from '../../operators/with-state.ts'
import type { FlowEvent, Mark, Notice, Recipient } from '../../schemas/generated.ts'

/** What a notice says of its letter; the rest of it is the same for every monitor. */
export type NoticeContent = Pick<Notice, 'flow' | 'flow_letter' | 'severity'>

/** What a monitor remembers between events. */
export interface MonitorMemory {
  /** What was told, so that it is told once. */
  readonly told: StateStore<Mark>
  /** Open dedup windows. */
  readonly windows: StateStore<Mark>
}

/** One entry of `monitors:`, ready to judge flows. */
export interface FlowMonitor {
  readonly name: string
  readonly artifact: string
  /** The mail channel. */
  readonly channel: string
  /** From of its letters; null: the channel's own. */
  readonly sender: Recipient | null
  /** When its letters to one recipient go out. */
  readonly batch: BatchRule
  /** Its chain: one judgement out for each in, in order. */
  chain(memory: MonitorMemory): MonoTypeOperatorFunction<Judgement<FlowEvent>>
  noticeOf(event: FlowEvent): NoticeContent
}
