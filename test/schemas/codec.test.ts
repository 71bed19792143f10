import fc from 'fast-check'
import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decode, DecodeError, encode, learnSchema, type SchemaName, writersSchemas } from '../../schemas/codec.ts'
import { canonicalForms, definitions, writtenForms } from '../../schemas/definitions.ts'
import { fingerprint } from '../../schemas/fingerprint.ts'
import type { Mark, Schemas } from '../../schemas/generated.ts'
import { type AvroSchema, valuesOf } from './arbitrary.ts'

const names = [...definitions.keys()] as SchemaName[]
const known = new Map([...definitions] as [string, AvroSchema][])
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const mark: Mark = { event: 'root/C.1/F.1/1776868947', at: 1_776_868_947_000 }

const failureOf = (name: SchemaName, bytes: Uint8Array): DecodeError => {
  try {
    decode(name, bytes)
  } catch (error) {
    if (error instanceof DecodeError) return error
    throw error
  }
  throw new Error('it was read')
}

/** The bytes of a value whose writer's schema is another: header and body by hand. */
const writtenWith = (schema: string, body: Uint8Array): Uint8Array => {
  const header = Buffer.alloc(10)
  header.writeUInt16BE(0xc301)
  header.writeBigUInt64LE(fingerprint(schema), 2)
  return Buffer.concat([header, body])
}
const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length * 2]), Buffer.from(value)])
const markSchema = (...fields: readonly object[]): string =>
  JSON.stringify({ name: 'raptor.relay.Mark', type: 'record', fields: [{ name: 'event', type: 'string' }, ...fields] })

describe('a record in single-object encoding', () => {
  it('begins with C3 01 and the fingerprint of its schema, little-endian', () => {
    const [form] = [...canonicalForms()].filter(([name]) => name === 'Mark').map(([, { text }]) => text)
    const header = Buffer.from(encode('Mark', mark)).subarray(0, 10)
    expect(header.subarray(0, 2).toString('hex')).toBe('c301')
    expect(header.readBigUInt64LE(2)).toBe(fingerprint(form ?? ''))
    // Fixed for ever: logs hold it.
    expect(header.toString('hex')).toBe('c30103c3c39ad44e7218')
  })

  it('holds the body as Avro writes it', () => {
    const body = Buffer.from(encode('Mark', { event: 'e', at: 3 })).subarray(10)
    expect(body.toString('hex')).toBe('026506')
  })

  it.each(names)('of schema %s is read back as it was', (name) => {
    fc.assert(
      fc.property(valuesOf(known.get(name) as AvroSchema, known), (value) => {
        expect(plain(decode(name, encode(name, value as Schemas[SchemaName])))).toEqual(plain(value))
      }),
      { numRuns: 40 },
    )
  })

  it('is read from a part of a larger buffer', () => {
    const bytes = encode('Mark', mark)
    const larger = new Uint8Array(bytes.length + 7)
    larger.set(bytes, 3)
    expect(plain(decode('Mark', larger.subarray(3, 3 + bytes.length)))).toEqual(mark)
  })

  it('is refused at writing when a field is missing', () => {
    expect(() => encode('Mark', { event: 'e' } as Mark)).toThrow(/invalid/)
  })
})

