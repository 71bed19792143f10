import type { MailReply, MailSink, OutgoingMail, SendTerms } from './mail.ts'
import { DEFAULT_TIMEOUTS, type SmtpChannel } from './smtp-channel.ts'
import { isCrowded } from './smtp-reply.ts'
import { timerUntil } from './smtp-alarm.ts'
import { openSession, type OpeningSession, type SmtpSession } from './smtp-session.ts'

const DEFAULT_CONNECTIONS = 4
const DEFAULT_MESSAGES = 100

const CLOSED: MailReply = { kind: 'released', code: 0, text: 'not begun: the mail channel is closed' }
const CALLED_OFF: MailReply = { kind: 'released', code: 0, text: 'not begun: called off' }
const TOO_LATE: MailReply = { kind: 'released', code: 0, text: 'not begun: its time was over' }

interface Waiting {
  readonly mail: OutgoingMail
  readonly terms: SendTerms
  readonly resolve: (reply: MailReply) => void
  queued: boolean
  /** Stops watching the deadline and the signal. */
  unwatch: () => void
}

const refusalOf = ({ deadline, signal }: SendTerms): MailReply | null => {
  if (signal.aborted) return CALLED_OFF
  return performance.now() >= deadline ? TOO_LATE : null
}

/**
 * A mail server spoken to over at most `channel.connections` connections, opened when needed, reused, given up when idle. Opens
 * nothing by itself. A message whose reused connection turns out to be dead, or one too many for the server, goes over another as
 * long as its end was not sent; otherwise nothing is ever sent twice. Messages that find no connection wait for one.
 */
export const openSmtp = (channel: SmtpChannel): MailSink => {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...channel.timeouts }
  const connections = channel.connections ?? DEFAULT_CONNECTIONS
  const mostMessages = channel.messagesPerConnection ?? DEFAULT_MESSAGES
  const sessions = new Set<SmtpSession>()
  const opening = new Set<OpeningSession>()
  const running = new Set<Promise<void>>()
  /** The most recently used one last: the others may grow idle. */
  const idle: SmtpSession[] = []
  const idleTimers = new Map<SmtpSession, NodeJS.Timeout>()
  const waiting: Waiting[] = []
  let crowded = { limit: connections, until: 0 }
  /** Connections that are about to be free. */
  let tidying = 0
  let closed = false
  let closing: Promise<void> | null = null

  const limit = (): number => (performance.now() < crowded.until ? crowded.limit : connections)

  const useFewer = (): void => {
    crowded = { limit: Math.max(1, sessions.size + opening.size), until: performance.now() + timeouts.crowded }
  }

  const wake = (session: SmtpSession): void => {
    clearTimeout(idleTimers.get(session))
    idleTimers.delete(session)
    const at = idle.indexOf(session)
    if (at >= 0) idle.splice(at, 1)
  }

  const forget = (session: SmtpSession): void => {
    wake(session)
    if (sessions.delete(session)) pump()
  }

  const rest = (session: SmtpSession): void => {
    if (!session.alive()) return forget(session)
    if (closed || session.begun() >= mostMessages) return void session.quit()
    idle.push(session)
    const leave = (): void => {
      wake(session)
      void session.quit()
    }
    pump()
    if (idle.includes(session)) idleTimers.set(session, setTimeout(leave, timeouts.idle).unref())
  }

  const take = (): Waiting | undefined => {
    const item = waiting.shift()
    if (item !== undefined) item.queued = false
    item?.unwatch()
    return item
  }

  const watch = (item: Waiting): void => {
    const { signal } = item.terms
    let timer: NodeJS.Timeout | undefined
    const look = (): void => {
      const refusal = refusalOf(item.terms)
      if (refusal === null) return void (timer = setTimeout(look, timerUntil(item.terms.deadline)))
      const at = waiting.indexOf(item)
      if (at >= 0) waiting.splice(at, 1)
      item.unwatch()
      item.resolve(refusal)
    }
    item.unwatch = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', look)
    }
    signal.addEventListener('abort', look)
    look()
  }

  const again = (item: Waiting): void => {
    const refusal = closed ? CLOSED : refusalOf(item.terms)
    if (refusal !== null) return item.resolve(refusal)
    item.queued = true
    waiting.unshift(item)
    watch(item)
  }

  const deliver = async (session: SmtpSession, item: Waiting): Promise<void> => {
    const reused = session.begun() > 0
    const { reply, lostBeforeDot, ready } = await session.send(item.mail, item.terms)
    if (lostBeforeDot) sessions.delete(session)
    const oneTooMany = lostBeforeDot && !reused && isCrowded(reply) && sessions.size > 0
    if (oneTooMany) useFewer()
    const answer = (): void => (lostBeforeDot && (reused || oneTooMany) ? again(item) : item.resolve(reply))
    if (typeof ready === 'boolean') {
      // First the connection, then the answer: whoever sends the next mail upon it finds the connection free.
      if (ready) rest(session)
      else forget(session)
      answer()
    } else {
      tidying++
      answer()
      const usable = await ready
      tidying--
      if (usable) rest(session)
      else forget(session)
    }
    pump()
  }

  const track = (work: Promise<void>): void => {
    running.add(work)
    void work.finally(() => running.delete(work))
  }

  const onOpened = (result: SmtpSession | MailReply): void => {
    if ('send' in result) {
      sessions.add(result)
      void result.gone.then(() => forget(result))
      return rest(result)
    }
    if (sessions.size > 0) return useFewer()
    // Others are on their way: whether the server is away or crowded is known when these are through.
    if (opening.size > 0) return
    crowded = { limit: connections, until: 0 }
    for (let item = take(); item !== undefined; item = take()) item.resolve(result)
  }

  const open = (): void => {
    const next = openSession(channel, timeouts)
    opening.add(next)
    const opened = next.opened.then((result) => {
      opening.delete(next)
      onOpened(result)
    })
    track(opened)
  }

  const needsAnother = (): boolean =>
    !closed && waiting.length > opening.size + tidying && sessions.size + opening.size < limit()

  const pump = (): void => {
    while (waiting.length > 0 && idle.length > 0) {
      const session = idle.at(-1) as SmtpSession
      wake(session)
      if (session.alive()) track(deliver(session, take() as Waiting))
    }
    while (needsAnother()) open()
  }

  const send = (mail: OutgoingMail, terms: SendTerms): Promise<MailReply> => {
    const refusal = closed ? CLOSED : refusalOf(terms)
    if (refusal !== null) return Promise.resolve(refusal)
    const { promise, resolve } = Promise.withResolvers<MailReply>()
    const item: Waiting = { mail, terms, resolve, queued: true, unwatch: () => undefined }
    waiting.push(item)
    pump()
    if (item.queued) watch(item)
    return promise
  }

  /** Over a connection of its own, beside the others. */
  const probe = async (): Promise<MailReply> => {
    if (closed) return CLOSED
    const session = await openSession(channel, timeouts).opened
    if (!('send' in session)) return session
    const reply = await session.check()
    await session.quit()
    return reply
  }

  const shutDown = async (): Promise<void> => {
    closed = true
    for (let item = take(); item !== undefined; item = take()) item.resolve(CLOSED)
    for (const each of opening) each.drop()
    for (const session of [...idle]) {
      wake(session)
      void session.quit()
    }
    await Promise.all(running)
    await Promise.all([...sessions].map((session) => session.gone))
  }

  const close = (): Promise<void> => (closing ??= shutDown())

  return { connections, send, probe, close }
}
