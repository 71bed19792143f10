import { createServer, type AddressInfo, type Socket } from 'node:net'
import { TLSSocket, createSecureContext } from 'node:tls'
import type { KeyAndCertificate } from '../../../connectors/mail/self-signed.ts'

/** A moment at which the script is asked what to do. `body` comes with each chunk of a message, `dot` at its end. */
export interface Moment {
  readonly at: 'greeting' | 'ehlo' | 'starttls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'body' | 'dot' | 'rset' | 'other'
  readonly line: string
  /** Connections so far, from 1. */
  readonly connection: number
  /** Messages taken on this connection so far. */
  readonly taken: number
}

/** What a sound server never does: end the connection at once, or not answer. */
export interface Misdeed {
  readonly misdeed: 'cut' | 'stall'
  /** At the dot: the message is taken all the same. */
  readonly isTaken?: true
}
export const CUT: Misdeed = { misdeed: 'cut' }
export const CUT_TAKEN: Misdeed = { misdeed: 'cut', isTaken: true }
export const STALL: Misdeed = { misdeed: 'stall' }

/** A reply of one line or several; one that comes a byte every 5 ms; a misdeed; undefined: what a sound server says. */
export type Act = string | undefined | { readonly drip: string } | Misdeed

export interface TakenMail {
  readonly from: string
  readonly to: string
  readonly raw: string
}

export interface FaultySmtp {
  readonly port: number
  /** Messages whose final dot was answered with 2xx, or that were taken without an answer. */
  readonly taken: readonly TakenMail[]
  /** Messages whose final dot came in, whatever was answered. */
  readonly ended: () => number
  readonly openNow: () => number
  readonly mostOpen: () => number
  readonly connectionsSoFar: () => number
  /** Replaces the script from now on. */
  play(script: (moment: Moment) => Act): void
  /** Resolves at the next moment of this kind. */
  next(at: Moment['at']): Promise<void>
  /** Ends every connection at once. */
  cutAll(): void
  /** From now on it shows another certificate. */
  identify(identity: KeyAndCertificate): void
  close(): Promise<void>
}

export interface FaultyOptions {
  readonly script?: (moment: Moment) => Act
  readonly identity?: KeyAndCertificate
  /** TLS from the first byte; with an identity and not this: STARTTLS. */
  readonly implicit?: boolean
  readonly auth?: boolean
  /** Offers XOAUTH2 and takes these tokens alone, for the user relay@example.org. */
  readonly tokens?: readonly string[]
  readonly size?: number
  /** Default true: the commands before the body come at once. */
  readonly pipelining?: boolean
}

const DOT = '\r\n.\r\n'

interface Conversation {
  readonly number: number
  readonly plain: Socket
  socket: Socket
  input: string
  /** The message so far, and the end of it, in which a dot may begin. */
  body: string[]
  tail: string
  from: string
  to: string
  inBody: boolean
  secure: boolean
  taken: number
  /** What is being said byte by byte. */
  dripping: string
}

