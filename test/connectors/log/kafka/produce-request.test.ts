import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../../../connectors/log/kafka/crc32c.ts'
import { encodeProduce } from '../../../../connectors/log/kafka/produce-request.ts'
import { clientCrc, readByClient } from './client-codec.ts'

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((some) => Buffer.from(some))
const message = fc.record({ key: bytes(200), value: fc.option(bytes(20_000)) })

describe('a request to take batches', () => {
  it('holds them as the client reads them, with the checksum that it has too', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { minLength: 1, maxLength: 150 }),
        fc.nat(2 ** 42),
        fc.nat(2 ** 31 - 1),
        async (messages, timestamp, firstSequence) => {
          const text = String(timestamp)
          const partition = {
            partition: 3,
            firstSequence,
            messages: messages.map((each) => ({ ...each, timestamp: text })),
          }
          const head = { transactionalId: 'tü', producerId: 2 ** 40, producerEpoch: 5, acks: -1, timeout: 10_000 }
          const request = encodeProduce({ ...head, topicData: [{ topic: 'out', partitions: [partition] }] })
          expect(request.subarray(0, 5)).toEqual(Buffer.from('\0\x03tü'))
          const batch = request.subarray(5 + 2 + 4 + 4 + 5 + 4 + 4 + 4)
          expect(batch.readUInt32BE(17)).toBe(clientCrc(batch.subarray(21)))
          const { records, ...read } = await readByClient(batch)
          expect(read).toMatchObject({
            firstSequence,
            inTransaction: true,
            producerId: String(2 ** 40),
            producerEpoch: 5,
            lastOffsetDelta: messages.length - 1,
          })
          expect(
            records.map(({ offset, timestamp: at, key, value }) => ({ offset, timestamp: at, key, value })),
          ).toEqual(messages.map((each, index) => ({ ...each, offset: String(index), timestamp: text })))
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('the checksum', () => {
  it('is the one that everybody knows', () => {
    expect(crc32c(Buffer.from('123456789'), 0, 9).toString(16)).toBe('e3069283')
    fc.assert(
      fc.property(bytes(100), fc.nat(20), (some, from) => {
        expect(crc32c(some, Math.min(from, some.length), some.length)).toBe(clientCrc(some.subarray(from)))
      }),
    )
  })
})
