import SMTPConnection from 'nodemailer/lib/smtp-connection'
import type { Socket } from 'node:net'
import type XOAuth2 from 'nodemailer/lib/xoauth2'
import type { MailReply, OutgoingMail, SendTerms } from './mail.ts'
import { xoauth2 } from './oauth2.ts'
import type { SmtpChannel, SmtpLogin, SmtpTimeouts } from './smtp-channel.ts'
import { openDialog, replied, type SmtpDialog } from './smtp-dialog.ts'
import { acceptedReply, failureReply, type SmtpFailure } from './smtp-reply.ts'
import { extensionsOf, openSender, type SessionResult, type SmtpExtensions } from './smtp-sender.ts'

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

type TokenLogin = Extract<SmtpLogin, { readonly tokens: unknown }>
type PasswordLogin = Exclude<SmtpLogin, TokenLogin>

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

/** Opens a connection: greeting, TLS, login. */
export const openSession = (channel: SmtpChannel, timeouts: SmtpTimeouts): OpeningSession => {
  const { server, login } = channel
  const connection = new SMTPConnection(optionsOf(channel, timeouts))
  const secrets: string[] = []
  const byToken = login !== null && 'tokens' in login
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
    failureReply(failure, { server, dotWritten, secrets: [...secrets, ...addresses], byToken })

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

  /** What is awaited does not come: the connection is of no use any more. */
  const trouble = (failure: SmtpFailure): void => {
    lastError = failure
    connection.close()
  }

  const reset = ({ ask }: SmtpDialog): Promise<MailReply | null> =>
    exchange(timeouts.silence, (done) =>
      ask('RSET\r\n', 1, (reply) => done(reply.startsWith('2') ? null : { command: 'RSET', ...replied(reply) })),
    )

  const senderOf = (dialog: SmtpDialog, socket: Socket, extensions: SmtpExtensions): SmtpSession['send'] =>
    openSender({
      dialog,
      socket,
      extensions,
      timeouts,
      close: () => connection.close(),
      reset: () => reset(dialog),
      failed: (failure, dotWritten, addresses) => failed(failure, dotWritten, addresses),
      accepted: (reply, addresses) => acceptedReply(reply, [...secrets, ...addresses]),
      lastError: () => {
        const word = dialog.lastWord()
        return word === null ? lastError : { ...lastError, ...replied(word) }
      },
      onGone: (call) => {
        onGone = call
      },
      gone: gone.promise,
    })

  const check = async (dialog: SmtpDialog): Promise<MailReply> => {
    const failure = await reset(dialog)
    const way = connection.secure ? 'over TLS' : 'in the clear'
    return (
      failure ?? { kind: 'accepted', code: 250, text: `answers ${way}${login === null ? '' : ', takes the login'}` }
    )
  }

  const quit = async ({ ask }: SmtpDialog): Promise<void> => {
    if (connection.destroyed) return
    const timer = setTimeout(() => connection.close(), LEAVE_WITHIN_MS)
    ask('QUIT\r\n', 1, () => connection.close())
    await gone.promise
    clearTimeout(timer)
  }

  const passwordOf = (from: PasswordLogin): string | null => {
    try {
      return from.password()
    } catch {
      return null
    }
  }

  const logInByToken = async ({ user, tokens }: TokenLogin): Promise<MailReply | null> => {
    const first = await tokens.token()
    if ('failure' in first) {
      connection.close()
      return first.failure
    }
    if (!connection.allowsAuth) return exchange(0, (done) => done({ code: 'EAUTH' }))
    secrets.push(user, first.token, xoauth2(user, first.token))
    let failure: MailReply | null = null
    /** Asked once more when the server refuses the first. */
    const getToken = (isRefused: boolean, done: (error: Error | null, token?: string) => void): void => {
      if (!isRefused) return done(null, first.token)
      void tokens.token(first.token).then((answer) => {
        if ('token' in answer) {
          secrets.push(answer.token, xoauth2(user, answer.token))
          return done(null, answer.token)
        }
        failure = answer.failure
        return done(new Error('no token'))
      })
    }
    const oauth2 = { getToken, buildXOAuth2Token: (token: string) => xoauth2(user, token) }
    const reply = await exchange(timeouts.silence, (done) =>
      connection.login({ user, oauth2: oauth2 as unknown as XOAuth2 }, (error) => done(error)),
    )
    return failure ?? reply
  }

  const logIn = async (from: SmtpLogin): Promise<MailReply | null> => {
    if ('tokens' in from) return logInByToken(from)
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
    const noConnection = await exchange(whole, (done) => connection.connect((error) => done(error ?? null)))
    if (noConnection !== null) return noConnection
    const extensions = extensionsOf(connection.lastServerResponse || '')
    const noLogin = login === null ? null : await logIn(login)
    if (noLogin !== null) return noLogin
    const socket = connection._socket
    if (!socket) return failed(lastError)
    const dialog = openDialog(socket, trouble)
    const send = senderOf(dialog, socket, extensions)
    return {
      begun: () => begun,
      alive: () => !connection.destroyed,
      gone: gone.promise,
      send: (mail, terms) => {
        begun++
        return send(mail, terms)
      },
      check: () => check(dialog),
      quit: () => quit(dialog),
      drop: () => connection.close(),
    }
  }

  return { opened: open(), drop: () => connection.close() }
}
