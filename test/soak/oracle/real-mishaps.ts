import type { EpochMs } from '../../../schemas/time.ts'
import { cutReply, type LogAccount, messageKeyOf, type TakenLetter } from './account.ts'
import type { TakenReally } from './real-mail-server.ts'
import type { ClockStep, RealStrike } from './real-relay.ts'

/** What a judge outside of the processes cannot tell apart, ms: its own loop may be busy, and clocks of a log on Kafka are stepped a little. */
const slackMs = 700
/** A process that stood still for less keeps its claims. */
const leastFreezeMs = 15_000

export interface MishapTerms {
  readonly receipts: LogAccount['receipts']
  readonly strikes: readonly RealStrike[]
  /** Of each process, what its clock was set to. */
  readonly clocks: readonly (readonly ClockStep[])[]
}

/** The earliest moment from `from` on at which one of the processes may have shown a time; Infinity: none. */
const momentOf = (shown: EpochMs, from: EpochMs, clocks: MishapTerms['clocks']): EpochMs => {
  const moments = clocks.flatMap((steps) =>
    steps.flatMap(({ at, aheadMs }, n) => {
      const moment = shown - aheadMs
      const until = (steps[n + 1]?.at ?? Infinity) + slackMs
      return moment >= Math.max(from, at - slackMs) && moment < until ? [moment] : []
    }),
  )
  return Math.min(...moments, Infinity)
}

/** Gives each letter the reason why its sender may not have written down that it was taken: its reply was cut, or a strike came before its receipt. */
export const withMishaps = (
  taken: readonly TakenReally[],
  { receipts, strikes, clocks }: MishapTerms,
): readonly TakenLetter[] => {
  const accepted = Map.groupBy(
    receipts.filter(({ value }) => value.kind === 'accepted'),
    ({ value }) => messageKeyOf(value.letter),
  )
  const copies = Map.groupBy(taken, ({ messageId }) => messageId)
  return taken.map(({ isCut, ...letter }) => {
    const { messageId, at } = letter
    const key = /<([0-9a-f]{32})/.exec(messageId)?.[1] ?? ''
    const written = (accepted.get(key) ?? []).map(({ timestamp }) => momentOf(timestamp, at - slackMs, clocks))
    const next = (copies.get(messageId) ?? []).filter((copy) => copy.at > at).map((copy) => copy.at)
    const known = Math.min(...written, ...next, Infinity)
    const strike = strikes.find(
      ({ from, to, isDeadly }) =>
        to >= at - slackMs && from <= known + slackMs && (isDeadly || to - from >= leastFreezeMs),
    )
    const struck = strike === undefined ? null : `struck at ${new Date(strike.from).toISOString()}`
    return { ...letter, mishap: isCut ? cutReply : struck }
  })
}
