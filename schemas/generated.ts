// Generated from the .avsc files by `npm run generate`. Do not edit.

export type Origin = 'live' | 'history' | 'sweep' | 'repair'

/** A row as Velociraptor gave it, with its identity and its times. Topics raw.* */
export interface RawEvent {
  /** Organisation id; `root` for the root organisation. */
  readonly org: string
  /** The event queue's full artifact name, its source included. */
  readonly queue: string
  /** Natural key of the row; copies that are legal carry an ordinal. */
  readonly id: string
  /** Epoch ms at which the server received the event, as first seen. */
  readonly received_at: number
  /** Epoch ms at which the relay read the row. */
  readonly read_at: number
  /** How it came: watched live, read back from history, found by comparing states, or read back because a stream that lived had left it out. */
  readonly origin: Origin
  /** The row's JSON text, verbatim. */
  readonly row: string
}

export interface MetadataEntry {
  readonly field: string
  readonly value: string
}

export interface ClientFacts {
  readonly id: string
  /** False for a server collection: `server` has no client record. */
  readonly known: boolean
  readonly fqdn: string
  readonly hostname: string
  readonly system: string
  readonly release: string
  readonly machine: string
  readonly labels: readonly string[]
  /** Epoch ms, server clock. */
  readonly first_seen_at: null | number
  readonly metadata: readonly MetadataEntry[]
}

export interface FlowArgument {
  readonly artifact: string
  readonly name: string
  readonly value: string
  /** The parameter's type is `redacted`: the value is never shown. */
  readonly redacted: boolean
}

export interface QueryFacts {
  readonly status: string
  readonly error: string
  readonly rows: number
  readonly uploads: number
}

export interface FlowFacts {
  readonly id: string
  /** Epoch ms, server clock; null when the server has none. */
  readonly created_at: null | number
  /** Epoch ms, the endpoint's clock; null when never started. */
  readonly started_at: null | number
  /** FINISHED, ERROR, or the state it still had when waiting for it ended. */
  readonly state: string
  /** The server's text; empty when clean. */
  readonly status: string
  /** Longest single query, nanoseconds; 0 when unknown. */
  readonly duration_ns: number
  readonly creator: string
  readonly urgent: boolean
  /** As requested. */
  readonly artifacts: readonly string[]
  /** Parameters set explicitly, in the order of the request. */
  readonly arguments: readonly FlowArgument[]
  /** Number of specs in the request: one spec shows bare names. */
  readonly specs: number
  /** `Artifact` or `Artifact/Source`. */
  readonly sources_with_results: readonly string[]
  readonly total_rows: number
  readonly uploaded_files: number
  readonly uploaded_bytes: number
  readonly queries: readonly QueryFacts[]
}

export interface HuntFacts {
  readonly id: string
  /** False when the hunt's record is gone. */
  readonly known: boolean
  readonly description: string
  readonly tags: readonly string[]
}

export interface DefinitionFacts {
  readonly name: string
  readonly known: boolean
  readonly required_permissions: readonly string[]
}

/** A completed flow with every fact that a decision or a letter needs. Topic events.flows */
export interface FlowEvent {
  /** Natural key: org, client, flow and completion second. */
  readonly id: string
  /** What may be told once: org, client, flow and creation time. */
  readonly told_once_as: string
  readonly org: string
  /** Display name of the organisation. */
  readonly org_name: string
  /** Epoch ms, the server's receive time. */
  readonly received_at: number
  /** Epoch ms at which the relay read the row. */
  readonly read_at: number
  readonly origin: Origin
  /** Epoch ms of the completion: the event's Timestamp, else received_at. */
  readonly completed_at: number
  readonly client: ClientFacts
  readonly flow: FlowFacts
  /** The hunt that made the flow, told by the flow's id. */
  readonly hunt: null | HuntFacts
  /** Definitions of the requested artifacts. */
  readonly definitions: readonly DefinitionFacts[]
  /** The completion row's JSON text, verbatim. */
  readonly row: string
}

