import type { ArtifactRecord } from '../../connectors/velociraptor/artifact-records.ts'
import { type Dictionary, isDictionary } from '../../connectors/velociraptor/exact-json.ts'
import { valueText } from '../letters/texts.ts'

/** A row of the artifact details: name and text. */
export type ArtifactFact = readonly [name: string, text: string]

const definitionFields = ['name', 'type', 'author', 'built_in', 'is_inherited'] as const
const definitionLists = ['required_permissions', 'implied_permissions'] as const
const secretName = /passw|secret|token|api_?key|credential/i

/** `false` says nothing here. */
const said = (value: unknown): string => (value === false ? '' : valueText(value))
const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

const definitionFacts = (definition: Dictionary): readonly ArtifactFact[] => {
  const { metadata } = definition
  return [
    ...definitionFields.map((field): ArtifactFact => [`Definition.${field}`, said(definition[field])]),
    ...definitionLists.flatMap((field) =>
      items(definition[field]).map((value, n): ArtifactFact => [`Definition.${field}.${n}`, said(value)]),
    ),
    ...Object.entries(isDictionary(metadata) ? metadata : {}).map(([key, value]): ArtifactFact => [
      `Definition.metadata.${key}`,
      said(value),
    ]),
  ]
}

const isSecret = (definition: Dictionary | null, name: string): boolean =>
  secretName.test(name) ||
  items(definition?.['parameters'])
    .filter(isDictionary)
    .some((parameter) => parameter['name'] === name && valueText(parameter['type']).toLowerCase() === 'redacted')

const executionFacts = ({ execution, definition }: ArtifactRecord): readonly ArtifactFact[] => {
  if (execution === null) return []
  const { parameters } = execution.spec
  const env = items(isDictionary(parameters) ? parameters['env'] : []).filter(isDictionary)
  return [
    ['Execution.Label', execution.label],
    ...env.map(({ key, value }): ArtifactFact => {
      const name = valueText(key)
      return [`Execution.Params.${name}`, isSecret(definition, name) ? '(redacted)' : valueText(value)]
    }),
  ]
}

const changeFacts = ({ changes }: ArtifactRecord, isOfClients: boolean): readonly ArtifactFact[] => {
  const newest = (operation: string, names: readonly [at: string, by: string]): readonly ArtifactFact[] => {
    const [change] = changes.filter((each) => each.operation === operation).toSorted((a, b) => b.at - a.at)
    if (change === undefined || !Number.isFinite(change.at)) return []
    return [
      [names[0], new Date(change.at).toISOString()],
      [names[1], change.principal],
    ]
  }
  return [
    ...newest('SetArtifactFile', ['Definition.ModifiedAt', 'Definition.ModifiedBy']),
    ...newest(isOfClients ? 'SetClientMonitoringState' : 'SetServerMonitoringState', [
      'Execution.EventTableModifiedAt',
      'Execution.EventTableModifiedBy',
    ]),
  ]
}

/** What a letter shows of the artifact that raised an alert; values of secret parameters are never shown. */
export const artifactFacts = (record: ArtifactRecord, isOfClients: boolean): readonly ArtifactFact[] => [
  ...(record.definition === null ? [] : definitionFacts(record.definition)),
  ...executionFacts(record),
  ...changeFacts(record, isOfClients),
]
