import type { AlertEvent } from '../schemas/generated.ts'

/** Facts of an alert by which alerts may be alike. */
export const alertFields = [
  'alert.name',
  'alert.severity',
  'alert.artifact',
  'client.id',
  'flow.id',
  'hunt.id',
] as const
export type AlertField = (typeof alertFields)[number]

/** Those of them that every alert made of a queue's row has. */
export const queueFields = ['alert.name', 'alert.severity', 'client.id'] as const satisfies readonly AlertField[]
export type QueueField = (typeof queueFields)[number]

const valueOf: Readonly<Record<AlertField, (event: AlertEvent, severity: string) => string>> = {
  'alert.name': ({ name }) => name,
  'alert.severity': (_, severity) => severity.toLowerCase(),
  'alert.artifact': ({ artifact }) => artifact,
  'client.id': ({ client }) => client.id,
  'flow.id': ({ flow_id }) => flow_id,
  'hunt.id': ({ hunt }) => hunt?.id ?? '',
}

/** One text for all alerts of an organisation that are alike in these facts; severities are compared without regard to case. */
export const alertLikeness = (event: AlertEvent, severity: string, fields: readonly AlertField[]): string =>
  JSON.stringify([event.org, ...fields.map((field) => valueOf[field](event, severity))])
