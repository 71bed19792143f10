import type { Happening } from '../../schemas/happenings.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { inAppChannel } from '../monitors/in-app-channel.ts'
import { openOutages, type OutageChange } from '../observing/outages.ts'

/** Something that keeps the relay from its work, or soon will. */
export interface Trouble {
  /** Stays the same while it lasts: a part and which one of it. */
  readonly key: string
  /** In words for a letter's subject. */
  readonly title: string
  readonly reason: string
  /** Mail itself is the trouble. */
  readonly isOfMail: boolean
  /** It need not last: the relay ends with it. */
  readonly isLast?: true
}

/** What is wrong now, and since when; what was wrong, and until when. */
export interface Troubles {
  readonly now: ReadonlyMap<string, Trouble & { readonly since: EpochMs }>
  /** Epoch ms at which a trouble was last seen to be over; the begin of this process when it has not seen it at all; a refused login is over only when a letter was taken. */
  clearSince(key: string): EpochMs
  /** Takes a happening into account; says whether something began or ended. */
  note(happening: Happening, at: EpochMs): boolean
  /** Takes what was found by looking: these of the kind `poll/` are there, and no others. */
  found(troubles: readonly Trouble[], at: EpochMs): void
}

const titles = { source: 'Velociraptor is away', lookups: 'lookups fail', mail: 'mail is away' } as const

/** Troubles of mail have keys that begin so. */
export const mailPrefix = 'mail'
const loginPrefix = `${mailPrefix}-login/`

const begunBy = (happening: Happening, change: OutageChange | null): Trouble | null => {
  if (happening.name === 'api certificate ends soon') {
    const reason = `the certificate of the API user ends in ${String(happening['daysLeft'])} day(s): make a new api.config.yaml`
    return { key: 'certificate', title: 'the API certificate ends soon', reason, isOfMail: false }
  }
  if (happening.name === 'mail login refused') {
    const channel = String(happening['channel'])
    const reason = `${String(happening['reason'])}; the relay has ended: put the login right and start it again`
    return {
      key: `${loginPrefix}${channel}`,
      title: `the mail server refuses the login (${channel})`,
      reason,
      isOfMail: true,
      isLast: true,
    }
  }
  if (change === null || change.reason === null || change.part === 'log') return null
  // It goes by Velociraptor's API, whose absence is a trouble of its own.
  if (change.name === inAppChannel) return null
  const { part, name, reason } = change
  const title = happening['answered'] === true ? `${String(happening['queues'])} cannot be read` : titles[part]
  return { key: `${part}/${name}`, title: `${title} (${name})`, reason, isOfMail: part === 'mail' }
}

const endedBy = (happening: Happening, change: OutageChange | null): string | null => {
  if (happening.name === 'letter answered' && happening['answer'] === 'accepted')
    return `${loginPrefix}${String(happening['channel'])}`
  return change === null || change.reason !== null ? null : `${change.part}/${change.name}`
}

/** Follows the troubles of this process from its begin. */
export const openTroubles = (begun: EpochMs): Troubles => {
  const now = new Map<string, Trouble & { readonly since: EpochMs }>()
  const cleared = new Map<string, EpochMs>()
  const outageOf = openOutages()
  const begin = (trouble: Trouble, at: EpochMs): void => {
    const since = now.get(trouble.key)?.since ?? at
    now.set(trouble.key, { ...trouble, since })
    if (trouble.key.startsWith(loginPrefix)) cleared.delete(trouble.key)
  }
  /** Says whether that is new. */
  const end = (key: string, at: EpochMs): boolean => {
    const isNews = now.delete(key) || (key.startsWith(loginPrefix) && !cleared.has(key))
    if (isNews) cleared.set(key, at)
    return isNews
  }
  return {
    now,
    clearSince: (key) => cleared.get(key) ?? (key.startsWith(loginPrefix) ? Infinity : begun),
    note(happening, at) {
      const change = outageOf(happening)
      const trouble = begunBy(happening, change)
      if (trouble !== null) {
        begin(trouble, at)
        return true
      }
      const ended = endedBy(happening, change)
      return ended !== null && (end(ended, at) || !ended.startsWith(loginPrefix))
    },
    found(troubles, at) {
      const keys = new Set(troubles.map(({ key }) => key))
      for (const key of [...now.keys()]) if (key.startsWith('poll/') && !keys.has(key)) end(key, at)
      for (const trouble of troubles) begin(trouble, at)
    },
  }
}
