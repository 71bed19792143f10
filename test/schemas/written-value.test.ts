import avro from 'avsc'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asWritten, decode, encode } from '../../schemas/codec.ts'
import { canonicalForms, definitions, writtenForms } from '../../schemas/definitions.ts'
import { fingerprint } from '../../schemas/fingerprint.ts'
import type { AlertEvent, FlowEvent, Notice } from '../../schemas/generated.ts'
import { type AvroSchema, valuesOf } from './arbitrary.ts'

const known = new Map([...definitions] as [string, AvroSchema][])
const flows = valuesOf(known.get('FlowEvent') as AvroSchema, known) as fc.Arbitrary<FlowEvent>
const alerts = valuesOf(known.get('AlertEvent') as AvroSchema, known) as fc.Arbitrary<AlertEvent>
const notices = valuesOf(known.get('Notice') as AvroSchema, known) as fc.Arbitrary<Notice>

const writerOf = (text: string): avro.Type =>
  avro.Type.forSchema(JSON.parse(text) as avro.Schema, { wrapUnions: false })
/** A reject as it was written before letters were kept. */
const old = {
  stage: 'enrich',
  topic: 'raw.alerts',
  partition: 0,
  offset: 7,
  reason: 'no row',
  at: 1_776_868_947_000,
  key: 'root/a',
  bytes: Buffer.from('x'),
}

describe('a value that stands in another one as it was written', () => {
  it('makes the same bytes as the value itself', () => {
    fc.assert(
      fc.property(notices, flows, alerts, (notice, flow, alert) => {
        const copied = {
          ...notice,
          flow: asWritten('FlowEvent', encode('FlowEvent', flow)),
          alert: asWritten('AlertEvent', encode('AlertEvent', alert)),
        }
        const expected = Buffer.from(encode('Notice', { ...notice, flow, alert }))
        expect(expected.equals(encode('Notice', copied))).toBe(true)
      }),
    )
  })

  it('is read whole where an older schema wrote it', () => {
    const older = writtenForms().filter(
      ({ name, text }) => name === 'Reject' && text !== canonicalForms().get(name)?.text,
    )
    expect(older.length).toBeGreaterThan(0)
    for (const { text } of older) {
      const marker = Buffer.alloc(10)
      marker.writeUInt16BE(0xc301, 0)
      marker.writeBigUInt64LE(fingerprint(text), 2)
      const bytes = Buffer.concat([marker, writerOf(text).toBuffer(old)])
      expect(asWritten('Reject', bytes)).toEqual(decode('Reject', bytes))
      expect(decode('Reject', bytes).reason).toBe('no row')
    }
  })

  it('is copied whole also where it is large', () => {
    fc.assert(
      fc.property(notices, flows, (notice, flow) => {
        const large = { ...flow, row: 'x'.repeat(300_000) }
        const bytes = encode('Notice', { ...notice, flow: asWritten('FlowEvent', encode('FlowEvent', large)) })
        expect(decode('Notice', bytes).flow?.row).toBe(large.row)
      }),
      { numRuns: 5 },
    )
  })
})
