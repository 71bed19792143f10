import {
  Server,
  ServerCredentials,
  status as codes,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js'
import { once } from 'node:events'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import type { AddressInfo, Socket } from 'node:net'
import { stringify } from 'yaml'
import type { Clock, EpochMs } from '../../../schemas/time.ts'
import {
  apiService,
  type BufferArguments,
  type PushEventArguments,
  type QueryArguments,
  type QueryResponse,
} from '../api-messages.ts'
import { makeAuthority, type Identity } from './certificates.ts'
import { openPingPolicy } from './ping-policy.ts'
import { pushEvents } from './push-events.ts'
import { runQuery, type ServedQuery } from './run-query.ts'
import { vfsGetBuffer } from './vfs-get-buffer.ts'
import { insideOf, standInPrincipal, type StandInWorld, type WorldInside } from './world.ts'

export interface StandInOptions {
  readonly world: StandInWorld
  readonly clock: Clock
  /** 0: any that is free. */
  readonly port: number
  /** Address of this machine that it listens on; default 127.0.0.1. */
  readonly listen?: string
  /** Name or address under which clients reach it, for `api.config.yaml`; default: what it listens on. */
  readonly advertise?: string
  /** Where `api.config.yaml` is written. */
  readonly dir: string
  /** The user of that file; default: the one of role `api`. */
  readonly principal?: string
  /** The name in the server's certificate; default VelociraptorServer. */
  readonly serverName?: string
}

export interface StandIn {
  /** host:port. */
  readonly address: string
  /** The `api.config.yaml` written. */
  readonly apiConfig: string
  /** Writes the file of another user and answers its path. */
  apiConfigFor(user: string): string
  close(): Promise<void>
}

const day = 86_400_000

/** Serves a world over gRPC as Velociraptor does: mutual TLS 1.3 under the one name VelociraptorServer; on the loopback unless told otherwise. */
export const startStandIn = async (options: StandInOptions): Promise<StandIn> => {
  const { world, clock, dir, principal = standInPrincipal, serverName = 'VelociraptorServer' } = options
  const { listen = '127.0.0.1', advertise = listen } = options
  const authority = processAuthority()
  const own = authority.forServer(serverName)
  const pings = openPingPolicy(clock, ({ remoteAddress, remotePort, localPort }) =>
    [...sockets].some(
      (socket) =>
        socket.remoteAddress === remoteAddress && socket.remotePort === remotePort && socket.localPort === localPort,
    ),
  )
  const grpc = serveApi(world, clock, pings.sent)
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure())
  const sockets = new Set<TLSSocket>()
  const gate = openGate({ own, ca: authority.certificate, listen }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    injector.injectConnection(socket)
  })
  const port = await gate.open(options.port)
  const forget = obeyFaults({ world, clock, gate, sockets, port })
  const address = `${advertise}:${port}`
  mkdirSync(dir, { recursive: true })
  const write = (file: string, user: string): string => {
    const path = join(dir, file)
    writeApiConfig(path, { ca: authority.certificate, identity: authority.forUser(user), address, user })
    return path
  }
  return {
    address,
    apiConfig: write('api.config.yaml', principal),
    apiConfigFor: (user) => write(`api.config.${user.replace(/\W/g, '_')}.yaml`, user),
    close: async () => {
      forget()
      pings.close()
      for (const socket of sockets) socket.destroy()
      await gate.close()
      injector.destroy()
      grpc.forceShutdown()
    },
  }
}

interface ProcessAuthority {
  /** PEM. */
  readonly certificate: string
  forServer(name: string): Identity
  forUser(name: string): Identity
}

/** One authority for all stand-ins of a process, and one certificate for each name: keys take time to make. */
const processAuthority = ((): (() => ProcessAuthority) => {
  let made: ProcessAuthority | undefined
  return () => (made ??= keepingAuthority())
})()

const keepingAuthority = (): ProcessAuthority => {
  const now = Date.now()
  const terms = { from: now - day, to: now + 365 * day }
  const authority = makeAuthority({ name: 'Velociraptor CA', from: now - day, to: now + 3650 * day })
  const servers = new Map<string, Identity>()
  const users = new Map<string, Identity>()
  const kept = (known: Map<string, Identity>, name: string, make: () => Identity): Identity => {
    const identity = known.get(name) ?? make()
    known.set(name, identity)
    return identity
  }
  return {
    certificate: authority.certificate,
    forServer: (name) => kept(servers, name, () => authority.forServer({ name, ...terms })),
    forUser: (name) => kept(users, name, () => authority.forUser({ name, ...terms })),
  }
}

interface Gate {
  open(port: number): Promise<number>
  close(): Promise<void>
}

