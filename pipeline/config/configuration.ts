import type { BatchRule } from '../../operators/batch.ts'
import type { AlertField } from '../../operators/alert-fields.ts'
import type { OwnKind } from '../../schemas/own-alerts.ts'
import type { RateRule } from '../../operators/rate-limit.ts'
import type { FlowField } from '../../operators/flow-fields.ts'
import type { Mailbox } from '../../schemas/addresses.ts'
import type { AlertsParameters } from '../monitors/alerts-parameters.ts'
import type { ErrorsParameters } from '../monitors/errors-parameters.ts'
import type { UserMessageParameters } from '../monitors/user-message-parameters.ts'
import type { Template } from '../monitors/template.ts'
import type { QueueField } from '../../operators/alert-fields.ts'
import type { FlowCompletionParameters } from '../monitors/flow-completion-parameters.ts'
import type { Secret } from './secret.ts'

export interface VelociraptorSettings {
  /** Absolute path of the file that `velociraptor config api_client` wrote. */
  readonly apiConfig: string
  /** What links in letters begin with; without query and fragment. */
  readonly guiUrl: string
  /** The name that the server's certificate must bear; null: as the API configuration says. */
  readonly serverName: string | null
  /** Organisation ids; `root` is the root organisation. At least one, each once. */
  readonly orgs: readonly string[]
}

/** How many letters go in a time at most; null: any number. */
export interface MailLimits {
  readonly channel: RateRule | null
  /** For each recipient. */
  readonly recipient: RateRule | null
  /** For each mail domain of recipients. */
  readonly domain: RateRule | null
}

/** How access tokens for a mail server are obtained. */
export interface OAuth2Settings {
  readonly tokenUrl: string
  /** null: what the grant was made for. */
  readonly scope: string | null
  readonly grant:
    | {
        readonly kind: 'refresh token'
        readonly clientId: string
        readonly clientSecret: Secret | null
        readonly refreshToken: Secret
      }
    | { readonly kind: 'client credentials'; readonly clientId: string; readonly clientSecret: Secret }
    | { readonly kind: 'service account'; readonly key: Secret }
}

export type MailLogin =
  { readonly user: string; readonly password: Secret } | { readonly user: string; readonly oauth2: OAuth2Settings }

/** A way to send mail. */
export interface MailChannel {
  /** As a monitor's `Secret` names it. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** implicit: TLS from the first byte. required: STARTTLS, upgraded before anything is said, or not used. off: in the clear. */
  readonly tls: 'implicit' | 'required' | 'off'
  /** null: no login. */
  readonly login: MailLogin | null
  readonly from: Mailbox
  /** Domains, in lower case, that recipients from creators and metadata may have; null: any. */
  readonly allowedDomains: readonly string[] | null
  /** Messages that are sent at once at most. */
  readonly connections: number
  /** Certificates (PEM) to trust instead of the system's; null: the system's. */
  readonly ca: string | null
  /** What the relay calls itself to the server; null: the machine's name. */
  readonly helloName: string | null
  readonly limits: MailLimits
  /** A letter that the server defers is tried again for so long, ms. */
  readonly giveUpAfterMs: number
}

export interface EmbeddedLogSettings {
  /** Absolute. */
  readonly dir: string
  readonly partitions: number
  /** Bytes; null: bounded by time alone. */
  readonly maxSize: number | null
}

export interface KafkaLogSettings {
  /** host:port; at least one. */
  readonly brokers: readonly string[]
  /** What topics, groups and transactional ids are called begins with it. */
  readonly prefix: string
  readonly partitions: number
  /** Absolute; holds a copy of the tasks' state, which is made anew when it is gone. */
  readonly stateDir: string
  /** null: in the clear. Certificates and key in PEM form; null: the system's authorities, no certificate of our own. */
  readonly tls: {
    readonly ca: string | null
    readonly identity: { readonly certificate: string; readonly key: Secret } | null
  } | null
  readonly sasl: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
    readonly username: string
    readonly password: Secret
  } | null
}