export interface DerivedFrom {
  /** The monitor of the relay that made it. */
  readonly monitor: string
  /** The event that it was made of; empty: of none. */
  readonly event: string
}

/** An alert with every fact that a decision or a letter needs. Topic events.alerts */
export interface AlertEvent {
  /** Natural key: org, client, flow or artifact, time and name. */
  readonly id: string
  /** What may be told once. */
  readonly told_once_as: string
  readonly org: string
  /** Display name of the organisation. */
  readonly org_name: string
  /** Epoch ms, the server's receive time. */
  readonly received_at: number
  /** Epoch ms at which the relay read the row. */
  readonly read_at: number
  readonly origin: Origin
  /** The alert's name: chosen by whoever raised it. */
  readonly name: string
  /** Epoch ms by the clock of whoever raised it; null when it says none. */
  readonly alerted_at: null | number
  /** Client that raised it; `server` for the server itself. */
  readonly reported_by: string
  /** Whom it concerns: who raised it, or whom an alert of the server names. */
  readonly client: ClientFacts
  /** The collection that it comes from; empty when from none. */
  readonly flow_id: string
  /** null when there is none, or its record is gone. */
  readonly flow: null | FlowFacts
  /** The hunt that made the flow, told by the flow's id. */
  readonly hunt: null | HuntFacts
  /** Artifact that raised it, or that an alert of the server names; empty: unknown. */
  readonly artifact: string
  /** CLIENT_EVENT, SERVER_MONITORING or empty. */
  readonly artifact_type: string
  /** Its own `severity` or `Severity`, as it stands; empty: it has neither. Monitors derive theirs by a table. */
  readonly severity: string
  /** Whatever else was said, as JSON text, verbatim. */
  readonly event_data: string
  /** Too large for the log: long values of event_data are cut. */
  readonly shortened: boolean
  /** null: it came from Velociraptor. */
  readonly derived_from: null | DerivedFrom
}

/** A row of an event queue that a monitor names, with every fact that a decision needs. Topic events.queue-events */
export interface QueueEvent {
  /** Org, client, queue, what the row holds, which of equal rows it is, and the second of its receipt. */
  readonly id: string
  readonly org: string
  /** Display name of the organisation. */
  readonly org_name: string
  /** Epoch ms, the server's receive time. */
  readonly received_at: number
  /** Epoch ms at which the relay read the row. */
  readonly read_at: number
  readonly origin: Origin
  /** The artifact whose queue it is, its source included. */
  readonly queue: string
  /** Whose row it is; `server` for the server itself. */
  readonly client: ClientFacts
  /** The row's JSON text, verbatim. */
  readonly row: string
  /** Too large for the log: long values of the row are cut. */
  readonly shortened: boolean
}

/** A line that an event artifact logged, with every fact that a decision needs. Topic events.logs */
export interface LogEvent {
  /** Org, client, artifact, what the line holds, which of equal lines it is, and the ms of its storing. */
  readonly id: string
  readonly org: string
  /** Display name of the organisation. */
  readonly org_name: string
  /** Epoch ms at which the server stored it. */
  readonly received_at: number
  /** Epoch ms at which the relay read it. */
  readonly read_at: number
  readonly origin: Origin
  /** The artifact that logged, its source included. */
  readonly artifact: string
  /** Where it ran; `server` for the server itself. */
  readonly client: ClientFacts
  /** Empty: the line has none. */
  readonly level: string
  readonly message: string
  /** Epoch ms by the clock of whoever logged it; null when it says none. */
  readonly logged_at: null | number
  /** Too large for the log: the message is cut. */
  readonly shortened: boolean
}

export interface Recipient {
  /** Bare address as it was written. */
  readonly address: string
  /** Display name; empty when none. */
  readonly name: string
}