describe('bytes that cannot be read', () => {
  it.each([
    ['nothing', new Uint8Array()],
    ['a header that is cut', encode('Mark', mark).subarray(0, 9)],
    ['JSON', Buffer.from('{"event":"e","at":1}')],
  ])('are UNMARKED when they are %s', (_, bytes) => {
    expect(failureOf('Mark', bytes)).toMatchObject({ code: 'UNMARKED', fingerprint: '' })
  })

  it('have an UNKNOWN_SCHEMA when nobody here knows its fingerprint, which is named', () => {
    const bytes = Buffer.from(encode('Mark', mark))
    bytes.writeBigUInt64LE(0x0123456789abcdefn, 2)
    expect(failureOf('Mark', bytes)).toMatchObject({ code: 'UNKNOWN_SCHEMA', fingerprint: '0123456789abcdef' })
  })

  it('have an UNKNOWN_SCHEMA when they are a record of another name', () => {
    expect(failureOf('Notice', encode('Mark', mark)).code).toBe('UNKNOWN_SCHEMA')
  })

  it('are DAMAGED wherever the body is cut', () => {
    const bytes = encode('Mark', mark)
    for (let length = 10; length < bytes.length; length++)
      expect(failureOf('Mark', bytes.subarray(0, length)).code).toBe('DAMAGED')
  })

  it('are DAMAGED when something follows the body', () => {
    expect(failureOf('Mark', Buffer.concat([encode('Mark', mark), Buffer.of(0)])).code).toBe('DAMAGED')
  })
})

describe('the schemas', () => {
  it.each(writtenForms().map(({ name, text }) => [name, text] as const))(
    'in history resolve to the present one: %s',
    (name, text) => {
      expect(definitions.has(name)).toBe(true)
      expect(learnSchema(text)).toBe(true)
    },
  )

  it('of history lie in files named by their fingerprints', () => {
    const folder = new URL('../../schemas/history/', import.meta.url)
    const named = writtenForms().map(
      ({ name, text }) => `${name}.${fingerprint(text).toString(16).padStart(16, '0')}.avsc`,
    )
    expect(readdirSync(folder).toSorted()).toEqual(named.toSorted())
  })

  it('that are present are all kept in history', () => {
    const kept = new Set(writtenForms().map(({ text }) => text))
    for (const [name, { text }] of canonicalForms()) expect([name, kept.has(text)]).toEqual([name, true])
  })

  it('that this program writes with are told with their fingerprints', () => {
    const told = writersSchemas()
    expect([...told.values()].toSorted()).toEqual([...canonicalForms().values()].map(({ text }) => text).toSorted())
    for (const [key, text] of told) expect(fingerprint(text)).toBe(BigInt(`0x${key}`))
  })
})

describe('a schema of another version', () => {
  it('without a field that has no default here is refused, and its records stay unknown', () => {
    const planted = markSchema()
    expect(learnSchema(planted)).toBe(false)
    expect(failureOf('Mark', writtenWith(planted, text('e'))).code).toBe('UNKNOWN_SCHEMA')
  })

  it('with a field of another type is refused', () => {
    expect(learnSchema(markSchema({ name: 'at', type: 'string' }))).toBe(false)
  })

  it('with a further field is learnt, and what is not known of its records is passed over', () => {
    const planted = markSchema({ name: 'by', type: 'string' }, { name: 'at', type: 'long' })
    const bytes = writtenWith(planted, Buffer.concat([text('e'), text('somebody'), Buffer.of(6)]))
    expect(failureOf('Mark', bytes).code).toBe('UNKNOWN_SCHEMA')
    expect(learnSchema(planted)).toBe(true)
    expect(plain(decode('Mark', bytes))).toEqual({ event: 'e', at: 3 })
  })

  it('with a further origin is learnt, and the new origin reads as the default', () => {
    const form = [...canonicalForms()].find(([name]) => name === 'RawEvent')?.[1].text ?? ''
    const planted = form.replace('"symbols":["live",', '"symbols":["guessed","live",')
    expect(planted).not.toBe(form)
    expect(learnSchema(planted)).toBe(true)
    const body = Buffer.concat([text('o'), text('q'), text('i'), Buffer.of(2, 4), Buffer.of(0), text('{}')])
    expect(decode('RawEvent', writtenWith(planted, body))).toMatchObject({ id: 'i', read_at: 2, origin: 'live' })
  })

  it.each([
    '',
    'no JSON',
    '{}',
    '{"type":"record"}',
    '"int"',
    '[]',
    JSON.stringify({ type: 'record', name: 'Other', fields: [] }),
  ])('that is none of ours is not learnt: %s', (text) => expect(learnSchema(text)).toBe(false))
})
