import type { ISocketFactoryArgs } from 'kafkajs'
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'

/** What the client really hands over: in the clear `ssl` is null. */
export type SocketTerms = Omit<ISocketFactoryArgs, 'ssl'> & { readonly ssl: ConnectionOptions | null }

const keepAliveMs = 60_000

/**
 * A connection for the client. It lets go of a broken one as often as a request failed on it, and each time Node would listen for a
 * connect that never comes, and warn of so many listeners: one that is gone is let go of once.
 */
export const openSocket = ({ host, port, ssl, onConnect }: SocketTerms): Socket => {
  const socket =
    ssl === null
      ? connect({ host, port }, onConnect)
      : connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...ssl }, onConnect)
  const unref = socket.unref.bind(socket)
  socket.unref = () => (socket.destroyed ? socket : unref())
  // Requests are small, and each is written in one piece: none gains by waiting for the next.
  return socket.setKeepAlive(true, keepAliveMs).setNoDelay(true)
}
