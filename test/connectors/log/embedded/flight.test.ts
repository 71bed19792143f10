import fc from 'fast-check'
import { expect, it } from 'vitest'
import { packed, unpacked } from '../../../../connectors/log/embedded/flight.ts'

const key = fc.string({ unit: 'binary', maxLength: 20 })
const value = fc.uint8Array({ maxLength: 40 })
const record = fc.record({ topic: fc.constant('in'), key, value })
const count = fc.nat({ max: 2 ** 40 })
const write = fc
  .record({
    records: fc.array(record, { maxLength: 5 }),
    put: fc.array(fc.tuple(key, fc.option(value)), { maxLength: 5 }),
    task: fc.option(fc.record({ id: count, positions: fc.array(fc.tuple(count, count), { maxLength: 3 }) }), {
      nil: undefined,
    }),
  })
  .chain((rest) =>
    fc
      .array(fc.nat({ max: 100 }), { minLength: rest.records.length, maxLength: rest.records.length })
      .map((slots) => ({ ...rest, slots })),
  )

const plain = (bytes: Uint8Array | null): readonly number[] | null => (bytes === null ? null : [...bytes])

it('a flight brings every write as it was packed, also in memory that was used before', () => {
  fc.assert(
    fc.property(fc.array(fc.array(write, { maxLength: 4 }), { maxLength: 3 }), (flights) => {
      let used: ReturnType<typeof packed> | undefined
      for (const writes of flights) {
        used = packed(writes, used)
        expect(
          unpacked(used).map(({ records, slots, put, task }) => ({
            records: records.map((each) => [each.key, plain(each.value)]),
            slots,
            put: put.map(([name, bytes]) => [name, plain(bytes)]),
            task,
          })),
        ).toEqual(
          writes.map(({ records, slots, put, task }) => ({
            records: records.map((each) => [each.key.toWellFormed(), plain(each.value)]),
            slots,
            put: put.map(([name, bytes]) => [name.toWellFormed(), plain(bytes)]),
            task,
          })),
        )
      }
    }),
  )
})
