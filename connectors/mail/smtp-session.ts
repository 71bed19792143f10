import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { bodyWithGuardedEnd } from './final-dot.ts'
import type { MailReply, OutgoingMail, SendTerms } from './mail.ts'
import { mimeMessage, type MimeMessage } from './mime.ts'
import type { SmtpChannel, SmtpLogin, SmtpTimeouts } from './smtp-channel.ts'
import { acceptedReply, failureReply, type SmtpFailure } from './smtp-reply.ts'

/** What came of one message on one connection. */
export interface SessionResult {
  readonly reply: MailReply
  /** The connection ended before the message did, so the server has nothing of it. */
  readonly lostBeforeDot: boolean
  /** Whether the connection can take the next message; a promise while it is being tidied up. */
  readonly ready: boolean | Promise<boolean>
}

/** A connection that is ready for messages, one at a time. */
export interface SmtpSession {
  /** Messages begun so far. */
  readonly begun: () => number
  readonly alive: () => boolean
  /** Resolves when the connection is gone, whoever ended it. */
  readonly gone: Promise<void>
  /** Never rejects. */
  send(mail: OutgoingMail, terms: SendTerms): Promise<SessionResult>
  /** Asks for a reply that changes nothing. */
  check(): Promise<MailReply>
  /** Takes leave; resolves when the connection is gone. */
  quit(): Promise<void>
  drop(): void
}

/** A connection on its way: `opened` resolves with a session, or with what went wrong. */
export interface OpeningSession {
  readonly opened: Promise<SmtpSession | MailReply>
  drop(): void
}

const LEAVE_WITHIN_MS = 2000

const optionsOf = (channel: SmtpChannel, timeouts: SmtpTimeouts): SMTPConnection.Options => {
  const { host, port, security } = channel.server
  return {
    host,
    port,
    secure: security === 'implicit',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'off',
    ...(channel.helloName === undefined ? {} : { name: channel.helloName }),
    connectionTimeout: timeouts.connect + timeouts.greeting,
    dnsTimeout: timeouts.connect,
    greetingTimeout: timeouts.greeting,
    // Only a backstop: the waits before and after the dot differ, and are kept below.
    socketTimeout: timeouts.finalReply + timeouts.silence,
    // A message given up must end at once, with nothing more sent.
    socketCloseTimeout: 0,
    allowInternalNetworkInterfaces: true,
    tls: {
      minVersion: 'TLSv1.2',
      ...(channel.ca === undefined ? {} : { ca: channel.ca }),
      ...(channel.serverName === undefined ? {} : { servername: channel.serverName }),
    },
  }
}

const composed = (mail: OutgoingMail): MimeMessage | null => {
  try {
    return mimeMessage(mail)
  } catch {
    return null
  }
}

const MOST_TIMER_MS = 2_147_483_647

/** Ms for a timer until a moment of `performance.now()`, within what a timer can wait. */
export const timerUntil = (moment: number): number => Math.min(Math.max(0, moment - performance.now()), MOST_TIMER_MS)

const NOT_COMPOSED: MailReply = { kind: 'refused', code: 0, text: 'the message could not be composed' }
const CALLED_OFF: MailReply = { kind: 'released', code: 0, text: 'given up before its end was sent: called off' }
const TOO_LATE: MailReply = { kind: 'released', code: 0, text: 'given up before its end was sent: its time was over' }

