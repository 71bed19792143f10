import { describe, expect, it } from 'vitest'
import { rejection } from '../../../pipeline/runtime/rejection.ts'
import { decode } from '../../../schemas/codec.ts'

const reject = {
  stage: 'enrich',
  topic: 't',
  partition: 2,
  offset: 7,
  reason: 'damaged',
  at: 5,
  key: 'k',
  bytes: Buffer.from('b'),
}

describe('what is set aside', () => {
  it('is kept with its bytes, and has one outcome that stands for every monitor', () => {
    const [kept, outcome, ...more] = rejection(reject, { event: 'e', org: 'root' }, 2)
    expect(more).toEqual([])
    expect([kept?.topic, kept?.partition, outcome?.topic, outcome?.partition]).toEqual(['rejects', 2, 'outcomes', 2])
    expect(decode('Reject', kept?.value ?? new Uint8Array())).toMatchObject({ ...reject })
    expect(decode('Outcome', outcome?.value ?? new Uint8Array())).toMatchObject({
      event: 'e',
      org: 'root',
      client: '',
      event_at: { topic: 't', partition: 2, offset: 7 },
      verdicts: [{ monitor: '', outcome: 'rejected', reason: 'damaged' }],
      deliveries: [],
    })
  })

  it('goes where its key leads when no partition is given', () => {
    expect(rejection(reject, {}).map((record) => 'partition' in record)).toEqual([false, false])
  })

  it('may hold nothing, as a record without a value does, and any kind of bytes', () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array([1, 2])])
      expect(decode('Reject', rejection({ ...reject, bytes }, {})[0]?.value ?? bytes).bytes).toEqual(Buffer.from(bytes))
  })

  it('is cut when it is larger than a record of the log', () => {
    const [kept] = rejection({ ...reject, bytes: Buffer.alloc(5_000_000) }, {})
    expect(kept?.value.length).toBeLessThan(900_000)
  })
})
