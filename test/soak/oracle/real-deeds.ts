import { setTimeout } from 'node:timers/promises'
import type { EventLog } from '../../../connectors/log/event-log.ts'
import { commandLetters } from '../../../pipeline/dead/command-letters.ts'
import { readDeadLetters } from '../../../pipeline/dead/read-dead-letters.ts'
import type { Random } from '../../../pipeline/runtime/backoff.ts'
import type { RealMailServer } from './real-mail-server.ts'
import type { RealRelay } from './real-relay.ts'
import type { SmallDisk } from './small-disk.ts'

export interface DeedsPlace {
  readonly random: Random
  readonly relays: readonly RealRelay[]
  readonly mailServer: RealMailServer
  readonly log: EventLog
  /** null: none could be had. */
  readonly disk: SmallDisk | null
  /** Several processes share the log: they are frozen for longer, and their clocks step less. */
  readonly isShared: boolean
  /** Gives them all other rules. */
  readonly reload: () => void
}

/** What may be done to processes and their world; `isMeant` says whether an end by itself is what a process owes just then. */
export interface Deeds {
  readonly all: Readonly<Record<string, (one: RealRelay) => Promise<unknown> | void>>
  isMeant(code: string): boolean
}

const longestFullMs = 8000
const longestAwayMs = 8000
const longestForeignMs = 4000
const hourMs = 3_600_000
/** A process needs so long at most to say why it ends. */
const lastWordsMs = 10_000

export const openDeeds = ({ random, relays, mailServer, log, disk, isShared, reload }: DeedsPlace): Deeds => {
  const begun = Date.now()
  const longestFreezeMs = isShared ? 75_000 : 12_000
  const clockSteps = isShared ? [1000, -700, 0] : [90_000, -45_000, 1500, 0]
  /** Codes with which a process may end, and until when. */
  const meant = new Map<string, number>()
  const whileMeant = async (code: string, ms: number, undo: () => void): Promise<void> => {
    meant.set(code, Infinity)
    try {
      await setTimeout(ms)
    } finally {
      undo()
      meant.set(code, Date.now() + lastWordsMs)
    }
  }
  const redrive = async (): Promise<void> => {
    const letters = await readDeadLetters(log, begun - hourMs)
    await commandLetters(log, letters, { kind: 'redrive', now: Date.now(), everyMs: 0 })
  }
  const fullMs = (): number => 2000 + random() * longestFullMs
  const fillDisk = async (): Promise<void> => {
    disk?.fill()
    await setTimeout(fullMs())
    disk?.free()
  }
  return {
    isMeant: (code) => Date.now() < (meant.get(code) ?? 0),
    all: {
      'kill -9': (one) => one.kill(),
      'kill -9 again': (one) => one.kill(),
      SIGSTOP: (one) => one.freeze(1000 + random() * longestFreezeMs),
      SIGTERM: (one) => one.stop(),
      ...(disk === null ? {} : { 'disk full': () => fillDisk() }),
      'files must not grow': (one) => one.limitFiles(fullMs()),
      'clock step': (one) => one.stepClock(some(clockSteps, random)),
      SIGHUP: () => reload(),
      'mail server away': () => mailServer.goAway(Date.now() + random() * longestAwayMs),
      'foreign certificate': () =>
        whileMeant('MAIL_DENIED', random() * longestForeignMs, mailServer.showForeignCertificate()),
      redrive: () => redrive(),
      ...(relays.length > 1 ? { 'kill -9 of all': () => Promise.all(relays.map((each) => each.kill())) } : {}),
    },
  }
}

/** One of several things. */
export const some = <T>(items: readonly T[], random: Random): T => items[Math.floor(random() * items.length)] as T

export interface DisturbTerms extends Pick<DeedsPlace, 'random' | 'relays'> {
  readonly deeds: Deeds
  /** Which of them; null: all. */
  readonly names: readonly string[] | null
  readonly everyMs: number
  readonly troubleMs: number
  /** How often what was done. */
  readonly done: Record<string, number>
  readonly say: (line: string) => void
}

const restMs = 1500

/** Does something now and then for as long as there is trouble, and waits until all of it is over. */
export const disturb = async (terms: DisturbTerms): Promise<void> => {
  const { random, relays, deeds, everyMs, troubleMs, done, say } = terms
  const names = terms.names ?? Object.keys(deeds.all)
  const under: Promise<unknown>[] = []
  const busy = new Set<RealRelay>()
  const act = async (name: string, one: RealRelay): Promise<void> => {
    try {
      await deeds.all[name]?.(one)
    } catch (cause) {
      say(`deed: ${name} failed: ${String(cause)}`)
    }
    await setTimeout(restMs)
    busy.delete(one)
  }
  for (const end = Date.now() + troubleMs; Date.now() < end; await setTimeout(everyMs * (0.5 + random()))) {
    const [name, one] = [some(names, random), some(relays, random)]
    // What is frozen, or on its way down, is left to that.
    if (busy.has(one)) continue
    busy.add(one)
    done[name] = (done[name] ?? 0) + 1
    say(`deed: ${name} of ${one.name}`)
    under.push(act(name, one))
  }
  await Promise.all(under)
}