export interface LogSettings {
  readonly embedded: EmbeddedLogSettings
  /** null: the log is embedded. */
  readonly kafka: KafkaLogSettings | null
}

export interface DedupSettings<F extends string> {
  readonly windowMs: number
  /** As it was written. */
  readonly window: string
  readonly by: readonly F[]
}

/** One entry of `monitors:` by the rules of an artifact, with its parameters and the facts by which its events may be alike. */
export interface SettingsOf<A extends string, P, F extends string> {
  /** Unique in its configuration; state belongs to it. */
  readonly name: string
  readonly artifact: A
  /** Name of a mail channel of the configuration, or that of in-app messages. */
  readonly channel: string
  readonly parameters: P
  /** null: every event is judged by itself. */
  readonly dedup: DedupSettings<F> | null
  readonly batch: BatchRule
}

export type FlowCompletionSettings = SettingsOf<'Server.Monitor.FlowCompletion', FlowCompletionParameters, FlowField>
/** `about`: it tells that of the relay itself and nothing else; left out: any alert but heartbeats. */
export type AlertsSettings = SettingsOf<'Server.Monitor.Alerts', AlertsParameters, AlertField> & {
  readonly about?: OwnKind
}
export type UserMessageSettings = SettingsOf<'Server.Monitor.Alerts.UserMessage', UserMessageParameters, AlertField>

/** How rows of a queue become alerts. */
export interface QueueAlert {
  readonly name: Template
  readonly severity: Template
  /** Columns that it shows; null: all. */
  readonly context: readonly string[] | null
}

/** A monitor of any event queue; its parameters say who gets letters of its alerts beside the monitors of alerts. */
export interface QueueSettings extends SettingsOf<string, AlertsParameters, QueueField> {
  readonly queue: string
  readonly alert: QueueAlert
}

/** A monitor of the logs of event artifacts: it makes alerts, and tells nobody itself. */
export interface ErrorsSettings extends SettingsOf<
  'Server.Monitor.Errors.Alert' | 'Server.Monitor.Client.Errors.Alert',
  ErrorsParameters,
  never
> {
  /** Whose logs. */
  readonly of: 'server' | 'client'
}

/** A monitor by the rules of an artifact that tells somebody. */
export type TellerSettings = FlowCompletionSettings | AlertsSettings | UserMessageSettings

/** A monitor by the rules of an artifact. */
export type ArtifactSettings = TellerSettings | ErrorsSettings

/** One entry of `monitors:`. */
export type MonitorSettings = ArtifactSettings | QueueSettings

/** Where /metrics, /healthz and /readyz are. */
export interface HttpSettings {
  readonly host: string
  /** 0: one that is free. */
  readonly port: number
  /** Somebody named it: without it the relay does not start. */
  readonly isChosen: boolean
}

/** How the relay's own trouble is told; who gets letters of it is a monitor among the others. */
export interface TroubleSettings {
  /** What is over sooner is not told, ms. */
  readonly afterMs: number
  /** Users of Velociraptor who are told in its GUI when mail is the trouble. */
  readonly users: readonly string[]
}

/** Times at which the relay says that it lives. */
export type HeartbeatSettings =
  | { readonly everyMs: number }
  /** A pattern of cron, and the time zone (IANA) in which it is meant; null: the machine's. */
  | { readonly cron: string; readonly timezone: string | null }

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Everything that relay.yaml says, checked: what stands here can be used as it is. */
export interface Configuration {
  readonly velociraptor: VelociraptorSettings
  /** At least one; names are unique. */
  readonly channels: readonly MailChannel[]
  readonly log: LogSettings
  readonly monitors: readonly MonitorSettings[]
  /** null: off. */
  readonly http: HttpSettings | null
  /** null: off. */
  readonly trouble: TroubleSettings | null
  /** When the relay says that it lives; null: never. */
  readonly heartbeat: HeartbeatSettings | null
  readonly logLevel: LogLevel
}
