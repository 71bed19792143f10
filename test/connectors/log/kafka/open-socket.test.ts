import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, it } from 'vitest'
import { openSocket } from '../../../../connectors/log/kafka/open-socket.ts'

it('a connection that is gone may be let go of again and again without a trace', async () => {
  const server = createServer((peer) => peer.destroy())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  let connected = 0
  const socket = openSocket({ host: '127.0.0.1', port, ssl: null, onConnect: () => void connected++ })
  socket.on('error', () => undefined).resume()
  await once(socket, 'close')
  const before = socket.listenerCount('connect')
  for (let times = 0; times < 20; times++) socket.end().unref()
  expect([connected, socket.listenerCount('connect') - before]).toEqual([1, 0])
  server.close()
})
