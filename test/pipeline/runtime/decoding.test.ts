import { describe, expect, it } from 'vitest'
import { decodeAll, publishSchemas } from '../../../pipeline/runtime/decoding.ts'
import { encode, writersSchemas } from '../../../schemas/codec.ts'
import { topics } from '../../../schemas/topics.ts'
import { openStageWorld } from './stage-world.ts'

const record = (value: Uint8Array, offset = 0) => ({
  topic: 'marks',
  partition: 0,
  offset,
  timestamp: 0,
  key: '',
  value,
})
const mark = { event: 'e', at: 1 }
const unknown = (): Buffer => {
  const bytes = Buffer.from(encode('Mark', mark))
  bytes.writeBigUInt64LE(0x1111111111111111n, 2)
  return bytes
}

describe('the records of a turn', () => {
  it('come back in order, read or with the reason why not', async () => {
    const world = openStageWorld()
    const given = [encode('Mark', mark), Buffer.from('x'), encode('Mark', { ...mark, at: 2 })].map(record)
    const decoded = await decodeAll('Mark', given, world.common, new AbortController().signal)
    expect(decoded).toMatchObject([
      { value: mark },
      { problem: expect.stringContaining('no schema marker') as string },
      { value: { at: 2 } },
    ])
    expect(decoded.map((each) => each.record.offset)).toEqual([0, 1, 2])
  })

  it('of an unknown schema are waited for until the task is lost, at once', async () => {
    const world = openStageWorld()
    const lost = new AbortController()
    const decoding = expect(decodeAll('Mark', [record(unknown())], world.common, lost.signal)).rejects.toThrow('left')
    await world.pass(200_000)
    expect(world.saidOf('schema unknown')).toHaveLength(1)
    lost.abort(new Error('left'))
    await decoding
    expect(world.clock.next()).toBeUndefined()
  })
})

describe('this program’s schemas', () => {
  it('are published once, whoever starts how often', async () => {
    const world = openStageWorld({ partitions: 3 })
    await publishSchemas(world.log)
    await publishSchemas(world.log)
    const records = await world.records(topics.schemas)
    expect(new Map(records.map(({ key, value }) => [key, Buffer.from(value).toString()]))).toEqual(writersSchemas())
    expect(records).toHaveLength(writersSchemas().size)
  })
})
