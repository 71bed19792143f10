import fc from 'fast-check'
import { expect, it } from 'vitest'
import { exactJson, parseExact } from '../../../connectors/velociraptor/exact-json.ts'

it('integers beyond 2^53 are read exactly wherever they stand, and all others are numbers', () => {
  const integer = fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n })
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ maxLength: 40 }), integer)), (entries) => {
      const text = `[${entries.map(([before, value]) => `${JSON.stringify(before)},${value}`).join()}]`
      const expected = entries.flatMap(([before, value]) => [
        before,
        Number.isSafeInteger(Number(value)) ? Number(value) : value,
      ])
      expect(parseExact(text)).toEqual(expected)
      expect(exactJson(parseExact(text))).toBe(text)
    }),
  )
})

it('a time in microseconds is a number', () => {
  expect(parseExact('{"create_time":1795564710747603}')).toEqual({ create_time: 1_795_564_710_747_603 })
})

it.each([5000, 9990])('%i levels are read as they are, and written down to the hundredth', (levels) => {
  const text = `{"Id":9007199254740993,"A":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`
  expect(exactJson(parseExact(text))).toBe(`{"Id":9007199254740992,"A":${'{"a":'.repeat(99)}"…"${'}'.repeat(99)}}`)
})
