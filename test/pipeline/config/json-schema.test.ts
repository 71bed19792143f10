import { describe, expect, it } from 'vitest'
import { relaySchema } from '../../../pipeline/config/json-schema.ts'
import { flowCompletionParameters } from '../../../pipeline/monitors/flow-completion-parameters.ts'

interface Node {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
  readonly anyOf?: readonly Node[]
  readonly additionalProperties?: boolean | Node
}

const nodesOf = (node: Node): Node[] => [
  node,
  ...[...Object.values(node.properties ?? {}), ...(node.items ? [node.items] : []), ...(node.anyOf ?? [])].flatMap(
    nodesOf,
  ),
]

const schema = relaySchema() as Node

describe('the schema for editors', () => {
  it('is plain JSON of draft 7', () => {
    expect(relaySchema()).toMatchObject({ $schema: 'http://json-schema.org/draft-07/schema#', title: 'relay.yaml' })
    expect(JSON.parse(JSON.stringify(relaySchema()))).toEqual(relaySchema())
  })

  it('describes every key of the file and every parameter', () => {
    expect(Object.keys(schema.properties ?? {})).toEqual([
      'velociraptor',
      'mail',
      'log',
      'monitors',
      'http',
      'trouble',
      'heartbeat',
      'log_level',
    ])
    const all = nodesOf(schema)
    const parameters =
      all.find((node) => node.properties !== undefined && 'NotifyExecutor' in node.properties)?.properties ?? {}
    expect(Object.keys(parameters)).toEqual(Object.keys(flowCompletionParameters))
    for (const [name, { description }] of Object.entries(parameters))
      expect([name, description ?? '']).not.toContain('')
    for (const [name, { description }] of Object.entries(schema.properties ?? {}))
      expect([name, description ?? '']).not.toContain('')
  })

  it('knows no keys but those, and columns of tables that take any', () => {
    const open = nodesOf(schema).filter((node) => node.properties !== undefined && node.additionalProperties !== false)
    for (const { properties } of open)
      expect(Object.keys(properties ?? {})).toEqual(expect.arrayContaining(['Artifact', 'Level', 'Message']))
    expect(open).toHaveLength(4)
  })
})
