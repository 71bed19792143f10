import avro from 'avsc'
import { describe, expect, it } from 'vitest'
import { canonicalForm } from '../../schemas/definitions.ts'
import { fingerprint } from '../../schemas/fingerprint.ts'

const form = (schema: avro.Schema): string => canonicalForm(avro.Type.forSchema(schema, { wrapUnions: false }))

describe('the fingerprint', () => {
  it.each([
    ['"int"', 0x7275d51a3f395c8fn],
    ['"null"', 0x63dd24e7cc258f8an],
    ['"string"', 0x8f014872634503c7n],
    ['"bytes"', 0x4fc016dac3201965n],
  ] as [string, bigint][])('of %s is that of the Avro specification', (schema, expected) => {
    expect(fingerprint(schema)).toBe(expected)
  })

  it('of nothing is the polynomial', () => {
    expect(fingerprint('')).toBe(0xc15d213aa4d7a795n)
  })

  it('of text beyond ASCII is taken over its UTF-8 bytes', () => {
    expect(fingerprint('"é"')).not.toBe(fingerprint('"e"'))
    expect(fingerprint('"é"')).toBe(fingerprint(Buffer.from('"é"', 'utf8').toString('utf8')))
  })
})

describe('the canonical form', () => {
  const goldens: [string, avro.Schema, string][] = [
    ['primitives become simple', { type: 'int' } as never, '"int"'],
    ['unions stay lists', ['null', { type: 'string' } as never], '["null","string"]'],
    ['arrays name their type first', { items: 'long', type: 'array' }, '{"type":"array","items":"long"}'],
    [
      'a name is full; docs, aliases and defaults are stripped',
      {
        type: 'enum',
        namespace: 'x.y',
        name: 'E',
        doc: 'd',
        aliases: ['z'],
        symbols: ['A', 'B'],
        default: 'A',
      } as never,
      '{"name":"x.y.E","type":"enum","symbols":["A","B"]}',
    ],
    [
      'fields keep name and type, in this order; a name used again is full',
      {
        type: 'record',
        name: 'R',
        namespace: 'x',
        doc: 'd',
        fields: [
          { type: { type: 'fixed', size: 15, name: 'F' }, doc: 'q', name: 'a' },
          { name: 'b', type: ['null', 'F'], default: null },
        ],
      } as never,
      '{"name":"x.R","type":"record","fields":[{"name":"a","type":{"name":"x.F","type":"fixed","size":15}},{"name":"b","type":["null","x.F"]}]}',
    ],
  ]
  it.each(goldens)('is Avro’s: %s', (_, schema, expected) => {
    expect(form(schema)).toBe(expected)
  })
})
