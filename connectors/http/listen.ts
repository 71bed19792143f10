import { serve, type ServerType } from '@hono/node-server'
import { ConnectorError } from '../errors.ts'

/** Where requests are awaited. */
export interface ListenAddress {
  readonly host: string
  /** 0: one that is free. */
  readonly port: number
}

export interface HttpServer {
  /** host:port, as it came to be. */
  readonly address: string
  /** Ends also what is still being answered. */
  close(): Promise<void>
}

const written = ({ host, port }: ListenAddress): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

/** Why an address cannot be listened to, and what to do, by the system's code. */
export const whyNotListening = (code: string | undefined): string => {
  switch (code) {
    case 'EADDRINUSE':
      return 'the port is in use: another relay on this machine may hold it; give this one another'
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return 'this machine has no such address'
    case 'EACCES':
      return 'this user may not listen there: take a port from 1024 upwards'
    default:
      return `it cannot be listened to (${code ?? 'unknown'})`
  }
}

/** Answers HTTP requests. Rejects with ConnectorError HTTP_DENIED when nobody can listen there. */
export const listen = (
  address: ListenAddress,
  answer: (request: Request) => Response | Promise<Response>,
): Promise<HttpServer> =>
  new Promise((resolve, reject) => {
    const server: ServerType = serve({ fetch: answer, hostname: address.host, port: address.port }, ({ port }) =>
      resolve({ address: written({ host: address.host, port }), close: () => close(server) }),
    )
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(new ConnectorError('HTTP_DENIED', `${written(address)}: ${whyNotListening(cause.code)}`, { cause })),
    )
  })

const close = (server: ServerType): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
