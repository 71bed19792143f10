import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decode, encode } from '../../schemas/codec.ts'

const headerBytes = 10

/** A text in Avro: the zig-zag length of its UTF-8 bytes in groups of seven bits, then the bytes. */
const written = (text: string): Buffer => {
  const bytes = Buffer.from(text, 'utf8')
  const length: number[] = []
  let rest = bytes.length * 2
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) length.push((rest % 0x80) | 0x80)
  return Buffer.concat([Buffer.from([...length, rest]), bytes])
}

const near = (size: number): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.integer({ min: Math.max(0, size - 3), max: size + 3 }),
      fc.array(fc.constantFrom('é', '日', '😀', '\ud800'), { maxLength: 2 }),
    )
    .map(([length, others]) => 'x'.repeat(length) + others.join(''))

const texts = fc.oneof(fc.string({ unit: 'binary', maxLength: 100 }), ...[0, 32, 63, 8191, 65_500].map(near))

it('a text is written as Avro says, of any length, plain or not; ill-formed ones with U+FFFD', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const bytes = encode('Mark', { event: text, at: 3 })
      expect(Buffer.from(bytes.subarray(headerBytes)).equals(Buffer.concat([written(text), Buffer.from([6])]))).toBe(
        true,
      )
      expect(decode('Mark', bytes)).toEqual({ event: text.toWellFormed(), at: 3 })
    }),
    { numRuns: 500 },
  )
})

it('what is no text is refused', () => {
  expect(() => encode('Mark', { event: 5 as unknown as string, at: 3 })).toThrow('invalid "string"')
})
