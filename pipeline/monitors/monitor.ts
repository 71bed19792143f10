import type { MonoTypeOperatorFunction } from 'rxjs'
import type { BatchRule } from '../../operators/batch.ts'
import type { Judgement } from '../../operators/judgement.ts'
import type { StateStore } from '../../operators/with-state.ts'
import type { AlertEvent, Mark, Notice, Recipient, Schemas, Suppression } from '../../schemas/generated.ts'
import type { EventName } from '../kinds/kind.ts'
import type { QueueSource } from '../sources/queue-source.ts'

/** What a notice says of its letter; the rest of it is the same for every monitor. */
export type NoticeContent = Pick<Notice, 'severity'> &
  Partial<Pick<Notice, 'flow' | 'flow_letter' | 'alert' | 'alert_letter'>>

/** What a monitor remembers between events. */
export interface MonitorMemory {
  /** What was told, so that it is told once. */
  readonly told: StateStore<Mark>
  /** Open dedup windows. */
  readonly windows: StateStore<Mark>
  /** Open windows that count what they suppress. */
  readonly countedWindows: StateStore<Suppression>
}

/** One entry of `monitors:`, ready to judge events of one kind. */
export interface Monitor<N extends EventName> {
  /** The kind of its events. */
  readonly event: N
  readonly name: string
  readonly artifact: string
  /** Queues that must be collected for it. */
  readonly sources: readonly QueueSource[]
  /** The mail channel. */
  readonly channel: string
  /** From of its letters; null: the channel's own. */
  readonly sender: Recipient | null
  /** When its letters to one recipient go out. */
  readonly batch: BatchRule
  /** Its chain: one judgement out for each in, in order. */
  chain(memory: MonitorMemory): MonoTypeOperatorFunction<Judgement<Schemas[N]>>
  /** Which events it is asked about; left out: all of its kind. */
  concerns?(event: Schemas[N]): boolean
  /** What it tells; left out: it tells nobody, and makes alerts. `whole` is what a notice holds, and may not be looked at; left out: the event. */
  noticeOf?(event: Schemas[N], whole?: Schemas[N]): NoticeContent
  /** The alert that it makes of what it would tell; left out: it makes none. */
  alertOf?(judgement: Judgement<Schemas[N]>): AlertEvent
}

/** A monitor that tells people. */
export interface Teller<N extends EventName> extends Monitor<N> {
  noticeOf(event: Schemas[N], whole?: Schemas[N]): NoticeContent
}

export type FlowMonitor = Teller<'FlowEvent'>
export type AlertMonitor = Teller<'AlertEvent'>
export type QueueMonitor = Monitor<'QueueEvent'>
export type LogMonitor = Monitor<'LogEvent'>

/** Monitors by the kind of their events; left out: none. */
export type Monitors = { readonly [N in EventName]?: readonly Monitor<N>[] }

/** Those of one kind. */
export const monitorsFor = <N extends EventName>(monitors: Monitors, name: N): readonly Monitor<N>[] =>
  monitors[name] ?? []
