import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type Socket } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { filter, firstValueFrom } from 'rxjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readApiConfig, type ApiConfig } from '../../../../connectors/velociraptor/api-config.ts'
import { openVelociraptor } from '../../../../connectors/velociraptor/grpc.ts'
import { serverVersion } from '../../../../connectors/velociraptor/lookups.ts'
import { makeAuthority } from '../../../../connectors/velociraptor/stand-in/certificates.ts'
import { startStandIn, type StandIn } from '../../../../connectors/velociraptor/stand-in/server.ts'
import { createWorld } from '../../../../connectors/velociraptor/stand-in/world.ts'
import { systemClock } from '../../../../pipeline/runtime/system-clock.ts'
import { virtualClock } from '../../../../pipeline/runtime/virtual-clock.ts'
import { contractWorld, velociraptorContract } from '../../../contracts/velociraptor.contract.ts'

const day = 86_400_000

const configOf = (file: string): ApiConfig => {
  const { config, problems } = readApiConfig(file, { now: Date.now() })
  if (config === null) throw new Error(problems.map(({ text }) => text).join('; '))
  return config
}

velociraptorContract('gRPC to the stand-in server', async () => {
  const world = createWorld(contractWorld)
  const clock = virtualClock(Date.UTC(2026, 3, 22, 14, 42, 27))
  const dir = mkdtempSync(join(tmpdir(), 'stand-in-'))
  const server = await startStandIn({ world, clock, port: 0, dir })
  const velociraptor = openVelociraptor({ config: configOf(server.apiConfig) })
  return {
    velociraptor,
    world,
    clock,
    dispose: async () => {
      await velociraptor.close()
      await server.close()
      rmSync(dir, { recursive: true })
    },
  }
})