/** TLS is ended here and not in the gRPC library: it knows neither a lowest version nor how to break a connection. */
const openGate = (
  { own, ca, listen }: { readonly own: Identity; readonly ca: string; readonly listen: string },
  connected: (socket: TLSSocket) => void,
): Gate => {
  const server = createServer(
    {
      ca,
      cert: own.certificate,
      key: own.privateKey,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
      ecdhCurve: 'P-521:P-384:P-256',
      ALPNProtocols: ['h2'],
    },
    connected,
  )
  const raw = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    raw.add(socket)
    socket.on('close', () => raw.delete(socket))
  })
  // A client that gives up while shaking hands is its own affair.
  server.on('tlsClientError', () => undefined)
  return {
    open: async (port) => {
      server.listen(port, listen)
      await once(server, 'listening')
      return (server.address() as AddressInfo).port
    },
    close: async () => {
      for (const socket of raw) socket.destroy()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
}

interface Obeying {
  readonly world: StandInWorld
  readonly clock: Clock
  readonly gate: Gate
  readonly sockets: ReadonlySet<TLSSocket>
  readonly port: number
}

const obeyFaults = ({ world, clock, gate, sockets, port }: Obeying): (() => void) => {
  let shut: Promise<unknown> = Promise.resolve()
  let cancelOpening: () => void = () => undefined
  let isShut = false
  const destroyAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const reopen = (): void => {
    if (!isShut) return
    isShut = false
    shut = shut.then(() => gate.open(port))
  }
  const forget = insideOf(world).whenFault((what, untilMs: EpochMs) => {
    if (what === 'cut') destroyAll()
    if (what === 'heal') reopen()
    if (what !== 'refuse') return
    isShut = true
    shut = shut.then(() => gate.close())
    cancelOpening()
    if (untilMs !== Infinity) cancelOpening = clock.at(untilMs, reopen)
  })
  return () => {
    forget()
    cancelOpening()
  }
}

type QueryCall = ServerWritableStream<QueryArguments, QueryResponse>
type PushCall = ServerUnaryCall<PushEventArguments, object>
type CheckCall = ServerUnaryCall<object, { readonly status: string }>
type BufferCall = ServerUnaryCall<BufferArguments, { readonly data: Uint8Array }>

const serveApi = (world: StandInWorld, clock: Clock, sent: (peer: string) => void): Server => {
  const grpc = new Server({ 'grpc.max_send_message_length': -1 })
  const inside = insideOf(world)
  /** Answers when the server says anything at all. */
  const reply = (call: PushCall | BufferCall | CheckCall, answer: () => void): void =>
    whenThawed(inside, () => {
      sent(call.getPeer())
      answer()
    })
  grpc.addService(apiService().service, {
    Query: (call: QueryCall) => serveQuery(world, clock, call, sent),
    VFSGetBuffer: (call: BufferCall, answer: sendUnaryData<{ readonly data: Uint8Array }>) => {
      const found = vfsGetBuffer(inside, call.request, userOf(call), clock.now())
      reply(call, () => (found instanceof Uint8Array ? answer(null, { data: found }) : answer(found)))
    },
    PushEvents: (call: PushCall, answer: sendUnaryData<object>) => {
      const refusal = pushEvents(inside, call.request, userOf(call), clock.now())
      reply(call, () => answer(refusal, {}))
    },
    Check: (call: CheckCall, answer: sendUnaryData<{ status: string }>) =>
      reply(call, () => answer(null, { status: 'SERVING' })),
  })
  return grpc
}

/** Holds an answer back while the server is frozen; a connection that is cut takes it along. */
const whenThawed = (world: WorldInside, answer: () => void): void => {
  if (!world.frozen) return answer()
  const forget = world.whenFault((what) => {
    if (what !== 'thaw' && what !== 'cut') return
    forget()
    if (what === 'thaw') answer()
  })
}

const serveQuery = (world: StandInWorld, clock: Clock, call: QueryCall, sent: (peer: string) => void): void => {
  let ended = false
  const peer = call.getPeer()
  const running = runQuery(insideOf(world), clock, servedOf(call.request, userOf(call)), {
    message: (message) => {
      if (ended || call.cancelled) return
      sent(peer)
      call.write(message)
    },
    end: ({ code, details }) => {
      if (ended || call.cancelled) return
      ended = true
      if (code === codes.OK) call.end()
      else call.emit('error', { code, details })
    },
  })
  call.on('cancelled', () => running.cancel())
}

const userOf = (call: QueryCall | PushCall | BufferCall): string => {
  const certificate = call.getAuthContext().sslPeerCertificate
  const name = certificate?.subject.CN
  return typeof name === 'string' ? name : ''
}

const servedOf = (request: QueryArguments, principal: string): ServedQuery => ({
  queries: request.Query,
  env: request.env,
  maxRow: Number(request.max_row),
  maxWaitS: Number(request.max_wait),
  timeoutS: Number(request.timeout),
  org: request.org_id,
  principal,
})

interface ApiConfigParts {
  /** PEM. */
  readonly ca: string
  readonly identity: Identity
  readonly address: string
  readonly user: string
}

const writeApiConfig = (path: string, { ca, identity, address, user }: ApiConfigParts): void => {
  const text = stringify({
    ca_certificate: ca,
    client_cert: identity.certificate,
    client_private_key: identity.privateKey,
    api_connection_string: address,
    name: user,
  })
  writeFileSync(path, text, { mode: 0o600 })
  // An older file keeps its mode when it is written again.
  chmodSync(path, 0o600)
}
