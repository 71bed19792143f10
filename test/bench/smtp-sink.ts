import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

/** A mail server on loopback that takes everything at once. */
export interface SmtpSink {
  readonly port: number
  /** `postfix smtp-sink`, or `own socket` where that is missing. */
  readonly kind: string
  close(): Promise<void>
}

const end = Buffer.from('\r\n.\r\n')

/** Speaks just enough SMTP; `onMessage` sees each message right after its 250 was written. */
export const openOwnSink = async (
  onMessage: (message: Buffer) => void = () => undefined,
  at = 0,
): Promise<SmtpSink> => {
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    converse(socket, onMessage)
  })
  server.listen(at, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    kind: 'own socket',
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

const converse = (socket: Socket, onMessage: (message: Buffer) => void): void => {
  let held = Buffer.alloc(0)
  let isData = false
  const command = (line: string): void => {
    const verb = line.slice(0, 4).toUpperCase()
    isData = verb === 'DATA'
    if (verb === 'EHLO') socket.write('250-bench\r\n250-PIPELINING\r\n250 8BITMIME\r\n')
    else if (verb === 'QUIT') socket.end('221 bye\r\n')
    else socket.write(isData ? '354 go on\r\n' : '250 ok\r\n')
  }
  const step = (): boolean => {
    const mark = held.indexOf(isData ? end : '\r\n')
    if (mark === -1) return false
    const taken = held.subarray(0, mark)
    held = held.subarray(mark + (isData ? end.length : 2))
    if (!isData) command(taken.toString('latin1'))
    else {
      isData = false
      socket.write('250 ok\r\n')
      onMessage(taken)
    }
    return true
  }
  socket.on('data', (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    while (step());
  })
  socket.write('220 bench\r\n')
}

const postfixSink = (): string | undefined =>
  [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
    .map((dir) => join(dir, 'smtp-sink'))
    .find((file) => existsSync(file))

/** A port of 127.0.0.1 that nobody listens on. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const answers = async (port: number): Promise<boolean> => {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'data')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

const patienceMs = 5000

/** Postfix's sink in a process of its own where it is installed, else one on a socket of this process. `at`: on this port. */
export const openBareSink = async (at?: number): Promise<SmtpSink> => {
  const program = postfixSink()
  if (program === undefined) return openOwnSink(undefined, at)
  const port = at ?? (await freePort())
  // It refuses to run as root and asks whom to become.
  const privileges = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const child = spawn(program, [...privileges, `127.0.0.1:${port}`, '128'], { stdio: 'ignore' })
  const exited = once(child, 'exit')
  for (const begun = performance.now(); !(await answers(port)); await setTimeout(20))
    if (child.exitCode !== null || performance.now() - begun > patienceMs) {
      child.kill()
      return openOwnSink(undefined, at)
    }
  return {
    port,
    kind: 'postfix smtp-sink',
    async close() {
      child.kill()
      await exited
    },
  }
}