export interface EventPosition {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface BatchTerms {
  readonly quiet_ms: number
  readonly longest_ms: number
  readonly most: number
  readonly first_at_once: boolean
  readonly spacing_ms: number
}

export interface MetadataRow {
  readonly field: string
  readonly alias: string
}

export interface ResultTableRule {
  /** Pattern of `Artifact[/Source]`. */
  readonly source: string
  /** Pattern of column names; empty: all. */
  readonly columns: string
  readonly most_rows: number
  /** Characters. */
  readonly longest_cell: number
}

export interface AttachmentRule {
  /** Pattern of `Artifact[/Source]`. */
  readonly source: string
  /** Pattern of column names; empty: all. */
  readonly columns: string
  /** 0: all. */
  readonly most_rows: number
}

export type AttachmentFormat = 'jsonl' | 'csv'

export interface FlowLetterOptions {
  readonly html: boolean
  readonly keep_empty_rows: boolean
  /** The client was new when the flow ran. */
  readonly new_client: boolean
  readonly client_metadata: readonly MetadataRow[]
  /** Rows of the uploads table; 0: no table. */
  readonly uploads_rows: number
  readonly result_tables: readonly ResultTableRule[]
  /** Columns of a result table; 0: all, without headings. */
  readonly result_columns: number
  readonly attachments: readonly AttachmentRule[]
  readonly attachment_format: AttachmentFormat
  /** All attachments of the letter together, encoded. */
  readonly most_attached_bytes: number
}

export interface AlertLetterOptions {
  readonly html: boolean
  readonly keep_empty_rows: boolean
  /** By the monitor's table; empty: none. */
  readonly severity: string
  /** Members of event_data that a severity is derived from. */
  readonly severity_members: readonly string[]
  readonly client_details: boolean
  readonly client_metadata: readonly MetadataRow[]
  readonly flow_details: boolean
  readonly artifact_details: boolean
  readonly flatten: boolean
  /** Pattern of keys that are shown; empty: all. */
  readonly context_include: string
  /** Pattern of keys that are not shown; empty: none. */
  readonly context_exclude: string
  /** Characters. */
  readonly longest_key: number
  /** Characters. */
  readonly longest_value: number
  readonly most_rows: number
}

/** One thing that one recipient should be told. Topic notices */
export interface Notice {
  /** Monitor, event and recipient, hashed. */
  readonly id: string
  readonly monitor: string
  /** The notification artifact whose rules the monitor follows. */
  readonly artifact: string
  /** The mail channel's name. */
  readonly channel: string
  readonly recipient: Recipient
  /** From of the letter; null: the channel's own. */
  readonly sender: null | Recipient
  /** Epoch ms of the decision. */
  readonly noticed_at: number
  /** Where the event stands in the log. */
  readonly event_at: EventPosition
  /** Hash of the configuration that decided. */
  readonly configuration: string
  /** How bad it is, in the source's word; empty: nothing bad. What waits goes by it. */
  readonly severity: string
  /** When the monitor's letters to this recipient go out. */
  readonly batch: BatchTerms
  /** The replay that tells it; empty: told as it came. */
  readonly replay: string
  readonly flow: null | FlowEvent
  readonly flow_letter: null | FlowLetterOptions
  readonly alert: null | AlertEvent
  readonly alert_letter: null | AlertLetterOptions
}

export type ReceiptKind = 'accepted' | 'refused' | 'deferred' | 'unavailable' | 'waiting' | 'released' | 'marker'

/** What was learnt of one letter outside the fence. Topic receipts */
export interface Receipt {
  /** The letter's id; for a marker, the marker's own. */
  readonly letter: string
  /** Which claim of the letter this answers. */
  readonly attempt: number
  /** accepted, refused for good, deferred, the server was away; still waiting for the reply; given back unsent; a marker. */
  readonly kind: ReceiptKind
  /** Epoch ms. */
  readonly at: number
  /** The process that speaks. */
  readonly sender: string
  /** SMTP reply code; 0 when none came. */
  readonly code: number
  /** The server's text. */
  readonly reply: string
}

export type VerdictKind = 'told' | 'duplicate' | 'objected' | 'silenced' | 'no_recipients' | 'rejected'

export interface Objection {
  /** The filter. */
  readonly by: string
  /** A sentence that holds the compared values. */
  readonly reason: string
}

export interface Verdict {
  /** Empty: no monitor could be asked. */
  readonly monitor: string
  readonly artifact: string
  readonly outcome: VerdictKind
  /** Also those that were overruled. */
  readonly objections: readonly Objection[]
  readonly overruled_by: readonly string[]
  /** duplicate: the event that was told. */
  readonly of: string
  readonly reason: string
  /** Ids of the notices made. */
  readonly notices: readonly string[]
  readonly warnings: readonly string[]
}

export type DeliveryKind = 'told' | 'undeliverable' | 'redriven' | 'dropped' | 'declined'

export interface Delivery {
  readonly notice: string
  readonly monitor: string
  readonly artifact: string
  readonly recipient: string
  readonly outcome: DeliveryKind
  readonly message_id: string
  readonly attempts: number
  readonly code: number
  readonly reply: string
  readonly reason: string
  /** The command that this answers; empty: none. */
  readonly command: string
}

/** What became of one event: a verdict for each monitor, later each delivery. Topic outcomes */
export interface Outcome {
  /** The event's natural key; empty when the record could not be read. */
  readonly event: string
  readonly org: string
  readonly client: string
  readonly flow: string
  readonly hunt: string
  /** An alert's name; empty for a flow. */
  readonly name: string
  /** Events of one topic and scope are judged by the same monitors: of a queue's row its queue, of an alert that a monitor made that monitor, of the relay's own which kind, else empty. */
  readonly scope: string
  readonly event_at: EventPosition
  /** Epoch ms, the server's receive time. */
  readonly received_at: number
  /** Epoch ms at which this was decided. */
  readonly at: number
  readonly configuration: string
  /** The replay that adds notices to an event that has its verdicts; empty: none. */
  readonly replay: string
  readonly verdicts: readonly Verdict[]
  readonly deliveries: readonly Delivery[]
}

/** What could not be read or told: its bytes, the reason, where it came from. Topic rejects */
export interface Reject {
  readonly stage: string
  /** Where the bytes stood; empty when they came from the source. */
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly reason: string
  /** Epoch ms. */
  readonly at: number
  readonly key: string
  readonly bytes: Uint8Array
  /** The undeliverable letter; empty: the record was none. */
  readonly letter: string
  /** Kind of the reason: refused, expired, unwritable, no-channel; empty with `letter`. */
  readonly class: string
}

/** State of collect: how far one queue, or the logs of one kind, of one organisation has been read. */
export interface CollectCursor {
  readonly org: string
  readonly queue: string
  /** Epoch ms, server clock: everything received before it is in the log. */
  readonly history_at: number
  /** Epoch ms, server clock: nothing before it was asked for. */
  readonly began_at: number
  /** Of logs: the artifacts whose lines were read in the latest round. */
  readonly scanned: readonly string[]
}

/** State: that something was seen or told, by which event, and when. */
export interface Mark {
  readonly event: string
  /** Epoch ms. */
  readonly at: number
}

/** State of enrich: an event that waits for its flow to be found or final. */
export interface ParkedEvent {
  readonly raw: RawEvent
  /** Where the raw record stands. */
  readonly partition: number
  readonly offset: number
  readonly topic: string
  /** Epoch ms. */
  readonly parked_at: number
  /** Times it was looked up. */
  readonly looked_up: number
  /** Epoch ms of the next look. */
  readonly due_at: number
}

export type LetterStage = 'open' | 'claimed'

/** State of deliver: one letter's life between its notice and its settlement. The notices stand beside it. */
export interface Letter {
  readonly id: string
  readonly stage: LetterStage
  /** Fixed at the first claim, the same for every attempt. */
  readonly message_id: string
  readonly channel: string
  /** Epoch ms at which its first notice came; once it was deferred, at which it first was. */
  readonly opened_at: number
  /** Epoch ms: not claimed before. */
  readonly due_at: number
  /** Claims so far. */
  readonly attempt: number
  /** Times the server said: later. */
  readonly deferrals: number
  /** Epoch ms: claimed until then by `sender`. */
  readonly until: number
  readonly sender: string
  /** Marker whose return allows a claim in doubt to be sent again; empty when none was written. */
  readonly marker: string
  /** How many it tells. */
  readonly notices: number
  /** Rank of the severest notice; 0: nothing bad. */
  readonly severity: number
}

/** State of deliver: the latest batch of one monitor and recipient. */
export interface Gathering {
  /** The letter that gathers, or gathered. */
  readonly batch: string
  /** Epoch ms. */
  readonly opened_at: number
  /** Epoch ms at which the latest item came. */
  readonly last_at: number
  /** Epoch ms at which it goes out, or went. */
  readonly due_at: number
  readonly count: number
  /** Epoch ms before which the next letter may not go; 0: at any time. */
  readonly free_at: number
}

export type CommandKind = 'redrive' | 'drop'

/** What somebody wants done with a dead letter; its owner does it and answers in outcomes. Topic commands */
export interface Command {
  readonly id: string
  readonly kind: CommandKind
  readonly letter: string
  /** Epoch ms of the death that is meant: a letter may die again. */
  readonly died_at: number
  /** Epoch ms at which it was given. */
  readonly at: number
  /** redrive: epoch ms before which the letter does not go; 0: at once. */
  readonly due_at: number
}

/** State of deliver: a letter that could not be delivered, as it was. Its notices stand beside it. */
export interface DeadLetter {
  readonly letter: Letter
  /** Epoch ms. */
  readonly died_at: number
}

/** State of deliver: how far one limit is used up. */
export interface Bucket {
  /** Epoch ms at which it has all its tokens again. */
  readonly full_at: number
  /** Epoch ms up to which letters were given their turn. */
  readonly queued_to: number
}

export interface WaitingLetter {
  readonly id: string
  /** Letters of one group may become one; empty: it stays as it is. */
  readonly group: string
  readonly severity: number
  /** Epoch ms. */
  readonly since: number
  /** Notices in it. */
  readonly size: number
}

/** State of deliver: the limit of one recipient on one channel, and the letters that wait there. */
export interface Turnstile {
  /** Epoch ms at which its bucket has all its tokens again; 0: it has. */
  readonly full_at: number
  readonly waiting: readonly WaitingLetter[]
}

/** State of deliver: what is not settled, so that a start need not look at every letter. */
export interface OpenWork {
  /** How many notices wait, whether claimed or not. */
  readonly notices: number
  /** Letters that are claimed. */
  readonly claimed: readonly string[]
}

/** State: an open window, the event that it was opened by, and what it has suppressed since. */
export interface Suppression {
  readonly event: string
  /** Epoch ms. */
  readonly at: number
  /** Events that were suppressed. */
  readonly count: number
  /** Whose they were, each once, in the order of their first one; a bounded number. */
  readonly clients: readonly string[]
  /** They were of further clients too. */
  readonly more: boolean
}

/** Every schema by its name. */
export interface Schemas {
  readonly RawEvent: RawEvent
  readonly FlowEvent: FlowEvent
  readonly AlertEvent: AlertEvent
  readonly QueueEvent: QueueEvent
  readonly LogEvent: LogEvent
  readonly Notice: Notice
  readonly Receipt: Receipt
  readonly Outcome: Outcome
  readonly Reject: Reject
  readonly CollectCursor: CollectCursor
  readonly Mark: Mark
  readonly ParkedEvent: ParkedEvent
  readonly Letter: Letter
  readonly Gathering: Gathering
  readonly Command: Command
  readonly DeadLetter: DeadLetter
  readonly Bucket: Bucket
  readonly Turnstile: Turnstile
  readonly OpenWork: OpenWork
  readonly Suppression: Suppression
}
