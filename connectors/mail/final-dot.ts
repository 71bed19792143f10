import { Readable, type Duplex, type Writable } from 'node:stream'

/** What decides over the end of a body, and who hears of it. */
export interface DotTerms {
  /** Asked in the very call that writes the final dot, when everything before it has left this process. */
  readonly mayEnd: () => boolean
  /** The connection that the body is piped to. */
  readonly socket: () => Writable | null
  /** The server asked for the body, or took more of it. */
  readonly onProgress: () => void
  /** Called right before the dot is written: from now on the server may take the message. */
  readonly onDot: () => void
  /** The dot was not written and never will be; the connection must be dropped. */
  readonly onLate: () => void
  /** Composing failed on the way. */
  readonly onError: (error: unknown) => void
}

/**
 * A message body for nodemailer's SMTP connection, which writes the final dot when its source ends. A stream's end travels through
 * buffers, and a timer comes too late in a process that was blocked; so the last step here waits until nothing is buffered,
 * then asks `mayEnd` and ends the connection's data stream within one synchronous call.
 */
export const bodyWithGuardedEnd = (pieces: Iterable<Buffer>, terms: DotTerms): Readable => {
  const body = new Readable({ read: () => undefined })
  const rest = pieces[Symbol.iterator]()

  const finish = (data: Duplex): void => {
    if (!terms.mayEnd()) return terms.onLate()
    terms.onDot()
    data.end()
  }

  const whenAllLeft = (data: Duplex): void => {
    const socket = terms.socket()
    if (body.destroyed || data.destroyed || socket === null || !socket.writable) return
    if (data.readableLength === 0 && socket.writableLength === 0) return finish(data)
    // An empty write calls back when everything before it was handed to the system.
    socket.write('', () => whenAllLeft(data))
  }

  const step = (data: Duplex): void => {
    if (body.destroyed || data.destroyed) return
    terms.onProgress()
    let next: IteratorResult<Buffer>
    try {
      next = rest.next()
    } catch (error) {
      return terms.onError(error)
    }
    if (next.done === true) whenAllLeft(data)
    else data.write(next.value, () => step(data))
  }

  body.pipe = <T extends NodeJS.WritableStream>(data: T): T => {
    step(data as T & Duplex)
    return data
  }
  return body
}
