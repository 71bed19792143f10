import type { Writable } from 'node:stream'

/** What decides over the end of a body, and who hears of it. */
export interface DotTerms {
  /** The message was given up: nothing more of it may be written. */
  readonly isGivenUp: () => boolean
  /** Asked in the very call that writes the final dot, when everything before it has left this process. */
  readonly mayEnd: () => boolean
  /** The server asked for the body, or took more of it. */
  readonly onProgress: () => void
  /** Called right before the dot is written: from now on the server may take the message. */
  readonly onDot: () => void
  /** The dot was not written and never will be; the connection must be dropped. */
  readonly onLate: () => void
  /** Composing failed on the way, or a line begins with a dot, which the server would take for another end. */
  readonly onError: (error: unknown) => void
}

const DOT = 0x2e
const LINE_WITH_DOT = Buffer.from('\r\n.')

/**
 * Writes the body of a message and its final dot. `pieces` end with CRLF. A stream's end would travel through buffers, and a timer comes
 * too late in a process that was blocked; so the last step here waits until nothing is buffered, then asks `mayEnd` and writes the
 * dot within one synchronous call.
 */
export const writeWithGuardedEnd = (socket: Writable, pieces: Iterable<Buffer>, terms: DotTerms): void => {
  const rest = pieces[Symbol.iterator]()

  /** Whether `step` goes on by itself: what was written is not handed to the system yet. */
  const isHeld = (): boolean => {
    if (socket.writableLength === 0) return false
    // An empty write calls back when everything before it was handed to the system.
    socket.write('', step)
    return true
  }

  const step = (): void => {
    do {
      if (terms.isGivenUp() || socket.destroyed) return
      terms.onProgress()
      let next: IteratorResult<Buffer>
      try {
        next = rest.next()
        if (next.done !== true && (next.value[0] === DOT || next.value.includes(LINE_WITH_DOT)))
          throw new TypeError('a line of the message begins with a dot')
      } catch (error) {
        return terms.onError(error)
      }
      if (next.done === true) return end()
      socket.write(next.value)
    } while (!isHeld())
  }

  const end = (): void => {
    if (!terms.mayEnd()) return terms.onLate()
    terms.onDot()
    socket.write('.\r\n')
  }

  step()
}
