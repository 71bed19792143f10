import { ConnectorError } from '../../connectors/errors.ts'
import type { Task } from '../../connectors/log/event-log.ts'
import type { MailReply, OutgoingMail, SendTerms } from '../../connectors/mail/mail.ts'
import type { Letter, Notice, ReceiptKind } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { type Claim, claimMs, type ComposeTerms, type DeliverOptions, type OpenChannel } from './claim.ts'
import { openPace, type Pace } from './pace.ts'
import { mostGathered, openReceipts } from './receipts.ts'
import { type Backoff, backoffMs } from '../runtime/backoff.ts'

/** Sends claimed letters and appends a receipt for each. One for a process; shared by its tasks. */
export interface Sending {
  /** Takes a place for one letter on a channel; where none is free the task is woken when one is. */
  reserve(channel: string, task: Task): boolean
  /** Gives back places whose claims never came to stand. */
  giveBack(claims: readonly { readonly letter: Pick<Letter, 'channel'> }[]): void
  /** Sends on a place reserved before. Never throws. */
  send(claim: Claim, terms: { readonly task: Task; readonly fail: (cause: unknown) => void }): void
  isUnderWay(letter: string): boolean
  /** Resolves when no place is taken: nothing is under way and every receipt is written. */
  idle(): Promise<void>
}

/** Nothing is written to the server so shortly before the claim's end, ms: clocks differ. */
const marginMs = 2000
const awayWaits: Backoff = { firstMs: 1000, longestMs: 60_000 }
/** Letters handed on for each connection: the next one is written while one is sent. */
const begunPerConnection = 2
/** Claims for each connection at least: one commit claims many, and what is not begun yet waits here. */
const claimsPerConnection = 16
/** Where letters go out fast, as many are claimed as go in so long, ms: what a process that is killed had claimed is sent late. */
const claimedAheadMs = 500
const mostClaimsPerConnection = 64

/** A claimed letter from its claim's commit to its receipt. */
interface Job {
  readonly claim: Claim
  readonly task: Task
  readonly fail: (cause: unknown) => void
  /** On the scale of `performance.now()`: the final dot is not written later. */
  deadline: number
  stopSaying: () => void
}

interface ChannelState {
  readonly channel: OpenChannel
  /** Of letters that have come to an end. */
  readonly pace: Pace
  /** Places for claims that are taken. */
  taken: number
  /** Letters that are written or sent now. */
  begun: number
  /** Letters whose end is known and not yet durable. */
  ending: number
  readonly ready: Job[]
  failures: number
  /** `performance.now()` of the last failure: what was begun before it tells nothing new by failing too. */
  failedAt: number
  awaySince: EpochMs | null
  retryAt: EpochMs
  readonly waiting: Set<Task>
}

const NOT_BEGUN: MailReply = { kind: 'released', code: 0, text: 'not begun' }

