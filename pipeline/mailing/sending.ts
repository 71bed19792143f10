import { ConnectorError } from '../../connectors/errors.ts'
import type { Task } from '../../connectors/log/event-log.ts'
import type { MailReply, OutgoingMail, SendTerms } from '../../connectors/mail/mail.ts'
import type { Receipt, ReceiptKind } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { type Claim, claimMs, type DeliverOptions, type OpenChannel, receiptRecord } from './claim.ts'
import { type Backoff, backoffMs } from '../runtime/backoff.ts'

/** Sends claimed letters and appends a receipt for each. One for a process; shared by its tasks. */
export interface Sending {
  /** Takes a place for one letter on a channel; where none is free the task is woken when one is. */
  reserve(channel: string, task: Task): boolean
  /** Gives back places whose claims never came to stand. */
  giveBack(claims: readonly Claim[]): void
  /** Sends on a place reserved before. Never throws. */
  send(claim: Claim, terms: { readonly task: Task; readonly fail: (cause: unknown) => void }): void
  isUnderWay(letter: string): boolean
  /** Resolves when no place is taken: nothing is under way and every receipt is written. */
  idle(): Promise<void>
}

/** Nothing is written to the server so shortly before the claim's end, ms: clocks differ. */
const marginMs = 2000
const awayWaits: Backoff = { firstMs: 1000, longestMs: 60_000 }
/** Claims for each connection: the next letter is at hand when one is through. */
const claimsPerConnection = 2

interface ChannelState {
  readonly channel: OpenChannel
  taken: number
  failures: number
  awaySince: EpochMs | null
  retryAt: EpochMs
  readonly waiting: Set<Task>
}

export const openSending = (options: DeliverOptions): Sending => {
  const { clock, random, tell, log } = options
  const states = new Map<string, ChannelState>(
    [...options.channels].map(([name, channel]) => [
      name,
      { channel, taken: 0, failures: 0, awaySince: null, retryAt: 0, waiting: new Set<Task>() },
    ]),
  )
  const underWay = new Set<string>()
  const idlers = new Set<() => void>()
  const isIdle = (): boolean => [...states.values()].every(({ taken }) => taken === 0)

  const capacity = (state: ChannelState): number => {
    if (state.awaySince === null) return state.channel.sink.connections * claimsPerConnection
    // One probe at a time tells when the server is back.
    return clock.now() >= state.retryAt ? 1 : 0
  }

  const free = (state: ChannelState): void => {
    state.taken -= 1
    for (const task of state.waiting) task.wake(Math.max(clock.now(), state.awaySince === null ? 0 : state.retryAt))
    state.waiting.clear()
    if (!isIdle()) return
    for (const call of idlers) call()
    idlers.clear()
  }

  const noteReply = (state: ChannelState, { kind, text }: MailReply): void => {
    if (kind === 'released' || kind === 'denied') return
    if (kind === 'unavailable' || kind === 'unknown') {
      state.failures += 1
      state.retryAt = clock.now() + backoffMs(awayWaits, state.failures, random)
      if (state.awaySince === null) tell({ name: 'mail server away', channel: state.channel.name, reason: text })
      state.awaySince ??= clock.now()
      return
    }
    if (state.awaySince !== null)
      tell({ name: 'mail server back', channel: state.channel.name, away_ms: clock.now() - state.awaySince })
    state.awaySince = null
    state.failures = 0
  }

  /** Whether it stands. */
  const write = async (partition: number, receipt: Receipt): Promise<boolean> => {
    try {
      await log.append([receiptRecord(partition, receipt)])
      return true
    } catch (cause) {
      tell({ name: 'receipt not written', reason: cause instanceof ConnectorError ? cause.code : String(cause) })
      return false
    }
  }

  const exchange = async (
    { letter, notices }: Claim,
    task: Task,
    state: ChannelState,
    terms: SendTerms,
  ): Promise<MailReply> => {
    const { channel } = state
    if (task.lost.aborted) return { kind: 'released', code: 0, text: 'not begun: the task is lost' }
    const told = notices()
    let mail: OutgoingMail
    try {
      mail = await options.compose(told, { messageId: letter.message_id, now: clock.now(), channel })
    } catch (cause) {
      tell({ name: 'letter not composed', letter: letter.id, reason: cause instanceof Error ? cause.name : 'unknown' })
      return { kind: 'refused', code: 0, text: 'the letter could not be composed' }
    }
    const reply = await channel.sink.send(mail, terms)
    noteReply(state, reply)
    return reply
  }

  const run = async (claim: Claim, task: Task, state: ChannelState, fail: (cause: unknown) => void): Promise<void> => {
    const { letter } = claim
    const receipt = (kind: ReceiptKind, code = 0, reply = ''): Receipt => ({
      letter: letter.id,
      attempt: letter.attempt,
      kind,
      at: clock.now(),
      sender: options.process,
      code,
      reply,
    })
    // The monotonic clock is read first: a pause between the two readings then only shortens the term.
    let deadline = performance.now() + (letter.until - clock.now()) - marginMs
    const sayWaiting = async (): Promise<void> => {
      const said = performance.now()
      // Written while the claim still holds, it is read before any marker that ends the claim.
      if ((await write(task.partition, receipt('waiting'))) && performance.now() < deadline)
        deadline = Math.max(deadline, said + claimMs - marginMs)
    }
    let cancel = (): void => undefined
    const keepSaying = (): void => {
      cancel = clock.at(clock.now() + claimMs / 3, () => {
        void sayWaiting()
        keepSaying()
      })
    }
    keepSaying()
    const terms: SendTerms = {
      get deadline() {
        return deadline
      },
      signal: task.lost,
    }
    const reply = await exchange(claim, task, state, terms)
    cancel()
    await write(task.partition, receipt(kindOf(reply.kind), reply.code, reply.text))
    if (reply.kind === 'denied')
      fail(new ConnectorError('MAIL_DENIED', `mail channel ${state.channel.name}: ${reply.text}`))
  }

  return {
    reserve(name, task) {
      const state = states.get(name) as ChannelState
      if (state.taken < capacity(state)) {
        state.taken += 1
        return true
      }
      state.waiting.add(task)
      // With a letter under way its end wakes the task.
      if (state.taken === 0) task.wake(state.retryAt)
      return false
    },
    giveBack(claims) {
      for (const { letter } of claims) free(states.get(letter.channel) as ChannelState)
    },
    send(claim, { task, fail }) {
      const state = states.get(claim.letter.channel) as ChannelState
      underWay.add(claim.letter.id)
      void run(claim, task, state, fail)
        .catch(fail)
        .finally(() => {
          underWay.delete(claim.letter.id)
          free(state)
        })
    },
    isUnderWay: (letter) => underWay.has(letter),
    idle: () => (isIdle() ? Promise.resolve() : new Promise((resolve) => idlers.add(resolve))),
  }
}

/** A reply that never came is treated as an outage: the letter goes out again under the same Message-ID. */
const kindOf = (kind: MailReply['kind']): ReceiptKind => {
  if (kind === 'unknown') return 'unavailable'
  return kind === 'denied' ? 'released' : kind
}