/** A small mail server on loopback that does what its script says, without waiting before its greeting. */
export const openFaultySmtp = async (options: FaultyOptions = {}): Promise<FaultySmtp> => {
  let script = options.script ?? ((): Act => undefined)
  const taken: TakenMail[] = []
  const sockets = new Set<Socket>()
  const waiting = new Map<string, (() => void)[]>()
  let { identity } = options
  let ended = 0
  let mostOpen = 0
  let connections = 0

  /** A byte every 5 ms, with what is said meanwhile after it. */
  const drip = (talk: Conversation): void => {
    const [first, ...rest] = talk.dripping
    talk.dripping = rest.join('')
    if (first === undefined || talk.socket.destroyed) return
    talk.socket.write(first)
    setTimeout(() => drip(talk), 5)
  }

  const say = (talk: Conversation, text: string): void => {
    if (talk.dripping === '') talk.socket.write(text)
    else talk.dripping += text
  }

  /** Says what the script wants, or `sound`; answers whether that was `sound`, or a positive reply. */
  const act = (talk: Conversation, at: Moment['at'], line: string, sound: string): boolean => {
    const asked = script({ at, line, connection: talk.number, taken: talk.taken })
    const wakers = waiting.get(at) ?? []
    waiting.delete(at)
    for (const waker of wakers) waker()
    if (typeof asked === 'object' && 'misdeed' in asked) {
      if (asked.misdeed === 'cut') talk.socket.destroy()
      return asked.isTaken === true
    }
    if (typeof asked === 'object') {
      const isBegun = talk.dripping !== ''
      talk.dripping += `${asked.drip}\r\n`
      if (!isBegun) drip(talk)
      return /^[23]/.test(asked.drip)
    }
    const reply = asked ?? sound
    if (reply !== '') say(talk, `${reply}\r\n`)
    if (reply.startsWith('421')) talk.socket.end()
    return /^[23]/.test(reply)
  }

  const ehlo = (talk: Conversation): string =>
    [
      '250-mail.example.org',
      ...(options.pipelining === false ? [] : ['250-PIPELINING']),
      ...(identity !== undefined && !talk.secure ? ['250-STARTTLS'] : []),
      ...(options.auth === true ? ['250-AUTH PLAIN LOGIN'] : []),
      ...(options.tokens === undefined ? [] : ['250-AUTH PLAIN XOAUTH2']),
      ...(options.size === undefined ? [] : [`250-SIZE ${options.size}`]),
      '250 8BITMIME',
    ].join('\r\n')

  const secure = (talk: Conversation): void => {
    if (identity === undefined) return
    talk.socket.removeAllListeners('data')
    talk.socket = new TLSSocket(talk.socket, { isServer: true, secureContext: createSecureContext(identity) })
    talk.secure = true
    listen(talk)
  }

  /** As RFC 7628's forerunner has it: a challenge with the reason, an empty answer, and then the refusal. */
  const authByToken = (talk: Conversation, line: string, tokens: readonly string[]): void => {
    const said = Buffer.from(line.split(' ')[2] ?? '', 'base64').toString()
    const token = /^user=relay@example\.org\x01auth=Bearer ([^\x01]+)\x01\x01$/.exec(said)?.[1] ?? ''
    const challenge = Buffer.from('{"status":"400","schemes":"Bearer"}').toString('base64')
    act(talk, 'auth', line, tokens.includes(token) ? '235 2.7.0 welcome' : `334 ${challenge}`)
  }

  const command = (talk: Conversation, line: string): void => {
    const verb = line.slice(0, 4).toUpperCase()
    if (verb === 'EHLO' || verb === 'HELO') act(talk, 'ehlo', line, ehlo(talk))
    else if (verb === 'STAR') {
      if (act(talk, 'starttls', line, identity === undefined ? '502 5.5.1 not here' : '220 go')) secure(talk)
    } else if (verb === 'AUTH' && options.tokens !== undefined) authByToken(talk, line, options.tokens)
    else if (verb === 'AUTH') act(talk, 'auth', line, '235 2.7.0 welcome')
    else if (line === '') act(talk, 'other', line, '535 5.7.8 credentials not accepted')
    else if (verb === 'MAIL') {
      talk.from = act(talk, 'mail', line, '250 2.1.0 ok') ? line : ''
      talk.to = ''
    } else if (verb === 'RCPT') {
      if (talk.from === '') say(talk, '503 5.5.1 no sender\r\n')
      else if (act(talk, 'rcpt', line, '250 2.1.5 ok')) talk.to = line
    } else if (verb === 'DATA') {
      if (talk.to === '') say(talk, '554 5.5.1 no recipients\r\n')
      else talk.inBody = act(talk, 'data', line, '354 go on')
    } else if (verb === 'QUIT') {
      sockets.delete(talk.plain)
      talk.socket.end('221 2.0.0 bye\r\n')
    } else act(talk, verb === 'RSET' ? 'rset' : 'other', line, '250 2.0.0 ok')
  }

  const bare = (line: string): string => /<(.*?)>/.exec(line)?.[1] ?? ''

  const endOfBody = (talk: Conversation, end: number): void => {
    const raw = `${talk.input.slice(0, end)}\r\n`.replaceAll('\r\n..', '\r\n.')
    talk.input = talk.input.slice(end + DOT.length)
    talk.inBody = false
    ended++
    if (act(talk, 'dot', '', '250 2.0.0 taken as 1234')) {
      talk.taken++
      taken.push({ from: bare(talk.from), to: bare(talk.to), raw })
    }
  }

  const read = (talk: Conversation): void => {
    while (!talk.socket.destroyed) {
      const end = talk.input.indexOf(talk.inBody ? DOT : '\r\n')
      if (end < 0) return
      if (talk.inBody) endOfBody(talk, end)
      else {
        const line = talk.input.slice(0, end)
        talk.input = talk.input.slice(end + 2)
        command(talk, line)
      }
    }
  }

  const listen = (talk: Conversation): void => {
    const { socket } = talk
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1')
      const seam = talk.tail + text
      if (talk.inBody && !seam.includes(DOT)) {
        talk.body.push(text)
        talk.tail = seam.slice(1 - DOT.length)
        act(talk, 'body', '', '')
        return
      }
      talk.input += talk.body.splice(0).join('') + text
      talk.tail = ''
      read(talk)
    })
  }

  const greet = (socket: Socket): void => {
    socket.setNoDelay(true)
    sockets.add(socket)
    mostOpen = Math.max(mostOpen, sockets.size)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    const talk: Conversation = {
      number: ++connections,
      plain: socket,
      socket,
      input: '',
      body: [],
      tail: '',
      from: '',
      to: '',
      inBody: false,
      secure: false,
      taken: 0,
      dripping: '',
    }
    if (options.implicit === true) secure(talk)
    else listen(talk)
    act(talk, 'greeting', '', '220 mail.example.org ESMTP')
  }

  const server = createServer(greet)
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  return {
    port: (server.address() as AddressInfo).port,
    taken,
    ended: () => ended,
    openNow: () => sockets.size,
    mostOpen: () => mostOpen,
    connectionsSoFar: () => connections,
    play: (next) => {
      script = next
    },
    next: (at) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.set(at, [...(waiting.get(at) ?? []), resolve])
      return promise
    },
    cutAll: () => {
      for (const socket of sockets) socket.destroy()
    },
    identify: (other) => void (identity = other),
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