/** Opens a connection: greeting, TLS, login. */
export const openSession = (channel: SmtpChannel, timeouts: SmtpTimeouts): OpeningSession => {
  const { server, login } = channel
  const connection = new SMTPConnection(optionsOf(channel, timeouts))
  const secrets: string[] = []
  let begun = 0
  let lastError: SmtpFailure = { code: 'ECONNECTION' }
  /** What waits for the connection's end; one at a time, so that a long-lived connection keeps no message. */
  let onGone: () => void = () => undefined
  const gone = Promise.withResolvers<void>()
  connection.on('error', (error: SmtpFailure) => {
    lastError = error
  })
  connection.once('end', () => {
    gone.resolve()
    // The callback with the cause, where there is one, comes in the same turn of the loop.
    setImmediate(() => onGone())
  })

  const failed = (failure: SmtpFailure, dotWritten = false, addresses: readonly string[] = []): MailReply =>
    failureReply(failure, { server, dotWritten, secrets: [...secrets, ...addresses] })

  /** Runs one exchange that ends with a callback, with the connection's end, or with silence. */
  const exchange = (
    ms: number,
    run: (done: (failure: SmtpFailure | null) => void) => void,
  ): Promise<MailReply | null> => {
    const { promise, resolve } = Promise.withResolvers<MailReply | null>()
    const timer = setTimeout(() => finish({ timeoutType: 'SOCKET_TIMEOUT' }), ms)
    let finished = false
    const finish = (failure: SmtpFailure | null): void => {
      if (finished) return
      finished = true
      clearTimeout(timer)
      onGone = () => undefined
      resolve(failure === null ? null : failed(failure))
      if (failure !== null) connection.close()
    }
    onGone = () => finish(lastError)
    run(finish)
    return promise
  }

  const reset = (): Promise<MailReply | null> =>
    exchange(timeouts.silence, (done) => connection.reset((error) => done(error)))

  const send = (mail: OutgoingMail, terms: SendTerms): Promise<SessionResult> => {
    const { promise, resolve } = Promise.withResolvers<SessionResult>()
    const message = composed(mail)
    if (message === null) {
      return Promise.resolve({ reply: NOT_COMPOSED, lostBeforeDot: false, ready: true })
    }
    const addresses = [mail.to.address, mail.from.address]
    let bodyBegun = false
    let dotWritten = false
    let settled = false
    begun++

    const settle = (reply: MailReply, lostBeforeDot: boolean, ready: () => boolean | Promise<boolean>): void => {
      if (settled) return
      settled = true
      clearTimeout(silence)
      clearTimeout(deadline)
      terms.signal.removeEventListener('abort', onAbort)
      onGone = () => undefined
      resolve({ reply, lostBeforeDot, ready: ready() })
    }
    const dropWith = (reply: MailReply, lostBeforeDot = false): void => {
      settle(reply, lostBeforeDot, () => false)
      connection.close()
    }
    const onSilence = (): void => dropWith(failed({ timeoutType: 'SOCKET_TIMEOUT' }, dotWritten))
    const onAbort = (): void => {
      if (!dotWritten) dropWith(CALLED_OFF)
    }
    const onLate = (): void => {
      if (!dotWritten && !terms.signal.aborted && performance.now() < terms.deadline)
        return void (deadline = setTimeout(onLate, timerUntil(terms.deadline)))
      if (!dotWritten) dropWith(terms.signal.aborted ? CALLED_OFF : TOO_LATE)
    }
    const onFailure = (error: SmtpFailure): void => {
      const reply = failed(error, dotWritten, addresses)
      const answered = error.responseCode !== undefined
      const ofThisMessage = reply.kind === 'refused' || (reply.kind === 'deferred' && reply.code !== 503)
      if (!ofThisMessage || (bodyBegun && !dotWritten)) {
        return dropWith(reply, !dotWritten && (!answered || reply.code === 421))
      }
      settle(reply, false, () => dotWritten || reset().then((failure) => failure === null))
    }

    let silence = setTimeout(onSilence, timeouts.silence)
    let deadline = setTimeout(onLate, timerUntil(terms.deadline))
    terms.signal.addEventListener('abort', onAbort)
    onGone = () => dropWith(failed(lastError, dotWritten, addresses), !dotWritten)

    const body = bodyWithGuardedEnd(message.pieces(), {
      mayEnd: () => !terms.signal.aborted && performance.now() < terms.deadline,
      socket: () => connection._socket || null,
      onProgress: () => {
        bodyBegun = true
        silence.refresh()
      },
      onDot: () => {
        dotWritten = true
        clearTimeout(deadline)
        clearTimeout(silence)
        silence = setTimeout(onSilence, timeouts.finalReply)
      },
      onLate,
      onError: () => dropWith(NOT_COMPOSED),
    })
    connection.send({ from: mail.from.address, to: [mail.to.address], size: message.size }, body, (error, info) => {
      if (error !== null) return onFailure(error)
      // A reply before its time says nothing about a message whose end the server has not seen.
      if (!dotWritten) return dropWith(failed({ response: info.response, responseCode: 250 }, false, addresses))
      settle(acceptedReply(info.response, [...secrets, ...addresses]), false, () => true)
    })
    return promise
  }

  const check = async (): Promise<MailReply> => {
    const failure = await reset()
    const way = connection.secure ? 'over TLS' : 'in the clear'
    return (
      failure ?? { kind: 'accepted', code: 250, text: `answers ${way}${login === null ? '' : ', takes the login'}` }
    )
  }

  const quit = async (): Promise<void> => {
    if (connection.destroyed) return
    const timer = setTimeout(() => connection.close(), LEAVE_WITHIN_MS)
    connection.quit()
    await gone.promise
    clearTimeout(timer)
  }

  const passwordOf = (from: SmtpLogin): string | null => {
    try {
      return from.password()
    } catch {
      return null
    }
  }

  const logIn = async (from: SmtpLogin): Promise<MailReply | null> => {
    const pass = passwordOf(from)
    if (pass === null || pass === '') {
      connection.close()
      return {
        kind: 'denied',
        code: 0,
        text: 'the password for the mail server cannot be read, or is empty: check `password:`',
      }
    }
    secrets.push(from.user, pass)
    if (!connection.allowsAuth) return exchange(0, (done) => done({ code: 'EAUTH' }))
    return exchange(timeouts.silence, (done) => connection.login({ user: from.user, pass }, (error) => done(error)))
  }

  const open = async (): Promise<SmtpSession | MailReply> => {
    const whole = timeouts.connect + timeouts.greeting + timeouts.silence
    const failure =
      (await exchange(whole, (done) => connection.connect((error) => done(error ?? null)))) ??
      (login === null ? null : await logIn(login))
    if (failure !== null) return failure
    return {
      begun: () => begun,
      alive: () => !connection.destroyed,
      gone: gone.promise,
      send,
      check,
      quit,
      drop: () => connection.close(),
    }
  }

  return { opened: open(), drop: () => connection.close() }
}
