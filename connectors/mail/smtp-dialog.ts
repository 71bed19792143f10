import type { Socket } from 'node:net'
import type { SmtpFailure } from './smtp-reply.ts'

/** Commands and replies on a connection that was greeted, secured and logged in by others. */
export interface SmtpDialog {
  /** Writes commands, each with its CRLF, in one piece; `onReply` hears the reply to each, in their order. */
  ask(commands: string, replies: number, onReply: (reply: string) => void): void
  /** One more reply is awaited. */
  awaitReply(onReply: (reply: string) => void): void
  /** A refusal whose line had no end when the connection did; null: none. */
  lastWord(): string | null
}

/** Characters of one reply at most. */
const mostReply = 1024 * 1024

/** Takes over the reading of a socket. `onTrouble`: the server spoke unasked, or without end; the connection must be dropped. */
export const openDialog = (socket: Socket, onTrouble: (failure: SmtpFailure) => void): SmtpDialog => {
  const waiting: ((reply: string) => void)[] = []
  /** What came after the last whole line. */
  let rest = ''
  /** The lines of a reply that goes on. */
  let begun = ''

  const onLine = (line: string): void => {
    if (begun === '' && line.trim() === '') return
    const reply = begun === '' ? line : `${begun}\n${line}`
    if (/^\d{3}-/.test(line)) return void (begun = reply)
    begun = ''
    const text = Buffer.from(reply, 'latin1').toString('utf8')
    const next = waiting.shift()
    if (next !== undefined) return next(text)
    onTrouble({ code: 'ECONNECTION', ...(isRefusal(text) ? replied(text) : {}) })
  }

  socket.removeAllListeners('data')
  socket.on('data', (chunk: Buffer) => {
    rest += chunk.toString('latin1')
    let from = 0
    for (let end: number; (end = rest.indexOf('\n', from)) >= 0; from = end + 1)
      onLine(rest.slice(from, rest[end - 1] === '\r' ? end - 1 : end))
    rest = rest.slice(from)
    if (rest.length + begun.length > mostReply) onTrouble({ code: 'EPROTOCOL' })
  })

  return {
    ask(commands, replies, onReply) {
      for (let n = 0; n < replies; n++) waiting.push(onReply)
      socket.write(commands)
    },
    awaitReply: (onReply) => void waiting.push(onReply),
    lastWord: () => (isRefusal(rest) ? rest.trim() : null),
  }
}

const isRefusal = (reply: string): boolean => /^[45]\d{2}[ -]/.test(reply)

/** A reply as a failure of a command. */
export const replied = (response: string): Pick<SmtpFailure, 'response' | 'responseCode'> => ({
  response,
  responseCode: Number(/^\d{3}/.exec(response)?.[0] ?? 0) || undefined,
})
