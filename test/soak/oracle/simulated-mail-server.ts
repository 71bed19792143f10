import type { MailReply, MailSink, OutgoingMail, SendTerms } from '../../../connectors/mail/mail.ts'
import type { Random } from '../../../pipeline/runtime/backoff.ts'
import type { EpochMs } from '../../../schemas/time.ts'
import { namedIn, type TakenLetter } from './account.ts'
import type { Weather } from './weather.ts'

/** How a process reaches the server. */
export interface Sender {
  readonly name: string
  /** Something may befall the process here. */
  readonly cross: (what: string) => Promise<void>
}

/** A letter as the server has it, and who sent it. */
export interface TakenFrom extends Omit<TakenLetter, 'mishap'> {
  readonly sender: string
  /** Its reply was cut off. */
  readonly isCut: boolean
}

export interface SimulatedMailServer {
  readonly taken: readonly TakenFrom[]
  /** `address Message-ID` of what was refused for good. */
  readonly refused: ReadonlySet<string>
  sinkFor(sender: Sender, connections: number): MailSink
  /** Nothing is taken before then. */
  goAway(until: EpochMs): void
  /** An address is refused, or deferred, before then. */
  shun(address: string, how: 'refused' | 'deferred', until: EpochMs): void
  /** Whatever it did to anybody is over. */
  heal(): void
}

export interface SimulatedMailServerOptions {
  readonly now: () => EpochMs
  readonly sleep: (ms: number) => Promise<void>
  readonly random: Random
  readonly weather: () => Weather | null
  readonly say: (line: string) => void
}

const accepted: MailReply = { kind: 'accepted', code: 250, text: 'taken' }
const refused: MailReply = { kind: 'refused', code: 550, text: 'no such user' }
const deferred: MailReply = { kind: 'deferred', code: 451, text: 'try later' }
const away: MailReply = { kind: 'unavailable', code: 421, text: 'closing' }
const cutOff: MailReply = { kind: 'unavailable', code: 0, text: 'the connection ended before the final dot' }
const unknown: MailReply = { kind: 'unknown', code: 0, text: 'the connection ended before the reply' }
const released: MailReply = { kind: 'released', code: 0, text: 'not begun' }

const longestSlowMs = 120_000

/** What the weather has for one message. */
type Fate = 'taken' | 'refused' | 'deferred' | 'away' | 'cut' | 'cut reply'

/** A mail server without a network: what happens to each message is the seed's. */
export const openSimulatedMailServer = (options: SimulatedMailServerOptions): SimulatedMailServer => {
  const { now, sleep, random, weather, say } = options
  const taken: TakenFrom[] = []
  const refusals = new Set<string>()
  const shunned = new Map<string, { readonly how: 'refused' | 'deferred'; readonly until: EpochMs }>()
  let awayUntil = 0

  const fateFor = (to: string): Fate => {
    if (now() < awayUntil) return 'away'
    const dislike = shunned.get(to)
    if (dislike !== undefined && now() < dislike.until) return dislike.how
    const chances = weather()
    if (chances === null) return 'taken'
    const fates = [
      ['refused', chances.refuseMail],
      ['deferred', chances.deferMail],
      ['away', chances.sendAway],
      ['cut', chances.cutBeforeDot],
      ['cut reply', chances.cutAfterDot],
    ] as const
    let left = random()
    for (const [fate, chance] of fates) if ((left -= chance) < 0) return fate
    return 'taken'
  }

  const slowness = (): number => {
    const chance = weather()?.slowReply ?? 0
    return random() < chance ? Math.floor(random() * longestSlowMs) : 0
  }

  const exchange = async (mail: OutgoingMail, terms: SendTerms, sender: Sender): Promise<MailReply> => {
    await sender.cross('send')
    const to = mail.to.address
    const fate = fateFor(to)
    const tell = (what: string): void => say(`mail server: ${to} ${namedIn(mail.text).join()}: ${what}`)
    if (fate !== 'taken' && fate !== 'cut reply') tell(fate)
    if (fate === 'away') return away
    if (fate === 'cut') return cutOff
    if (fate === 'deferred' || fate === 'refused') {
      refusals.add(`${to} ${mail.messageId}`)
      if (fate === 'deferred' && (shunned.get(to)?.until ?? 0) < now()) refusals.delete(`${to} ${mail.messageId}`)
      await sender.cross('reply')
      return fate === 'refused' ? refused : deferred
    }
    await sleep(slowness())
    await sender.cross('dot')
    // As the real one: compared in the very call that writes the final dot.
    if (terms.signal.aborted || performance.now() >= terms.deadline) return (tell('too late, not sent'), released)
    tell(fate)
    taken.push({
      messageId: mail.messageId,
      to,
      about: namedIn(mail.text),
      at: now(),
      sender: sender.name,
      isCut: fate === 'cut reply',
    })
    await sleep(slowness())
    await sender.cross('reply')
    return fate === 'cut reply' ? unknown : accepted
  }

  return {
    taken,
    refused: refusals,
    sinkFor(sender, connections) {
      const queue: (() => void)[] = []
      let free = connections
      const enter = (): Promise<void> => {
        if (free === 0) return new Promise((resolve) => queue.push(resolve))
        free--
        return Promise.resolve()
      }
      const leave = (): void => {
        const next = queue.shift()
        if (next === undefined) free++
        else next()
      }
      return {
        connections,
        async send(mail, terms) {
          await enter()
          try {
            return terms.signal.aborted ? released : await exchange(mail, terms, sender)
          } finally {
            leave()
          }
        },
        probe: () => Promise.resolve(accepted),
        close: () => Promise.resolve(),
      }
    },
    goAway: (until) => void (awayUntil = until),
    shun: (address, how, until) => void shunned.set(address, { how, until }),
    heal() {
      awayUntil = 0
      for (const [address, { how, until }] of shunned) if (until < Infinity) shunned.set(address, { how, until: 0 })
    },
  }
}
