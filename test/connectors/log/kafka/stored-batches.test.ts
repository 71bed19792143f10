import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchesIn } from '../../../../connectors/log/kafka/stored-batches.ts'
import { clientBatch } from './client-codec.ts'

const bytesOrNull = fc.option(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)))
const message = fc.record({
  key: bytesOrNull,
  value: bytesOrNull,
  timestampDelta: fc.integer({ min: 0, max: 2 ** 40 }),
  headers: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.string({ maxLength: 10 }), { maxKeys: 3 }),
})
const batch = fc.record({
  compression: fc.constantFrom<number[]>(0, 1),
  firstOffset: fc.bigInt({ min: 0n, max: 2n ** 50n }),
  firstTimestamp: fc.integer({ min: 0, max: 2 ** 42 }),
  producerId: fc.bigInt({ min: -1n, max: 2n ** 45n }),
  transactional: fc.boolean(),
  messages: fc.array(message, { minLength: 1, maxLength: 20 }),
})

type Batch = typeof batch extends fc.Arbitrary<infer T> ? T : never

const written = ({ messages, ...head }: Batch): Promise<Buffer> =>
  clientBatch(
    { ...head, maxTimestamp: head.firstTimestamp, lastOffsetDelta: messages.length - 1 },
    messages.map((each, offsetDelta) => ({ ...each, offsetDelta })),
  )

describe('batches of records', () => {
  it('are read as the client wrote them, and what is cut off at the end is left out', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { maxLength: 4 }), batch, fc.nat(60), async (batches, rest, cut) => {
        const whole = Buffer.concat(await Promise.all(batches.map(written)))
        const part = (await written(rest)).subarray(0, cut)
        const read = [...batchesIn(Buffer.concat([whole, part]))]
        expect(read.map(({ records, ...head }) => ({ ...head, records: records() }))).toEqual(
          batches.map(({ messages, ...head }) => ({
            firstOffset: Number(head.firstOffset),
            lastOffset: Number(head.firstOffset) + messages.length - 1,
            producerId: Number(head.producerId),
            isTransactional: head.transactional,
            isControl: false,
            records: messages.map(({ key, value, timestampDelta }, index) => ({
              offset: Number(head.firstOffset) + index,
              timestamp: head.firstTimestamp + timestampDelta,
              key,
              value,
            })),
          })),
        )
      }),
    )
  })

  const plain: Batch = {
    compression: 0,
    firstOffset: 7n,
    firstTimestamp: 5,
    producerId: 3n,
    transactional: false,
    messages: [{ key: null, value: Buffer.from('some value'), timestampDelta: 0, headers: {} }],
  }

  it('are read when they are packed with zstd', async () => {
    const whole = await written(plain)
    const packed = Buffer.concat([whole.subarray(0, 61), zstdCompressSync(whole.subarray(61))])
    packed.writeInt32BE(packed.length - 12, 8)
    packed.writeInt16BE(4, 21)
    expect([...batchesIn(packed)].flatMap(({ records }) => records())).toMatchObject([
      { value: Buffer.from('some value') },
    ])
  })

  it('that are damaged, or packed as nobody here can unpack, are said to be', async () => {
    const packed = await written(plain)
    packed.writeInt16BE(2, 21)
    expect(() => [...batchesIn(packed)].map(({ records }) => records())).toThrow('compression 2 cannot be read')
    const damaged = await written(plain)
    damaged[66] = 0x7e
    expect(() => [...batchesIn(damaged)].map(({ records }) => records())).toThrow('record 7 is damaged')
    const old = await written(plain)
    old[16] = 1
    expect(() => [...batchesIn(old)]).toThrow('before version 0.11')
  })
})
