import type { Socket } from 'node:net'
import { writeWithGuardedEnd } from './final-dot.ts'
import type { MailReply, OutgoingMail, SendTerms } from './mail.ts'
import { mimeMessage, type MimeMessage } from './mime.ts'
import { openAlarm } from './smtp-alarm.ts'
import type { SmtpTimeouts } from './smtp-channel.ts'
import { replied, type SmtpDialog } from './smtp-dialog.ts'
import type { SmtpFailure } from './smtp-reply.ts'

/** What came of one message on one connection. */
export interface SessionResult {
  readonly reply: MailReply
  /** The connection ended before the message did, so the server has nothing of it. */
  readonly lostBeforeDot: boolean
  /** Whether the connection can take the next message; a promise while it is being tidied up. */
  readonly ready: boolean | Promise<boolean>
}

/** What a server says of itself when it is greeted, as far as messages depend on it. */
export interface SmtpExtensions {
  readonly pipelining: boolean
  readonly utf8: boolean
  /** Bytes of a message at most; 0: no limit is named; null: it knows no sizes. */
  readonly size: number | null
}

/** Reads the reply to EHLO. */
export const extensionsOf = (reply: string): SmtpExtensions => {
  const size = /^\d{3}[ -]SIZE(?:[ \t]+(\d+))?/im.exec(reply)
  return {
    pipelining: /^\d{3}[ -]PIPELINING\b/im.test(reply),
    utf8: /^\d{3}[ -]SMTPUTF8\b/im.test(reply),
    size: size === null ? null : Number(size[1] ?? 0),
  }
}

/** The connection that messages go over. */
export interface SenderSurroundings {
  readonly dialog: SmtpDialog
  readonly socket: Socket
  readonly extensions: SmtpExtensions
  readonly timeouts: SmtpTimeouts
  readonly close: () => void
  readonly reset: () => Promise<MailReply | null>
  readonly failed: (failure: SmtpFailure, dotWritten: boolean, addresses: readonly string[]) => MailReply
  readonly accepted: (reply: string, addresses: readonly string[]) => MailReply
  /** Why the connection ended. */
  readonly lastError: () => SmtpFailure
  /** Names who is told of the connection's end. */
  readonly onGone: (call: () => void) => void
  readonly gone: Promise<void>
}

const NOT_COMPOSED: MailReply = { kind: 'refused', code: 0, text: 'the message could not be composed' }
const CALLED_OFF: MailReply = { kind: 'released', code: 0, text: 'given up before its end was sent: called off' }
const TOO_LATE: MailReply = { kind: 'released', code: 0, text: 'given up before its end was sent: its time was over' }

/** One message from its first command to its reply. */
interface Sending {
  readonly mail: OutgoingMail
  readonly message: MimeMessage
  readonly terms: SendTerms
  readonly resolve: (result: SessionResult) => void
  bodyBegun: boolean
  dotWritten: boolean
  /** The first refusal of a command. */
  refusal: SmtpFailure | null
  /** `performance.now()` of the last word from the server, or of the dot. */
  progressAt: number
}

const commandNames = ['MAIL FROM', 'RCPT TO', 'DATA'] as const

