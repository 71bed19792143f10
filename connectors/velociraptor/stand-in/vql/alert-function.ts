import type { EpochMs } from '../../../../schemas/time.ts'
import type { Arguments, Session, VqlFunction } from './session.ts'
import { isNumeric, isTrue, opened, toJson, writeMoment, type Value } from './values.ts'

/** An alert name that was sent, and when it was last asked about. */
interface Sent {
  readonly at: EpochMs
  readonly askedAt: EpochMs
}

const usualDedupS = 7200
const forgottenAfterMs = 3_600_000
const mostNames = 100
/** Of one running query, and lost with it. */
const sentIn = new WeakMap<Session, Map<string, Sent>>()

/** Seconds; null: it is no number. */
const dedupOf = (args: Arguments): number | null => {
  const given = opened(args.get('dedup') ?? null)
  if (given === null) return usualDedupS
  if (!isNumeric(given)) return null
  return Number(given) === 0 ? usualDedupS : Number(given)
}

/** Whether a name was sent within so many seconds; asking keeps it from being forgotten, an hour without that does not. */
const isSuppressed = (session: Session, name: string, dedupS: number): boolean => {
  const now = session.clock.now()
  const sent = sentIn.get(session) ?? new Map<string, Sent>()
  sentIn.set(session, sent)
  const known = sent.get(name)
  const last = known === undefined || now - known.askedAt > forgottenAfterMs ? undefined : known
  const isInside = last !== undefined && dedupS > 0 && Math.floor(last.at / 1000) + dedupS > Math.floor(now / 1000)
  sent.delete(name)
  sent.set(name, { at: isInside ? last.at : now, askedAt: now })
  const [oldest] = sent.keys()
  if (sent.size > mostNames && oldest !== undefined) sent.delete(oldest)
  return isInside
}

const own = new Set(['name', 'dedup', 'condition'])

/**
 * `alert()`: one of a name within `dedup` seconds and a query; others are lines of level INFO. Run through the API an alert is only a
 * line of the log: no event comes of it.
 */
export const alertFunction: VqlFunction = {
  free: true,
  call: (args, { session }) => {
    const given = opened(args.get('name') ?? null)
    const dedupS = dedupOf(args)
    if (!args.has('name') || dedupS === null) {
      session.log(`ERROR:alert: Field ${args.has('name') ? 'dedup should be an int not string.' : 'name is required'}`)
      return null
    }
    if (args.has('condition') && !isTrue(args.get('condition') ?? null)) return null
    const name = typeof given === 'string' ? given : ''
    const row = toJson(
      new Map<string, Value>([
        ['name', name],
        ['timestamp', writeMoment(BigInt(session.clock.now()) * 1_000_000n)],
        ['event_data', new Map([...args].filter(([key]) => !own.has(key)))],
      ]),
    )
    session.log(isSuppressed(session, name, dedupS) ? `INFO:Alert ${name} (Sup): ${row}` : `ALERT:${row}`)
    return true
  },
}
