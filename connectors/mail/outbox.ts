import { sameAddress } from '../../schemas/addresses.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'
import type { MailReply, MailSink, OutgoingMail, SendTerms } from './mail.ts'

/** A mail that the outbox took. */
export interface DeliveredMail {
  readonly mail: OutgoingMail
  readonly at: EpochMs
}

/** A fault ends by itself: after so many sends, or at a moment of the outbox's clock; without either it stays. */
export interface Fault {
  /** What is answered instead of taking the mail. */
  readonly reply: MailReply
  /** Only mail to this address; default: all. */
  readonly to?: string
  readonly times?: number
  /** Not from then on. */
  readonly until?: EpochMs
  /** The mail is taken all the same, as when the reply got lost on the way. */
  readonly takenAnyway?: boolean
}

/** A mail server in memory, for scenarios: the same sends give the same replies. */
export interface Outbox extends MailSink {
  /** What was taken, in order. */
  readonly delivered: readonly DeliveredMail[]
  /** Adds a fault; of several that fit, the earliest added answers. */
  inject(fault: Fault): void
  /** Whether every send has resolved. */
  isIdle(): boolean
}

/** A reply as a server with this SMTP code gives it to one message; 421: the server is away. */
export const replyOfCode = (code: number): MailReply => {
  const kind = code < 400 ? 'accepted' : code === 421 ? 'unavailable' : code < 500 ? 'deferred' : 'refused'
  return { kind, code, text: `answered ${code}`, ...(code === 552 ? { isTooLarge: true } : {}) }
}

/** The reply of a server that is not there. */
export const SERVER_DOWN: MailReply = { kind: 'unavailable', code: 0, text: 'nothing listens: the server is down' }

const CLOSED: MailReply = { kind: 'released', code: 0, text: 'not begun: the mail channel is closed' }
const NOT_BEGUN: MailReply = { kind: 'released', code: 0, text: 'not begun: called off, or its time was over' }
const TAKEN: MailReply = { kind: 'accepted', code: 250, text: 'taken' }

interface LiveFault extends Fault {
  left: number
}

/**
 * Opens an outbox on a clock, for the times of what it takes and of its faults. Every send resolves in the microtasks after its
 * call. `monotonic` is the scale of the deadlines; default `performance.now()`.
 */
export const openOutbox = (options: {
  readonly clock: Clock
  readonly connections?: number
  readonly monotonic?: () => number
}): Outbox => {
  const monotonic = options.monotonic ?? (() => performance.now())
  const delivered: DeliveredMail[] = []
  const faults: LiveFault[] = []
  let running = 0
  let closed = false

  const isOver = ({ left, until }: LiveFault): boolean =>
    left <= 0 || (until !== undefined && options.clock.now() >= until)

  const faultFor = (address: string | null): LiveFault | undefined =>
    faults.find(
      (each) => !isOver(each) && (each.to === undefined || (address !== null && sameAddress(each.to, address))),
    )

  const take = (mail: OutgoingMail): MailReply => {
    const fault = faultFor(mail.to.address)
    if (fault !== undefined) fault.left--
    if (fault === undefined || fault.takenAnyway === true || fault.reply.kind === 'accepted') {
      delivered.push({ mail, at: options.clock.now() })
    }
    return fault?.reply ?? TAKEN
  }

  const answer = (mail: OutgoingMail, { deadline, signal }: SendTerms): MailReply => {
    if (closed) return CLOSED
    return signal.aborted || monotonic() >= deadline ? NOT_BEGUN : take(mail)
  }

  return {
    connections: options.connections ?? 1,
    delivered,
    inject: (fault) => void faults.push({ ...fault, left: fault.times ?? Infinity }),
    isIdle: () => running === 0,
    send: async (mail, terms) => {
      const reply = answer(mail, terms)
      running++
      await Promise.resolve()
      running--
      return reply
    },
    probe: () => Promise.resolve(closed ? CLOSED : (faultFor(null)?.reply ?? TAKEN)),
    close: () => {
      closed = true
      return Promise.resolve()
    },
  }
}