describe('the stand-in server', () => {
  let dir: string
  let server: StandIn
  let config: ApiConfig

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'stand-in-'))
    server = await startStandIn({
      world: createWorld({ users: [{ name: 'readeronly', roles: ['reader'] }] }),
      clock: systemClock(),
      port: 0,
      dir,
    })
    config = configOf(server.apiConfig)
  })
  afterAll(async () => {
    await server.close()
    rmSync(dir, { recursive: true })
  })

  const ask = async (change: Partial<ApiConfig>): Promise<string | null> => {
    const velociraptor = openVelociraptor({ config: { ...config, ...change } })
    try {
      return await serverVersion(velociraptor)
    } finally {
      await velociraptor.close()
    }
  }

  const shakeHands = async (options: ConnectionOptions): Promise<TLSSocket> => {
    const port = Number(server.address.split(':')[1])
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca: config.ca,
      cert: config.certificate,
      key: config.privateKey,
      servername: 'VelociraptorServer',
      ALPNProtocols: ['h2'],
      ...options,
    })
    try {
      await once(socket, 'secureConnect')
      return socket
    } catch (error) {
      socket.destroy()
      throw error
    }
  }

  it('writes a configuration like the real one, for its owner alone', () => {
    expect(statSync(server.apiConfig).mode & 0o777).toBe(0o600)
    expect(readFileSync(server.apiConfig, 'utf8')).toContain('BEGIN RSA PRIVATE KEY')
    expect(config).toMatchObject({ address: server.address, principal: 'connector', warnings: [] })
  })

  it('shows a certificate of one name and speaks TLS 1.3 only', async () => {
    const socket = await shakeHands({})
    expect([socket.getProtocol(), socket.getPeerCertificate().subjectaltname, socket.alpnProtocol]).toEqual([
      'TLSv1.3',
      'DNS:VelociraptorServer',
      'h2',
    ])
    socket.destroy()
    await expect(shakeHands({ maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/)
  })

  it('is answered by a client with the right name, authority and certificate', async () => {
    expect(await ask({})).toBe('0.77.2')
  })

  it('is reached although a peer before it took the connection and never said a word', async () => {
    const home = mkdtempSync(join(tmpdir(), 'relay-mute-'))
    const options = { world: createWorld(), clock: systemClock(), dir: home }
    const first = await startStandIn({ ...options, port: 0 })
    const port = Number(first.address.split(':')[1])
    await first.close()
    const sockets: Socket[] = []
    const mute = createServer((socket) => void sockets.push(socket)).listen(port, '127.0.0.1')
    await once(mute, 'listening')
    const velociraptor = openVelociraptor({ config: configOf(first.apiConfig) })
    const unheard = velociraptor.query({ org: 'root', vql: 'SELECT now() AS N FROM clock(period=1)' }).subscribe()
    await once(mute, 'connection')
    unheard.unsubscribe()
    mute.close()
    const second = await startStandIn({ ...options, port })
    try {
      const beats = velociraptor.query({ org: 'root', vql: 'SELECT now() AS N FROM clock(period=1)' })
      const heard = await firstValueFrom(beats.pipe(filter(({ kind }) => kind === 'rows')))
      expect(heard.kind).toBe('rows')
    } finally {
      await velociraptor.close()
      await second.close()
      for (const socket of sockets) socket.destroy()
      rmSync(home, { recursive: true, force: true })
    }
  }, 20_000)

  it('is recognised as another server by its name', async () => {
    await expect(ask({ serverName: 'Another' })).rejects.toMatchObject({
      code: 'VELOCIRAPTOR_DENIED',
      message: expect.stringContaining('server_name') as string,
    })
  })

  it('is recognised as another server by its authority', async () => {
    const other = makeAuthority({ name: 'Velociraptor CA', from: Date.now() - day, to: Date.now() + day })
    await expect(ask({ ca: other.certificate })).rejects.toMatchObject({
      code: 'VELOCIRAPTOR_DENIED',
      message: expect.stringContaining('authority') as string,
    })
  })

  it('does not take the certificate of another authority', async () => {
    const other = makeAuthority({ name: 'Velociraptor CA', from: Date.now() - day, to: Date.now() + day })
    const stranger = other.forUser({ name: 'connector', from: Date.now() - day, to: Date.now() + day })
    // Unlike the real server, Node closes such a connection without saying why.
    await expect(ask({ ...stranger })).rejects.toMatchObject({
      code: 'VELOCIRAPTOR_UNAVAILABLE',
      message: expect.stringContaining('closes connections') as string,
    })
  })

  it('knows no user that was not made, and lets a mere reader not query', async () => {
    await expect(ask(configOf(server.apiConfigFor('norole')))).rejects.toMatchObject({
      code: 'VELOCIRAPTOR_DENIED',
      message: expect.stringContaining('knows no user norole') as string,
    })
    await expect(ask(configOf(server.apiConfigFor('readeronly')))).rejects.toMatchObject({
      code: 'VELOCIRAPTOR_DENIED',
      message: expect.stringContaining('ANY_QUERY') as string,
    })
  })

  it('is not there when nothing listens', async () => {
    await expect(ask({ address: '127.0.0.1:1' })).rejects.toMatchObject({
      code: 'VELOCIRAPTOR_UNAVAILABLE',
      message: expect.stringContaining('nothing listens') as string,
    })
  })

  it('tells the warnings of a configuration once', async () => {
    const told: unknown[] = []
    const velociraptor = openVelociraptor({
      config: {
        ...config,
        warnings: [
          { kind: 'certificate ends soon', file: 'f', daysLeft: 3 },
          { kind: 'readable by others', file: 'f', mode: '0644' },
        ],
      },
      tell: (happening) => told.push(happening),
    })
    await serverVersion(velociraptor)
    await velociraptor.close()
    expect(told).toEqual([
      { name: 'api certificate ends soon', file: 'f', daysLeft: 3 },
      { name: 'api config readable by others', file: 'f', mode: '0644' },
    ])
  })
})
