/** A topic of the log. Every name, key and schema that the relay reads or writes stands in this file. */
export interface Topic {
  readonly name: string
  /** How long records are kept, ms; undefined: for ever. */
  readonly keptMs?: number
  /** Only the newest record of each key is kept. */
  readonly compacted?: true
}

const day = 86_400_000

export const topics = {
  /** Key: org + client. Holds RawEvent. */
  rawFlowCompletions: { name: 'raw.flow-completions', keptMs: 7 * day },
  /** Key: org + alert name. Holds RawEvent. */
  rawAlerts: { name: 'raw.alerts', keptMs: 7 * day },
  /** Key: org + queue. Holds RawEvent. */
  rawQueueEvents: { name: 'raw.queue-events', keptMs: 7 * day },
  /** Key: org + artifact. Holds RawEvent. */
  rawServerLogs: { name: 'raw.server-logs', keptMs: 7 * day },
  /** Key: org + artifact. Holds RawEvent. */
  rawClientLogs: { name: 'raw.client-logs', keptMs: 7 * day },
  /** Key: org + client. Holds FlowEvent. */
  flowEvents: { name: 'events.flows', keptMs: 30 * day },
  /** Key: org + alert name. Holds AlertEvent. */
  alertEvents: { name: 'events.alerts', keptMs: 30 * day },
  /** Key: org + queue. Holds QueueEvent. */
  queueEvents: { name: 'events.queue-events', keptMs: 30 * day },
  /** Key: org + artifact. Holds LogEvent. */
  logEvents: { name: 'events.logs', keptMs: 30 * day },
  /** Key: channel + recipient. Holds Notice. */
  notices: { name: 'notices', keptMs: 30 * day },
  /** Partition: as its notice. Holds Receipt. */
  receipts: { name: 'receipts', keptMs: 30 * day },
  /** Partition: the writing task's. Holds Outcome. */
  outcomes: { name: 'outcomes', keptMs: 30 * day },
  /** Partition: the writing task's. Holds Reject. */
  rejects: { name: 'rejects', keptMs: 30 * day },
  /** Partition: as the notice that it concerns. Holds Command. */
  commands: { name: 'commands', keptMs: 30 * day },
  /** Key: fingerprint. Holds the writer's schema as canonical JSON text. */
  schemas: { name: 'schemas', compacted: true },
} as const satisfies Record<string, Topic>

export const allTopics: readonly Topic[] = Object.values(topics)