/** Sends messages over one connection, one at a time. Never rejects. */
export const openSender = (
  surroundings: SenderSurroundings,
): ((mail: OutgoingMail, terms: SendTerms) => Promise<SessionResult>) => {
  const { dialog, socket, extensions, timeouts, close, reset, failed, accepted, lastError, onGone, gone } = surroundings
  let current: Sending | null = null
  const alarm = openAlarm(() => onAlarm())
  /** Listened to once for all messages that bear it. */
  const signals = new Set<AbortSignal>()
  const onAbort = (): void => {
    if (current !== null && current.terms.signal.aborted && !current.dotWritten) drop(current, CALLED_OFF)
  }
  void gone.then(() => {
    for (const signal of signals) signal.removeEventListener('abort', onAbort)
  })

  const settle = (
    sending: Sending,
    reply: MailReply,
    lostBeforeDot: boolean,
    ready: boolean | Promise<boolean>,
  ): void => {
    if (current !== sending) return
    current = null
    alarm.set(Infinity)
    onGone(() => undefined)
    sending.resolve({ reply, lostBeforeDot, ready })
  }
  const drop = (sending: Sending, reply: MailReply, lostBeforeDot = false): void => {
    settle(sending, reply, lostBeforeDot, false)
    close()
  }
  const addressesOf = ({ mail }: Sending): readonly string[] => [mail.to.address, mail.from.address]
  const failure = (sending: Sending, of: SmtpFailure): MailReply => failed(of, sending.dotWritten, addressesOf(sending))
  const mayEnd = ({ terms }: Sending): boolean => !terms.signal.aborted && performance.now() < terms.deadline

  const watch = ({ dotWritten, progressAt, terms }: Sending): void =>
    alarm.set(dotWritten ? progressAt + timeouts.finalReply : Math.min(progressAt + timeouts.silence, terms.deadline))
  const onAlarm = (): void => {
    if (current === null) return
    const { dotWritten, progressAt, terms } = current
    const silentMs = performance.now() - progressAt
    if (silentMs >= (dotWritten ? timeouts.finalReply : timeouts.silence))
      return drop(current, failure(current, { timeoutType: 'SOCKET_TIMEOUT' }))
    if (!dotWritten && !mayEnd(current)) return drop(current, terms.signal.aborted ? CALLED_OFF : TOO_LATE)
    watch(current)
  }
  const progress = (sending: Sending): void => {
    sending.progressAt = performance.now()
    watch(sending)
  }

  const refused = (sending: Sending, of: SmtpFailure): void => {
    const { dotWritten, bodyBegun } = sending
    const reply = failure(sending, of)
    const ofThisMessage = reply.kind === 'refused' || (reply.kind === 'deferred' && reply.code !== 503)
    if (!ofThisMessage || (bodyBegun && !dotWritten))
      return drop(sending, reply, !dotWritten && (of.responseCode === undefined || reply.code === 421))
    if (dotWritten) return settle(sending, reply, false, true)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    settle(sending, reply, false, promise)
    void reset().then((trouble) => resolve(trouble === null))
  }

  const onFinalReply = (sending: Sending, reply: string): void => {
    if (current !== sending) return
    if (!reply.startsWith('2')) return refused(sending, { code: 'EPROTOCOL', command: 'DATA', ...replied(reply) })
    // A reply before its time says nothing about a message whose end the server has not seen.
    if (!sending.dotWritten) return drop(sending, failure(sending, replied(reply)))
    settle(sending, accepted(reply, addressesOf(sending)), false, true)
  }

  const writeBody = (sending: Sending): void => {
    sending.bodyBegun = true
    dialog.awaitReply((reply) => onFinalReply(sending, reply))
    writeWithGuardedEnd(socket, sending.message.pieces(), {
      isGivenUp: () => current !== sending,
      mayEnd: () => mayEnd(sending),
      onProgress: () => progress(sending),
      onDot: () => {
        sending.dotWritten = true
        progress(sending)
      },
      onLate: () => drop(sending, sending.terms.signal.aborted ? CALLED_OFF : TOO_LATE),
      onError: () => drop(sending, NOT_COMPOSED),
    })
  }

  /** Whether the server wants the body. */
  const takeReply = (sending: Sending, reply: string, step: number): boolean => {
    progress(sending)
    const isPositive = step === 2 ? /^[23]/.test(reply) : reply.startsWith('2')
    if (!isPositive) sending.refusal ??= { code: 'EPROTOCOL', command: commandNames[step], ...replied(reply) }
    return isPositive
  }

  /** All commands go out in one piece, and what came of them is known with the last reply. */
  const askAtOnce = (sending: Sending, commands: readonly string[]): void => {
    let step = 0
    dialog.ask(commands.join(''), commands.length, (reply) => {
      if (current !== sending) return
      const isWanted = takeReply(sending, reply, step)
      step += 1
      // After 421 nothing more comes.
      if (reply.startsWith('421') && sending.refusal !== null) return refused(sending, sending.refusal)
      if (step < commands.length) return
      if (sending.refusal === null) return writeBody(sending)
      // It waits for the body of a message that it did not want: there is no way back to the next one.
      if (isWanted) return drop(sending, failure(sending, sending.refusal))
      refused(sending, sending.refusal)
    })
  }

  const askInTurn = (sending: Sending, commands: readonly string[], step = 0): void =>
    dialog.ask(commands[step] as string, 1, (reply) => {
      if (current !== sending) return
      if (!takeReply(sending, reply, step)) return refused(sending, sending.refusal as SmtpFailure)
      if (step + 1 < commands.length) askInTurn(sending, commands, step + 1)
      else writeBody(sending)
    })

  const begin = (sending: Sending): void => {
    const commands = commandsFor(sending, extensions)
    if (commands.refusal !== null) return settle(sending, failure(sending, commands.refusal), false, true)
    onGone(() => {
      const of = sending.refusal ?? lastError()
      drop(sending, failure(sending, of), !sending.dotWritten && of.responseCode === undefined)
    })
    const { signal } = sending.terms
    if (!signals.has(signal)) signal.addEventListener('abort', onAbort)
    signals.add(signal)
    progress(sending)
    if (extensions.pipelining) askAtOnce(sending, commands.lines)
    else askInTurn(sending, commands.lines)
  }

  return (mail, terms) => {
    const message = composed(mail)
    if (message === null) return Promise.resolve({ reply: NOT_COMPOSED, lostBeforeDot: false, ready: true })
    const { promise, resolve } = Promise.withResolvers<SessionResult>()
    current = { mail, message, terms, resolve, bodyBegun: false, dotWritten: false, refusal: null, progressAt: 0 }
    begin(current)
    return promise
  }
}

const composed = (mail: OutgoingMail): MimeMessage | null => {
  try {
    return mimeMessage(mail)
  } catch {
    return null
  }
}

const isForeign = (address: string): boolean => /[^\u0000-\u007f]/.test(address)

/** MAIL, RCPT and DATA, or why there are none. */
const commandsFor = (
  { mail: { from, to }, message: { size } }: Sending,
  extensions: SmtpExtensions,
): { readonly lines: readonly string[]; readonly refusal: SmtpFailure | null } => {
  const addresses = [from.address, to.address]
  if (addresses.some((address) => address === '' || /[\p{Cc}<>]/u.test(address)))
    return { lines: [], refusal: { code: 'EENVELOPE' } }
  if (extensions.size !== null && extensions.size > 0 && size > extensions.size)
    return { lines: [], refusal: { code: 'EMESSAGE' } }
  const utf8 = addresses.some(isForeign)
  // Without the extension the server reads the name as it can, or says that it cannot.
  const parameters = `${utf8 && extensions.utf8 ? ' SMTPUTF8' : ''}${extensions.size === null ? '' : ` SIZE=${size}`}`
  const mail = `MAIL FROM:<${from.address}>${parameters}\r\n`
  return { lines: [mail, `RCPT TO:<${to.address}>\r\n`, 'DATA\r\n'], refusal: null }
}
