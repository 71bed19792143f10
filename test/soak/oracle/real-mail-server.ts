import { simpleParser } from 'mailparser'
import { selfSigned } from '../../../connectors/mail/self-signed.ts'
import type { Random } from '../../../pipeline/runtime/backoff.ts'
import { type Act, CUT, CUT_TAKEN, type Moment, openFaultySmtp, STALL } from '../../connectors/mail/faulty-smtp.ts'
import { namedIn, type TakenLetter } from './account.ts'

/** A letter that was taken, and whether its reply was cut off. */
export interface TakenReally extends Omit<TakenLetter, 'mishap'> {
  readonly isCut: boolean
}

export interface RealMailServer {
  readonly port: number
  /** PEM to trust it by. */
  readonly ca: string
  taken(): Promise<readonly TakenReally[]>
  wasRefused(to: string): boolean
  /** Every connection is turned away before then, epoch ms. */
  goAway(until: number): void
  /** Its certificate is one that nobody trusts, until the answer is called. */
  showForeignCertificate(): () => void
  /** From now on it is a sound server. */
  heal(): void
  /** How often it did what no sound server does, by its kind. */
  readonly faults: Readonly<Record<string, number>>
  close(): Promise<void>
}

const greylistedMs = 8000

/** One thing that the server may do at a moment, and its chance. */
type Fault = readonly [name: string, chance: number, act: Act]

const faultsAt: Partial<Record<Moment['at'], readonly Fault[]>> = {
  greeting: [
    ['421 at the greeting', 0.04, '421 4.3.2 closing'],
    ['stalled greeting', 0.02, STALL],
  ],
  starttls: [
    ['TLS cut', 0.05, CUT],
    ['TLS not now', 0.02, '454 4.7.0 not now'],
  ],
  mail: [['451 at MAIL', 0.03, '451 4.3.0 try later']],
  rcpt: [
    ['550 for a recipient', 0.02, '550 5.1.1 no such user'],
    ['451 for a recipient', 0.03, '451 4.2.1 try later'],
    ['421 at RCPT', 0.02, '421 4.3.2 closing'],
    ['drip', 0.06, { drip: '250 2.1.5 ok' }],
  ],
  data: [['cut at DATA', 0.03, CUT]],
  dot: [
    ['cut after DATA', 0.04, CUT],
    ['cut before the reply', 0.07, CUT_TAKEN],
    ['stalled at the dot', 0.02, STALL],
    ['451 at the dot', 0.03, '451 4.3.0 try later'],
    ['dripped reply', 0.04, { drip: '250 2.0.0 taken' }],
  ],
}

const bare = (line: string): string => /<(.*?)>/.exec(line)?.[1] ?? ''

/** Faults that cost a letter seconds, not minutes. */
export const quickFaults: readonly string[] = [
  'TLS cut',
  'drip',
  'cut after DATA',
  'cut before the reply',
  'dripped reply',
]

/** A mail server on loopback with STARTTLS whose misdeeds are chosen by a seed; `kinds`: only these, and nobody is greylisted. */
export const openRealMailServer = async (random: Random, kinds: readonly string[] | null): Promise<RealMailServer> => {
  const names = ['localhost', '127.0.0.1'] as const
  const [identity, foreign] = [selfSigned(names), selfSigned(names)]
  const times: { readonly at: number; readonly isCut: boolean }[] = []
  const refused = new Set<string>()
  const seen = new Map<string, number>()
  const faults: Record<string, number> = {}
  let isTrouble = true
  let awayUntil = 0

  const count = (name: string): void => void (faults[name] = (faults[name] ?? 0) + 1)
  const greylists = (to: string): boolean => {
    if (kinds !== null) return false
    const since = seen.get(to) ?? Date.now()
    seen.set(to, since)
    return to.startsWith('watch@') && Date.now() < since + greylistedMs
  }
  const chosen = ({ at, line }: Moment): Act => {
    if (!isTrouble) return undefined
    if (at === 'greeting' && Date.now() < awayUntil) return (count('away'), '421 4.3.2 closing')
    if (at === 'rcpt' && greylists(bare(line))) return (count('greylisted'), '450 4.2.0 greylisted')
    let left = random()
    for (const [name, chance, act] of faultsAt[at] ?? []) {
      left -= chance
      if (left >= 0) continue
      if (kinds !== null && !kinds.includes(name)) return undefined
      count(name)
      if (typeof act === 'string' && act.startsWith('550')) refused.add(bare(line))
      return act
    }
    return undefined
  }
  const script = (moment: Moment): Act => {
    const act = chosen(moment)
    const isTaken =
      act === undefined || act === CUT_TAKEN || (typeof act === 'object' && 'drip' in act && act.drip.startsWith('250'))
    if (moment.at === 'dot' && isTaken) times.push({ at: Date.now(), isCut: act === CUT_TAKEN })
    return act
  }
  const server = await openFaultySmtp({ script, identity })
  const read: TakenReally[] = []
  const readOn = async (): Promise<readonly TakenReally[]> => {
    for (const { to, raw } of server.taken.slice(read.length)) {
      const { messageId = '', text = '' } = await simpleParser(Buffer.from(raw, 'latin1'))
      const { at, isCut } = times[read.length] ?? { at: 0, isCut: false }
      read.push({ messageId, to, about: namedIn(text), at, isCut })
    }
    return [...read]
  }
  return {
    port: server.port,
    ca: identity.cert,
    taken: readOn,
    wasRefused: (to) => refused.has(to),
    goAway: (until) => void (awayUntil = until),
    showForeignCertificate() {
      server.identify(foreign)
      server.cutAll()
      return () => server.identify(identity)
    },
    heal() {
      isTrouble = false
      server.cutAll()
    },
    faults,
    close: () => server.close(),
  }
}
