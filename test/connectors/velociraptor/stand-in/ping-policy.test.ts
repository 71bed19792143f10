import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type ClientHttp2Session, connect, constants } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readApiConfig } from '../../../../connectors/velociraptor/api-config.ts'
import { apiService } from '../../../../connectors/velociraptor/api-messages.ts'
import { type StandIn, startStandIn } from '../../../../connectors/velociraptor/stand-in/server.ts'
import { createWorld, type StandInWorld } from '../../../../connectors/velociraptor/stand-in/world.ts'
import { virtualClock, type VirtualClock } from '../../../../pipeline/runtime/virtual-clock.ts'

const queue = 'Server.Internal.Alerts'
const minute = 60_000
const hour = 60 * minute

describe('pings of a client of the stand-in server', () => {
  let dir: string
  let clock: VirtualClock
  let world: StandInWorld
  let server: StandIn
  let session: ClientHttp2Session
  let gone: Promise<false>
  let farewell: string | undefined
  let received = 0
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'stand-in-'))
    clock = virtualClock(Date.UTC(2026, 0, 1))
    world = createWorld()
    server = await startStandIn({ world, clock, port: 0, dir })
    const { config } = readApiConfig(server.apiConfig, { now: Date.now() })
    if (config === null) throw new Error('no configuration')
    farewell = undefined
    received = 0
    session = connect(`https://${server.address}`, {
      ca: config.ca,
      cert: config.certificate,
      key: config.privateKey,
      servername: 'VelociraptorServer',
    })
    session.on('error', () => undefined)
    gone = new Promise((resolve) => void session.once('close', () => resolve(false)))
    session.on('goaway', (code, _, data) => {
      farewell = `${code === constants.NGHTTP2_ENHANCE_YOUR_CALM ? 'calm' : code} ${String(data)}`
    })
    await once(session, 'connect')
  })
  afterEach(async () => {
    session.destroy()
    await server.close()
    rmSync(dir, { recursive: true })
  })

  /** Begins a call and waits until it has said something. */
  const call = async (method: string, request: object) => {
    const { path, requestSerialize } = apiService().service[method] ?? { path: '', requestSerialize: () => Buffer.of() }
    const body = requestSerialize(request)
    const head = Buffer.alloc(5)
    head.writeUInt32BE(body.length, 1)
    const stream = session.request({
      ...{ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
    })
    stream.on('error', () => undefined)
    stream.on('data', ({ length }: Buffer) => (received += length))
    stream.end(Buffer.concat([head, body]))
    await once(stream, 'data')
    return stream
  }
  const watch = () =>
    call('Query', {
      Query: [{ Name: 'Q', VQL: `SELECT * FROM watch_monitoring(artifact='${queue}')` }],
      max_row: '1',
      max_wait: '1',
    })
  /** Pings, and tells whether the server still listens: it acknowledges settings that come after. */
  const ping = (): Promise<boolean> =>
    Promise.race([
      gone,
      new Promise<boolean>((resolve) => {
        session.ping((error) => {
          if (error === null && !session.destroyed) session.settings({}, (unheard) => resolve(unheard === null))
        })
      }),
    ])
  const pings = async (count: number, apartMs: number): Promise<number> => {
    for (let n = 0; n < count; n++) {
      if (!(await ping())) return n
      clock.advanceTo(clock.now() + apartMs)
    }
    return count
  }
  const ended = async (): Promise<string | undefined> => {
    await gone
    return farewell
  }

  it('end the connection when too many come in a row, whatever runs on it', async () => {
    const stream = await watch()
    // The first is forgiven for what the call has said; of the three after it the last is one too many.
    expect(await pings(3, 10_000)).toBe(3)
    expect(farewell).toBeUndefined()
    await ping()
    expect(await ended()).toBe('calm too_many_pings')
    expect(stream.destroyed).toBe(true)
  })

  it('do no harm as long as messages come between them', async () => {
    await watch()
    for (let n = 0; n < 20; n++) {
      const before = received
      world.emit('root', queue, { name: `alert ${n}` }, clock.now())
      clock.advanceTo(clock.now() + 2000)
      while (received === before) await new Promise((resolve) => setImmediate(resolve))
      expect(await ping()).toBe(true)
    }
    expect(farewell).toBeUndefined()
  })

  it('do no harm five minutes apart while a call runs', async () => {
    await watch()
    expect(await pings(10, 5 * minute)).toBe(10)
    expect(farewell).toBeUndefined()
  })

  it('are to be rarer while no call runs: two hours apart', async () => {
    const stream = await call('Check', {})
    if (!stream.closed) await once(stream, 'close')
    expect(await pings(6, 2 * hour)).toBe(6)
    expect(farewell).toBeUndefined()
    expect(await pings(3, 10 * minute)).toBe(3)
    expect(farewell).toBeUndefined()
    await ping()
    expect(await ended()).toBe('calm too_many_pings')
  })
})
