import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DecodeError, decode, encode, openSkimmer } from '../../schemas/codec.ts'
import { definitions } from '../../schemas/definitions.ts'
import type { FlowEvent, Notice } from '../../schemas/generated.ts'
import { type AvroSchema, valuesOf } from './arbitrary.ts'

const known = new Map([...definitions] as [string, AvroSchema][])
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
const flows = valuesOf(known.get('FlowEvent') as AvroSchema, known) as fc.Arbitrary<FlowEvent>
const notices = valuesOf(known.get('Notice') as AvroSchema, known) as fc.Arbitrary<Notice>

describe('a record that is skimmed', () => {
  it('is what it is read whole, with nothing where it was passed over', () => {
    const skim = openSkimmer('FlowEvent', [
      'row',
      'client.labels',
      'flow.queries.error',
      'hunt.tags',
      'client.first_seen_at',
    ])
    fc.assert(
      fc.property(flows, (event) => {
        const { client, flow, hunt } = event
        expect(plain(skim(encode('FlowEvent', event)))).toEqual(
          plain({
            ...event,
            row: '',
            client: { ...client, labels: [], first_seen_at: null },
            flow: { ...flow, queries: flow.queries.map((query) => ({ ...query, error: '' })) },
            hunt: hunt === null ? null : { ...hunt, tags: [] },
          }),
        )
      }),
    )
  })

  it('passes over whole records of other schemas', () => {
    const skim = openSkimmer('Notice', ['flow', 'alert'])
    fc.assert(
      fc.property(notices, (notice) => {
        expect(plain(skim(encode('Notice', notice)))).toEqual(plain({ ...notice, flow: null, alert: null }))
      }),
    )
  })

  it('is refused where it is cut, as it is read whole', () => {
    const skim = openSkimmer('FlowEvent', ['row'])
    fc.assert(
      fc.property(flows, fc.nat(), (event, cut) => {
        const bytes = encode('FlowEvent', event)
        const part = bytes.subarray(0, cut % bytes.length)
        const codeOf = (read: () => unknown): string => {
          try {
            read()
          } catch (cause) {
            return cause instanceof DecodeError ? cause.code : ''
          }
          return ''
        }
        expect(codeOf(() => skim(part))).toBe(codeOf(() => decode('FlowEvent', part)))
        expect(codeOf(() => skim(part))).not.toBe('')
      }),
    )
  })

  it('has no path that leads nowhere, and none to what cannot be empty', () => {
    expect(() => openSkimmer('FlowEvent', ['client.rows'])).toThrow('schema FlowEvent has no client.rows of its own')
    expect(() => openSkimmer('FlowEvent', ['client'])).toThrow('nothing stands for a record')
  })
})
