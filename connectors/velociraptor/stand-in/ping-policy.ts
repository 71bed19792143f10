import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Clock } from '../../../schemas/time.ts'

/** Ends the connections of clients that ping too often, as gRPC's servers in Go do, whose defaults Velociraptor has. */
export interface PingPolicy {
  /** Tells that a message went to a client (address:port): its pings are forgiven. */
  sent(peer: string): void
  close(): void
}

const minute = 60_000
/** Pings are no oftener than this, while a call runs and while none does. */
const apartMs = { busy: 5 * minute, idle: 120 * minute }
/** So many pings that come too soon are let pass. */
const mostStrikes = 2

/** The two ends of a connection, of which there is no other. */
export type Ends = Pick<Socket, 'remoteAddress' | 'remotePort' | 'localPort'>

/** Watches the connections of which `isOwn` says that they are the server's, each from its first call on. */
export const openPingPolicy = (clock: Clock, isOwn: (connection: Ends) => boolean): PingPolicy => {
  const forgiven = new Set<string>()
  const known = new WeakSet<ServerHttp2Session>()
  const running = new WeakMap<ServerHttp2Session, number>()
  const count = (session: ServerHttp2Session, more: number): void => {
    running.set(session, (running.get(session) ?? 0) + more)
  }

  const watch = (session: ServerHttp2Session, peer: string): void => {
    let strikes = 0
    let last = -Infinity
    known.add(session)
    session.on('ping', () => {
      const now = clock.now()
      const since = now - last
      last = now
      if (forgiven.delete(peer)) {
        strikes = 0
        return
      }
      if (since < ((running.get(session) ?? 0) > 0 ? apartMs.busy : apartMs.idle)) strikes++
      if (strikes <= mostStrikes) return
      session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from('too_many_pings'))
      // What is destroyed at once says nothing any more.
      setImmediate(() => session.destroy())
    })
    session.on('close', () => forgiven.delete(peer))
  }

  // Of a server that gRPC's library makes, no other way leads to its connections.
  const started = (message: unknown): void => {
    const { stream } = message as { readonly stream: ServerHttp2Stream }
    const { session } = stream
    if (session === undefined || session.destroyed) return
    const own = session as ServerHttp2Session
    if (!isOwn(own.socket)) return
    if (!known.has(own)) watch(own, `${own.socket.remoteAddress}:${own.socket.remotePort}`)
    count(own, 1)
    stream.on('close', () => count(own, -1))
  }
  subscribe('http2.server.stream.start', started)
  return {
    sent: (peer) => forgiven.add(peer),
    close: () => unsubscribe('http2.server.stream.start', started),
  }
}
