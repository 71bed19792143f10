import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { admitVersions } from '../../../../connectors/log/kafka/broker-versions.ts'
import { brisk, connectKafka } from '../../../../connectors/log/kafka/connection.ts'

type Spoken = readonly (readonly [kind: number, oldest: number, newest: number])[]

/** As Kafka 4.3 answers, for what is asked of it here. */
const present: Spoken = [
  [0, 0, 13],
  [1, 4, 18],
  [2, 1, 11],
  [3, 0, 13],
  [10, 0, 6],
  [11, 2, 9],
  [18, 0, 4],
  [22, 0, 6],
  [24, 0, 5],
  [26, 0, 5],
  [32, 1, 4],
]

/** A broker that says what it speaks, and nothing else. */
const openBroker = async (spoken: Spoken): Promise<Server> => {
  const answer = (socket: Socket, request: Buffer): void => {
    const body = Buffer.alloc(4 + 2 + 4 + 6 * spoken.length + 4)
    request.copy(body, 0, 8, 12)
    body.writeInt32BE(spoken.length, 6)
    for (const [index, numbers] of spoken.entries())
      for (const [nth, number] of numbers.entries()) body.writeInt16BE(number, 10 + 6 * index + 2 * nth)
    const size = Buffer.alloc(4)
    size.writeInt32BE(body.length)
    socket.write(Buffer.concat([size, body]))
  }
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (request) => answer(socket, request))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server
}

describe('a broker', () => {
  let server: Server
  afterEach(() => server.close())

  const admitted = async (spoken: Spoken): Promise<string> => {
    server = await openBroker(spoken)
    const brokers = [`127.0.0.1:${(server.address() as AddressInfo).port}`]
    try {
      await admitVersions(connectKafka({ brokers, clientId: 'test' }, brisk), brokers)
      return 'admitted'
    } catch (cause) {
      return String(cause).replace(brokers[0] ?? '', 'broker')
    }
  }
  const without = (kind: number): Spoken => present.filter(([each]) => each !== kind)

  it('of these days is admitted', async () => {
    expect(await admitted(present)).toBe('admitted')
  })

  it.for([
    ['fetches as before version 2.3', [...without(1), [1, 0, 10] as const]],
    ['has no transactions', without(24)],
    ['does not say how topics were made', without(32)],
  ] as const)('that %s is said to be too old', async ([, spoken]) => {
    expect(await admitted(spoken)).toBe(
      'ConnectorError: Kafka at broker: the broker is too old: Kafka 3.9 or newer is needed',
    )
  })

  it('that speaks only what is newer than the relay is said to be too new', async () => {
    expect(await admitted([...without(1), [1, 12, 25]])).toContain('the broker is newer than this relay')
  })
})
