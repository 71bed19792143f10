import type { FlowEvent } from '../schemas/generated.ts'

/** Facts of a flow by which events may be alike. */
export const flowFields = ['client.id', 'flow.artifacts', 'flow.creator', 'flow.state', 'hunt.id'] as const
export type FlowField = (typeof flowFields)[number]

const valueOf: Readonly<Record<FlowField, (event: FlowEvent) => unknown>> = {
  'client.id': ({ client }) => client.id,
  'flow.artifacts': ({ flow }) => flow.artifacts.toSorted(),
  'flow.creator': ({ flow }) => flow.creator,
  'flow.state': ({ flow }) => flow.state,
  'hunt.id': ({ hunt }) => hunt?.id ?? '',
}

/** One text for all events of an organisation that are alike in these facts. */
export const likeness = (event: FlowEvent, fields: readonly FlowField[]): string =>
  JSON.stringify([event.org, ...fields.map((field) => valueOf[field](event))])
