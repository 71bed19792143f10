import { type AlertField, alertFields, type QueueField, queueFields } from '../../operators/alert-fields.ts'
import { type FlowField, flowFields } from '../../operators/flow-fields.ts'
import { type AlertsParameters, alertsParameters, readAlertsParameters } from '../monitors/alerts-parameters.ts'
import {
  type FlowCompletionParameters,
  flowCompletionParameters,
  readFlowCompletionParameters,
} from '../monitors/flow-completion-parameters.ts'
import {
  clientErrorsParameters,
  type ErrorsParameters,
  readErrorsParameters,
  serverErrorsParameters,
} from '../monitors/errors-parameters.ts'
import {
  readUserMessageParameters,
  type UserMessageParameters,
  userMessageParameters,
} from '../monitors/user-message-parameters.ts'
import type { ArtifactSettings, ErrorsSettings } from './configuration.ts'
import type { Parameter, Reading } from './parameters.ts'
import type { Path } from './problem.ts'

/** What every artifact's parameters say. */
interface CommonParameters {
  /** Seconds; -1: none. */
  readonly SendInterval: number
}

/** By what the events of a monitor may be alike. */
export interface Alike<F extends string> {
  /** By what events may be alike. */
  readonly fields: readonly [F, ...F[]]
  /** By what they are unless told otherwise. */
  readonly alikeBy: readonly F[]
  /** What must be part of it: what events must remember lies in one partition, and this is its key; null: nothing. */
  readonly alikeNeeds: F | null
  /** Which events would have to be gathered otherwise. */
  readonly others: string
}

/** How the monitors of one artifact are read. */
export interface MonitorArtifact<A extends string, P extends CommonParameters, F extends string> extends Alike<F> {
  readonly artifact: A
  readonly parameters: Readonly<Record<string, Parameter<unknown>>>
  /** null when there was an error. */
  read(value: unknown, path: Path, reading: Reading): P | null
  /** The parameter that names the mail channel; null: it tells by in-app messages. */
  readonly secret: string | null
  /** `batch:` where none is written; left out: every event by itself. */
  readonly batch?: { readonly first: 'now' }
}

export const flowCompletionArtifact: MonitorArtifact<
  'Server.Monitor.FlowCompletion',
  FlowCompletionParameters,
  FlowField
> = {
  artifact: 'Server.Monitor.FlowCompletion',
  parameters: flowCompletionParameters,
  read: readFlowCompletionParameters,
  secret: 'Secret',
  fields: flowFields,
  alikeBy: ['client.id', 'flow.artifacts'],
  alikeNeeds: 'client.id',
  others: 'events of different clients',
}

export const alertsArtifact: MonitorArtifact<'Server.Monitor.Alerts', AlertsParameters, AlertField> = {
  artifact: 'Server.Monitor.Alerts',
  parameters: alertsParameters,
  read: readAlertsParameters,
  secret: 'ServerSecret',
  fields: alertFields,
  // Names are chosen by endpoints: what one client says must not silence the others.
  alikeBy: ['alert.name', 'client.id'],
  alikeNeeds: 'alert.name',
  others: 'alerts of different names',
}

export const userMessageArtifact: MonitorArtifact<
  'Server.Monitor.Alerts.UserMessage',
  UserMessageParameters,
  AlertField
> = {
  artifact: 'Server.Monitor.Alerts.UserMessage',
  parameters: userMessageParameters,
  read: readUserMessageParameters,
  secret: null,
  batch: { first: 'now' },
  fields: alertFields,
  alikeBy: ['alert.name', 'client.id'],
  alikeNeeds: 'alert.name',
  others: 'alerts of different names',
}

/** How the monitors of logs are read. */
export interface ErrorsArtifact {
  readonly artifact: ErrorsSettings['artifact']
  /** Whose logs. */
  readonly of: ErrorsSettings['of']
  readonly parameters: typeof serverErrorsParameters
  /** null when there was an error. */
  read(value: unknown, path: Path, reading: Reading): ErrorsParameters | null
}

const errorsArtifact = (
  artifact: ErrorsSettings['artifact'],
  of: ErrorsSettings['of'],
  parameters: typeof serverErrorsParameters,
): ErrorsArtifact => ({
  artifact,
  of,
  parameters,
  read: (value, path, reading) => readErrorsParameters(parameters, value, path, reading),
})

export const serverErrorsArtifact = errorsArtifact('Server.Monitor.Errors.Alert', 'server', serverErrorsParameters)
export const clientErrorsArtifact = errorsArtifact(
  'Server.Monitor.Client.Errors.Alert',
  'client',
  clientErrorsParameters,
)

/** An artifact that monitors may follow, by what every reader of parameters needs. */
export interface KnownArtifact {
  readonly artifact: string
  readonly parameters: Readonly<Record<string, Parameter<unknown>>>
  /** The parameter that names the mail channel, where it sends mail. */
  readonly secret?: string | null
}

/** Every artifact whose work the relay does, by name. */
export const knownArtifacts = {
  'Server.Monitor.FlowCompletion': flowCompletionArtifact,
  'Server.Monitor.Alerts': alertsArtifact,
  'Server.Monitor.Alerts.UserMessage': userMessageArtifact,
  'Server.Monitor.Errors.Alert': serverErrorsArtifact,
  'Server.Monitor.Client.Errors.Alert': clientErrorsArtifact,
} satisfies Readonly<Record<ArtifactSettings['artifact'], KnownArtifact>>

/** Rows of one queue lie in one partition, whatever makes them alike. */
export const queueAlike: Alike<QueueField> = {
  fields: queueFields,
  alikeBy: ['alert.name', 'client.id'],
  alikeNeeds: null,
  others: '',
}
