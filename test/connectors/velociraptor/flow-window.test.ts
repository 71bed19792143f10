import { mkdtempSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readApiConfig } from '../../../connectors/velociraptor/api-config.ts'
import { openVelociraptor } from '../../../connectors/velociraptor/grpc.ts'
import { startStandIn } from '../../../connectors/velociraptor/stand-in/server.ts'
import { createWorld } from '../../../connectors/velociraptor/stand-in/world.ts'
import { watchQuery } from '../../../connectors/velociraptor/watch-query.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'

const queue = 'Server.Internal.Alerts'

/** A line to a port on which what is sent to it can be held up, as a distance does. */
const openLine = async (port: number) => {
  let isHeld = false
  const sockets: Socket[] = []
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    sockets.push(near, far)
    for (const socket of [near, far]) socket.on('error', () => undefined)
    near.on('data', (bytes) => {
      if (!isHeld) far.write(bytes)
    })
    far.on('data', (bytes) => near.write(bytes))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    hold: () => void (isHeld = true),
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

it('a far server may send megabytes before it must hear that some of them came: the distance does not slow the stream', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'flow-window-'))
  const world = createWorld()
  const server = await startStandIn({ world, clock: systemClock(), port: 0, dir })
  const line = await openLine(Number(server.address.split(':')[1]))
  const { config } = readApiConfig(server.apiConfig, { now: Date.now() })
  if (config === null) throw new Error('the stand-in wrote no configuration')
  const velociraptor = openVelociraptor({ config: { ...config, address: `127.0.0.1:${line.port}` } })
  try {
    const messages = velociraptor.query({ org: 'root', ...watchQuery([queue], 1) })
    const beat = Promise.withResolvers<void>()
    const large = Promise.withResolvers<string>()
    const reading = messages.subscribe({
      next: (message) => {
        if (message.kind === 'log') return
        beat.resolve()
        for (const text of message.rows) if (text.includes('"name"')) large.resolve(text)
      },
      error: large.reject,
    })
    await beat.promise
    line.hold()
    world.emit('root', queue, { name: 'large', event_data: { blob: 'x'.repeat(3 * 2 ** 20) } }, Date.now())
    expect((await large.promise).length).toBeGreaterThan(3 * 2 ** 20)
    reading.unsubscribe()
  } finally {
    await velociraptor.close()
    line.close()
    await server.close()
    rmSync(dir, { recursive: true })
  }
})