export const openSending = (options: DeliverOptions): Sending => {
  const { clock, random, tell } = options
  const states = new Map<string, ChannelState>(
    [...options.channels].map(([name, channel]) => [
      name,
      {
        channel,
        pace: openPace(clock),
        taken: 0,
        begun: 0,
        ending: 0,
        ready: [],
        failures: 0,
        failedAt: -Infinity,
        awaySince: null,
        retryAt: 0,
        waiting: new Set<Task>(),
      },
    ]),
  )
  /** The latest claim of each letter: an earlier one may still be writing down its end when the letter is claimed again. */
  const underWay = new Map<string, Job>()
  const watched = new WeakSet<Task>()
  const idlers = new Set<() => void>()
  const isIdle = (): boolean => [...states.values()].every(({ taken }) => taken === 0)
  const receipts = openReceipts(options, () => [...states.values()].some(({ begun }) => begun > 0))

  const capacity = (state: ChannelState): number => {
    if (state.awaySince === null) {
      const { connections } = state.channel.sink
      const ahead = Math.min(connections * mostClaimsPerConnection, state.pace.in(claimedAheadMs))
      return Math.max(connections * claimsPerConnection, ahead)
    }
    // One probe at a time tells when the server is back.
    return clock.now() >= state.retryAt ? 1 : 0
  }

  /** Tasks that wait come when there is room for many claims: each turn costs a commit. */
  const hasRoom = (state: ChannelState): boolean => state.awaySince !== null || state.taken <= capacity(state) / 2

  const free = (state: ChannelState): void => {
    state.taken -= 1
    if (hasRoom(state)) {
      for (const task of state.waiting) task.wake(Math.max(clock.now(), state.awaySince === null ? 0 : state.retryAt))
      state.waiting.clear()
    }
    if (!isIdle()) return
    for (const call of idlers) call()
    idlers.clear()
  }

  const noteFailure = (state: ChannelState, text: string, begunAt: number): void => {
    if (begunAt < state.failedAt) return
    state.failedAt = performance.now()
    state.failures += 1
    state.retryAt = clock.now() + backoffMs(awayWaits, state.failures, random)
    if (state.awaySince === null) tell({ name: 'mail server away', channel: state.channel.name, reason: text })
    state.awaySince ??= clock.now()
    release(state, () => true)
  }

  const noteReply = (state: ChannelState, { kind, text }: MailReply, begunAt: number): void => {
    if (kind === 'released' || kind === 'denied') return
    if (kind === 'unavailable' || kind === 'unknown') return noteFailure(state, text, begunAt)
    if (state.awaySince !== null)
      tell({ name: 'mail server back', channel: state.channel.name, away_ms: clock.now() - state.awaySince })
    state.awaySince = null
    state.failures = 0
  }

  const exchange = async (
    { claim: { letter, notices }, task }: Job,
    state: ChannelState,
    terms: SendTerms,
  ): Promise<MailReply> => {
    const { channel } = state
    if (task.lost.aborted) return NOT_BEGUN
    const told = notices()
    const sent = async (limit: Pick<ComposeTerms, 'mostAttachedBytes'>): Promise<MailReply> => {
      let mail: OutgoingMail
      try {
        mail = await options.compose(told, { messageId: letter.message_id, now: clock.now(), channel, ...limit })
      } catch (cause) {
        const reason = cause instanceof Error ? cause.name : 'unknown'
        tell({ name: 'letter not composed', letter: letter.id, reason })
        return { kind: 'refused', code: 0, text: 'the letter could not be composed' }
      }
      const begunAt = performance.now()
      const reply = await channel.sink.send(mail, terms)
      // Better told without its attachments than not at all: the letter says which are missing.
      if (reply.isTooLarge && mail.attachments.length > 0) return sent({ mostAttachedBytes: 0 })
      noteReply(state, reply, begunAt)
      return reply
    }
    const reply = await sent({})
    tell({ name: 'letter answered', channel: channel.name, answer: reply.kind })
    if (reply.kind === 'accepted')
      for (const notice of told)
        tell({ name: 'notice told', channel: channel.name, age_ms: clock.now() - bornAt(notice) })
    return reply
  }

  const write = ({ claim: { letter }, task }: Job, kind: ReceiptKind, code = 0, reply = ''): Promise<boolean> =>
    receipts.write(task.partition, {
      letter: letter.id,
      attempt: letter.attempt,
      kind,
      at: clock.now(),
      sender: options.process,
      code,
      reply,
    })

  const keepSaying = (job: Job): void => {
    const sayWaiting = async (): Promise<void> => {
      const said = performance.now()
      // Written while the claim still holds, it is read before any marker that ends the claim.
      if ((await write(job, 'waiting')) && performance.now() < job.deadline)
        job.deadline = Math.max(job.deadline, said + claimMs - marginMs)
    }
    job.stopSaying = clock.at(clock.now() + claimMs / 3, () => {
      void sayWaiting()
      keepSaying(job)
    })
  }

  /** Gives the place of a letter to another. */
  const leave = (job: Job, state: ChannelState): void => {
    job.stopSaying()
    state.ending -= 1
    if (underWay.get(job.claim.letter.id) === job) underWay.delete(job.claim.letter.id)
    free(state)
    begin(state)
  }

  /** Writes down what came of a letter, and only then gives its place to another. */
  const end = async (job: Job, state: ChannelState, { kind, code, text }: MailReply): Promise<void> => {
    // Until the log has taken it, the claim goes on being prolonged.
    await write(job, kindOf(kind), code, text)
    if (kind !== 'denied') return
    const { name } = state.channel
    tell({ name: 'mail login refused', channel: name, reason: text })
    job.fail(new ConnectorError('MAIL_DENIED', `mail channel ${name}: ${text}`))
  }

  const send = async (job: Job, state: ChannelState): Promise<MailReply> => {
    state.begun += 1
    try {
      return await exchange(job, state, {
        get deadline() {
          return job.deadline
        },
        signal: job.task.lost,
      })
    } finally {
      state.begun -= 1
      state.ending += 1
      state.pace.note()
      begin(state)
    }
  }

  const run = async (job: Job, state: ChannelState): Promise<void> => {
    try {
      await end(job, state, await send(job, state))
    } finally {
      leave(job, state)
    }
  }

  /** Whether another letter may begin. What a kill can double is bounded, however long the log takes for receipts. */
  const mayBegin = ({ begun, ending, channel: { sink } }: ChannelState): boolean =>
    begun < sink.connections * begunPerConnection && begun + ending < sink.connections + mostGathered

  const begin = (state: ChannelState): void => {
    while (mayBegin(state)) {
      const job = state.ready.shift()
      if (job === undefined) return
      void run(job, state).catch(job.fail)
    }
  }

  /** Gives back what was claimed and not begun. */
  const release = (state: ChannelState, isMeant: (job: Job) => boolean): void => {
    const jobs = state.ready.splice(0)
    state.ready.push(...jobs.filter((job) => !isMeant(job)))
    for (const job of jobs.filter(isMeant)) {
      state.ending += 1
      void end(job, state, NOT_BEGUN)
        .catch(job.fail)
        .finally(() => leave(job, state))
    }
  }

  const watchLoss = (task: Task): void => {
    if (watched.has(task)) return
    watched.add(task)
    task.lost.addEventListener('abort', () => {
      for (const state of states.values()) release(state, (job) => job.task === task)
    })
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
      // The monotonic clock is read first: a pause between the two readings then only shortens the term.
      const deadline = performance.now() + (claim.letter.until - clock.now()) - marginMs
      const job: Job = { claim, task, fail, deadline, stopSaying: () => undefined }
      underWay.set(claim.letter.id, job)
      keepSaying(job)
      state.ready.push(job)
      watchLoss(task)
      if (task.lost.aborted || (state.awaySince !== null && state.begun > 0)) release(state, (each) => each === job)
      else begin(state)
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

/** When the server was told of the event, epoch ms. */
const bornAt = ({ flow, alert, noticed_at }: Notice): EpochMs => flow?.received_at ?? alert?.received_at ?? noticed_at
