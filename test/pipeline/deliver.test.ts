import fc from 'fast-check'
import { map } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ConnectorError } from '../../connectors/errors.ts'
import type { Task, Topology, Turn } from '../../connectors/log/event-log.ts'
import type { MailReply } from '../../connectors/mail/mail.ts'
import { alone } from '../../operators/batch.ts'
import { receiptRecord } from '../../pipeline/mailing/claim.ts'
import { decode } from '../../schemas/codec.ts'
import type { ReceiptKind } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'
import {
  accepted,
  answering,
  composePlainly,
  deferred,
  denied,
  type HandSink,
  type MailWorld,
  noticeTo,
  openHandSink,
  openMailWorld,
  refused,
  released,
  startProcess,
  unavailable,
  unknown,
} from './mailing/mail-world.ts'
import { start } from './runtime/stage-world.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

let world: MailWorld
beforeEach(() => {
  world = openMailWorld()
  // One time in the world: deadlines are monotonic.
  vi.spyOn(performance, 'now').mockImplementation(() => world.clock.now())
})
afterEach(() => void vi.restoreAllMocks())

const never = <T>(): Promise<T> => new Promise(() => undefined)
const one = noticeTo('a@example.org')
const timesOf = ({ given }: HandSink): readonly number[] => given.map(({ at }) => at - start)
const idsOf = ({ given }: HandSink): readonly string[] => given.map(({ mail }) => mail.messageId)
const kinds = async (): Promise<readonly ReceiptKind[]> =>
  (await world.values(topics.receipts, 'Receipt')).map(({ kind }) => kind)
const stateLeft = async (): Promise<number> => {
  const left: string[] = []
  const reading = world.log
    .tasks({ name: 'deliver', inputs: [topics.notices.name, topics.receipts.name, topics.commands.name] })
    .subscribe(({ state }) => {
      for (const [key] of state.range('', '￿')) left.push(key)
    })
  await world.settle()
  reading.unsubscribe()
  return left.filter((key) => !key.startsWith('gathering/')).length
}

describe('a letter', () => {
  it('is claimed, sent, and settled when its receipt comes back', async () => {
    const sink = openHandSink(world.clock, answering(accepted))
    const process = startProcess(world, { sinks: { default: sink } })
    await world.notify(one)
    await world.pass(0)
    const [outcome, ...more] = await world.outcomes()
    const [mail] = sink.given
    expect(more).toEqual([])
    expect(outcome).toMatchObject({
      event: `flow of ${one.id}`,
      verdicts: [],
      event_at: one.event_at,
      configuration: 'c1',
    })
    expect(outcome?.deliveries).toEqual([
      expect.objectContaining({
        notice: one.id,
        recipient: 'a@example.org',
        outcome: 'told',
        attempts: 1,
        code: 250,
        reply: 'taken',
        reason: '',
        message_id: mail?.mail.messageId,
      }),
    ])
    expect(mail?.mail.messageId).toMatch(/^<[0-9a-f]{32}@example\.org>$/)
    expect(world.saidOf('letter delivered')).toHaveLength(1)
    process.stop()
    expect(await stateLeft()).toBe(0)
  })

  it('that is refused is undeliverable, and its notice is set aside', async () => {
    startProcess(world, { sinks: { default: openHandSink(world.clock, answering(refused)) } })
    await world.notify(one)
    await world.pass(day)
    expect(await world.deliveries()).toEqual([
      expect.objectContaining({ outcome: 'undeliverable', code: 550, reason: 'the mail server refused it' }),
    ])
    const [reject] = await world.rejects()
    expect(reject).toMatchObject({
      stage: 'deliver',
      topic: 'notices',
      key: one.id,
      reason: 'the mail server refused it: 550 no such user',
    })
    expect(decode('Notice', reject?.bytes ?? new Uint8Array())).toMatchObject({ id: one.id })
  })

  it('that is deferred is tried again with growing waits', async () => {
    const sink = openHandSink(world.clock, answering(deferred, deferred, deferred, accepted))
    startProcess(world, { sinks: { default: sink } })
    await world.notify(one)
    await world.pass(hour)
    expect(timesOf(sink)).toEqual([0, 45_000, 135_000, 315_000])
    expect(new Set(idsOf(sink)).size).toBe(1)
    expect(await world.deliveries()).toEqual([expect.objectContaining({ outcome: 'told', attempts: 4 })])
  })

  it('that is deferred for five days is given up', async () => {
    const sink = openHandSink(world.clock, answering(deferred))
    startProcess(world, { sinks: { default: sink } })
    await world.notify(one)
    await world.pass(5 * day - hour)
    expect(await world.deliveries()).toEqual([])
    await world.pass(5 * hour)
    expect(await world.deliveries()).toEqual([
      expect.objectContaining({
        outcome: 'undeliverable',
        code: 451,
        reason: 'the mail server deferred it for 5d',
      }),
    ])
    expect(await world.rejects()).toHaveLength(1)
    const [last, before] = timesOf(sink).toReversed()
    expect((last ?? 0) - (before ?? 0)).toBeLessThanOrEqual(4 * hour)
  })

  it('is given up when its channel says, with a last try at the end of the time', async () => {
    const sink = openHandSink(world.clock, answering(deferred))
    startProcess(world, { sinks: { default: sink }, giveUpAfterMs: 200_000 })
    await world.notify(one)
    await world.pass(hour)
    expect(timesOf(sink)).toEqual([0, 45_000, 135_000, 200_000])
    expect(await world.deliveries()).toEqual([
      expect.objectContaining({ outcome: 'undeliverable', reason: 'the mail server deferred it for 200s' }),
    ])
  })

  it('that was given back unsent is sent again at once', async () => {
    const sink = openHandSink(world.clock, answering(released, accepted))
    startProcess(world, { sinks: { default: sink } })
    await world.notify(one)
    await world.pass(0)
    expect(timesOf(sink)).toEqual([0, 0])
    expect(await world.deliveries()).toEqual([expect.objectContaining({ outcome: 'told', attempts: 2 })])
    expect(world.saidOf('mail server away')).toEqual([])
  })

  it('that cannot be written is undeliverable, which says nothing of the mail server', async () => {
    const sink = openHandSink(world.clock, answering(unavailable))
    const compose: typeof composePlainly = (notices, terms) => {
      if (notices[0]?.recipient.address === 'b@example.org') throw new TypeError('no such field')
      return composePlainly(notices, terms)
    }
    startProcess(world, { sinks: { default: sink }, compose })
    await world.notify(one)
    // Before the other one in the order of letters, so it is the one that is tried next.
    await world.notify(noticeTo('b@example.org', { id: 'm' }))
    await world.pass(hour)
    expect(await world.deliveries()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          recipient: 'b@example.org',
          outcome: 'undeliverable',
          code: 0,
          reply: 'the letter could not be composed',
        }),
      ]),
    )
    expect(world.saidOf('letter not composed')).toEqual([expect.objectContaining({ reason: 'TypeError' })])
    expect(world.saidOf('mail server back')).toEqual([])
  })

  it('that is too large for the server goes without its attachments, and once only', async () => {
    const tooLarge: MailReply = { kind: 'refused', code: 552, text: 'too large', isTooLarge: true }
    const sink = openHandSink(world.clock, ({ attachments, to }) =>
      attachments.length > 0 || to.address === 'b@example.org' ? tooLarge : accepted,
    )
    const file = { name: 'a.csv', contentType: 'text/csv', content: new Uint8Array(5) }
    const compose: typeof composePlainly = async (notices, terms) => ({
      ...(await composePlainly(notices, terms)),
      attachments: terms.mostAttachedBytes === 0 ? [] : [file],
    })
    startProcess(world, { sinks: { default: sink }, compose })
    await world.notify(one, noticeTo('b@example.org'))
    expect(await world.deliveries()).toEqual([
      expect.objectContaining({ recipient: 'a@example.org', outcome: 'told', attempts: 1 }),
      expect.objectContaining({ recipient: 'b@example.org', outcome: 'undeliverable', code: 552 }),
    ])
    expect(idsOf(sink)).toHaveLength(4)
    expect(new Set(idsOf(sink)).size).toBe(2)
  })

  it('of a channel that the configuration no longer has is undeliverable', async () => {
    const before = startProcess(world, { sinks: { old: openHandSink(world.clock, answering(deferred)) } })
    await world.notify(noticeTo('a@example.org', { channel: 'old' }))
    before.stop()
    startProcess(world, { sinks: { default: openHandSink(world.clock, answering(accepted)) } })
    await world.notify(noticeTo('b@example.org', { channel: 'older/one' }), noticeTo('c@example.org'))
    await world.pass(hour)
    const ends = (await world.deliveries()).map(({ recipient, outcome, reason }) => `${recipient} ${outcome} ${reason}`)
    expect(ends.toSorted()).toEqual([
      'a@example.org undeliverable the configuration has no mail channel old',
      'b@example.org undeliverable the configuration has no mail channel older/one',
      'c@example.org told ',
    ])
  })

  it('whose notice cannot be read is set aside with its origin', async () => {
    startProcess(world, { sinks: { default: openHandSink(world.clock, answering(accepted)) } })
    await world.log.append([{ topic: topics.notices.name, key: 'k', value: Buffer.from('{}') }])
    await world.settle()
    expect(await world.rejects()).toEqual([
      expect.objectContaining({ stage: 'deliver', topic: 'notices', partition: 0, offset: 0, key: 'k' }),
    ])
    expect((await world.outcomes()).map(({ verdicts }) => verdicts[0]?.outcome)).toEqual(['rejected'])
  })
})

describe('a mail server that is away', () => {
  it('is asked with one letter at a time and growing waits, and spoken of once', async () => {
    let isAway = true
    const sink = openHandSink(world.clock, () => (isAway ? unavailable : accepted), 2)
    startProcess(world, { sinks: { default: sink } })
    await world.notify(...['a', 'b', 'c', 'd', 'e', 'f'].map((name) => noticeTo(`${name}@example.org`)))
    await world.pass(minute)
    const [first, ...later] = [...Map.groupBy(timesOf(sink), (at) => at)].map(([at, sends]) => [at, sends.length])
    expect(first).toEqual([0, 4])
    expect(later.length).toBeGreaterThan(2)
    expect(later.every(([, sends]) => sends === 1)).toBe(true)
    isAway = false
    await world.pass(2 * minute)
    expect((await world.deliveries()).map(({ outcome }) => outcome)).toEqual(Array.from({ length: 6 }, () => 'told'))
    expect([world.saidOf('mail server away').length, world.saidOf('mail server back').length]).toEqual([1, 1])
  })

  it('for a reply is asked again under the same Message-ID', async () => {
    const sink = openHandSink(world.clock, answering(unknown, accepted))
    startProcess(world, { sinks: { default: sink } })
    await world.notify(one)
    await world.pass(minute)
    expect(idsOf(sink)).toHaveLength(2)
    expect(new Set(idsOf(sink)).size).toBe(1)
    expect(await world.deliveries()).toEqual([expect.objectContaining({ outcome: 'told', attempts: 2 })])
  })

  it('is not back because a letter was given back unsent', async () => {
    startProcess(world, {
      sinks: { default: openHandSink(world.clock, answering(unavailable, released, unavailable, accepted)) },
    })
    await world.notify(one)
    await world.pass(hour)
    expect([world.saidOf('mail server away').length, world.saidOf('mail server back').length]).toEqual([1, 1])
  })

  it('does not hold up another channel', async () => {
    startProcess(world, {
      sinks: {
        default: openHandSink(world.clock, answering(unavailable)),
        other: openHandSink(world.clock, answering(accepted)),
      },
    })
    await world.notify(one, noticeTo('b@example.org', { channel: 'other' }))
    await world.pass(minute)
    expect((await world.deliveries()).map(({ recipient }) => recipient)).toEqual(['b@example.org'])
  })

  it('for good ends the service, and nothing is settled', async () => {
    const process = startProcess(world, { sinks: { default: openHandSink(world.clock, answering(denied)) } })
    await world.notify(one)
    await world.pass(hour)
    expect(process.failure()).toMatchObject({ code: 'MAIL_DENIED' })
    expect([await world.outcomes(), await kinds()]).toEqual([[], ['released']])
    startProcess(world, { sinks: { default: openHandSink(world.clock, answering(accepted)) } })
    await world.pass(0)
    expect(await world.deliveries()).toEqual([expect.objectContaining({ outcome: 'told' })])
  })
})

describe('a claim', () => {
  it.each(['between claim and sending', 'between sending and receipt'])(
    'whose process died %s is sent again, but not before its time',
    async (when) => {
      const first = openHandSink(world.clock, () => never())
      const isSent = when.startsWith('between sending')
      const dying = startProcess(world, { sinks: { default: first }, compose: isSent ? composePlainly : () => never() })
      await world.notify(one)
      await world.pass(1000)
      dying.kill()
      const second = openHandSink(world.clock, answering(accepted))
      startProcess(world, { sinks: { default: second }, name: 'p2' })
      await world.pass(minute - 1001)
      expect([first.given.length, second.given.length]).toEqual([isSent ? 1 : 0, 0])
      expect(await kinds()).toEqual([])
      await world.pass(1)
      expect(await kinds()).toEqual(['marker', 'accepted'])
      expect(second.given).toHaveLength(1)
      if (isSent) expect(idsOf(second)).toEqual(idsOf(first))
      expect(await world.deliveries()).toEqual([expect.objectContaining({ outcome: 'told', attempts: 2 })])
    },
  )

  it('of a process that is known to be dead is sent again at once, under the same Message-ID, when every earlier receipt was read', async () => {
    const first = openHandSink(world.clock, (mail) => (mail.to.address === 'a@example.org' ? never() : accepted), 2)
    const dying = startProcess(world, { sinks: { default: first } })
    const other = noticeTo('b@example.org')
    await world.notify(one, other)
    dying.kill()
    await world.log.append([
      receiptRecord(0, {
        letter: other.id,
        attempt: 1,
        kind: 'accepted',
        at: start,
        sender: 'p1',
        code: 250,
        reply: '',
      }),
    ])
    const second = openHandSink(world.clock, answering(accepted))
    startProcess(world, { sinks: { default: second }, name: 'p2', othersAreDead: true })
    await world.pass(1)
    expect(second.given.map(({ mail }) => [mail.to.address, mail.messageId])).toEqual([
      ['a@example.org', first.given.find(({ mail }) => mail.to.address === 'a@example.org')?.mail.messageId],
    ])
    expect((await world.deliveries()).map(({ outcome, attempts }) => [outcome, attempts])).toEqual([
      ['told', 1],
      ['told', 2],
    ])
  })

  it('that this process itself still works on is not sent again, though every other is dead', async () => {
    const reply = Promise.withResolvers<MailReply>()
    const sink = openHandSink(world.clock, () => reply.promise)
    startProcess(world, { sinks: { default: sink }, othersAreDead: true })
    await world.notify(one)
    world.failCommits('deliver', 'after')
    await world.notify(noticeTo('b@example.org'))
    await world.pass(1000)
    expect(sink.given.map(({ mail }) => mail.to.address)).toEqual(['a@example.org', 'b@example.org'])
    reply.resolve(accepted)
    await world.pass(0)
    expect((await world.deliveries()).map(({ outcome }) => outcome)).toEqual(['told', 'told'])
  })

  it('that a turn did not come to leaves no place taken', async () => {
    const sink = openHandSink(world.clock, answering(deferred))
    let left = Infinity
    const watched = (task: Task): Task => ({
      ...task,
      state: {
        ...task.state,
        get: (key) => {
          if (key.startsWith('letter/') && left-- === 0) throw new Error('the state cannot be read')
          return task.state.get(key)
        },
      },
    })
    const log = { ...world.log, tasks: (topology: Topology) => world.log.tasks(topology).pipe(map(watched)) }
    const process = startProcess(Object.create(world, { log: { value: log } }) as MailWorld, {
      sinks: { default: sink },
    })
    await world.notify(noticeTo('a@example.org'), noticeTo('b@example.org'))
    await world.settle()
    expect(sink.given).toHaveLength(2)
    // Both are due; the first has its place when the second cannot be read.
    left = 1
    await world.pass(minute)
    expect(process.failure()).toEqual(new Error('the state cannot be read'))
    await process.leave()
  })

  it('of a letter that meets a defect ends the service, which still stops', async () => {
    const sink = openHandSink(world.clock, () => Promise.reject(new TypeError('a defect')))
    const process = startProcess(world, { sinks: { default: sink } })
    await world.notify(one)
    await world.pass(1000)
    expect(process.failure()).toBeInstanceOf(TypeError)
    await process.leave()
    expect(await world.outcomes()).toEqual([])
  })

  it('is not begun while the receipts of as many letters as there are connections and 32 more are not durable', async () => {
    const gate = Promise.withResolvers<void>()
    const sink = openHandSink(world.clock, answering(accepted), 4)
    const append: typeof world.log.append = async (records) => {
      await gate.promise
      return world.log.append(records)
    }
    startProcess(world, { sinks: { default: sink }, append })
    await world.notify(...Array.from({ length: 100 }, (_, n) => noticeTo(`u${n}@example.org`)))
    await world.pass(1000)
    expect(sink.given).toHaveLength(4 + 32)
    gate.resolve()
    await world.pass(1000)
    expect((await world.deliveries()).map(({ outcome }) => outcome)).toEqual(Array.from({ length: 100 }, () => 'told'))
    expect(sink.given).toHaveLength(100)
  })

  it('is made further ahead where letters go fast: for half a second, and not more than 64 for a connection', async () => {
    const mostOpen = async (answerMs: number): Promise<number> => {
      world = openMailWorld()
      let claimed = 0
      let most = 0
      const counted = (turn: Turn): Turn => ({
        ...turn,
        commit: async (step) => {
          const letters = step.put.flatMap(([key, value]) =>
            key.startsWith('letter/') && value !== null ? [decode('Letter', value)] : [],
          )
          claimed += letters.filter(({ stage }) => stage === 'claimed').length
          most = Math.max(most, claimed - world.saidOf('letter answered').length)
          await turn.commit(step)
        },
      })
      const watched = (task: Task): Task => ({ ...task, turns: task.turns.pipe(map(counted)) })
      const log = { ...world.log, tasks: (topology: Topology) => world.log.tasks(topology).pipe(map(watched)) }
      const answer = (): Promise<MailReply> =>
        new Promise((resolve) => void world.clock.at(world.clock.now() + answerMs, () => resolve(accepted)))
      startProcess(Object.create(world, { log: { value: log } }) as MailWorld, {
        sinks: { default: openHandSink(world.clock, answer) },
      })
      await world.notify(...Array.from({ length: 500 }, (_, n) => noticeTo(`u${n}@example.org`)))
      await world.pass(3000)
      return most
    }
    expect(await mostOpen(100)).toBe(16)
    const fast = await mostOpen(20)
    expect(fast).toBeGreaterThan(32)
    expect(fast).toBeLessThanOrEqual(51)
    const fastest = await mostOpen(5)
    // Some answered ones still have their places: their receipts are being written.
    expect(fastest).toBeGreaterThan(56)
    expect(fastest).toBeLessThanOrEqual(64)
  })

  it('that is over is not sent again before every earlier receipt was read', async () => {
    const dying = startProcess(world, { sinks: { default: openHandSink(world.clock, () => never()) } })
    await world.notify(one)
    dying.kill()
    const receipt = (letter: string, kind: ReceiptKind) =>
      receiptRecord(0, { letter, attempt: 1, kind, at: world.clock.now(), sender: 'p1', code: 250, reply: 'taken' })
    // More than one turn takes, and the one that counts is the last of them.
    await world.log.append([
      ...Array.from({ length: 1200 }, (_, n) => receipt(`other ${n}`, 'released')),
      receipt(one.id, 'accepted'),
    ])
    await world.pass(hour)
    const second = openHandSink(world.clock, answering(accepted))
    startProcess(world, { sinks: { default: second } })
    await world.pass(hour)
    expect(second.given).toEqual([])
    expect(await world.deliveries()).toEqual([expect.objectContaining({ outcome: 'told', attempts: 1 })])
  })

  it('is renewed by its sender while a reply is awaited, also when another process owns the letter meanwhile', async () => {
    const reply = Promise.withResolvers<MailReply>()
    const first = openHandSink(world.clock, () => reply.promise)
    const leaving = startProcess(world, { sinks: { default: first } })
    await world.notify(one)
    const left = leaving.leave()
    const second = openHandSink(world.clock, answering(accepted))
    startProcess(world, { sinks: { default: second }, name: 'p2' })
    await world.pass(10 * minute)
    expect((await kinds()).every((kind) => kind === 'waiting')).toBe(true)
    expect((await kinds()).length).toBe(30)
    reply.resolve(accepted)
    await left
    await world.settle()
    expect(second.given).toEqual([])
    expect(await world.deliveries()).toEqual([expect.objectContaining({ outcome: 'told', attempts: 1 })])
    await world.pass(hour)
    expect((await kinds()).filter((kind) => kind === 'waiting')).toHaveLength(30)
  })

  it('is not given up by its own process while the log takes no word of it', async () => {
    const reply = Promise.withResolvers<MailReply>()
    const sink = openHandSink(world.clock, () => reply.promise)
    let isFull = true
    const append: typeof world.log.append = (records) =>
      isFull ? Promise.reject(new ConnectorError('LOG_UNAVAILABLE', 'the disk is full')) : world.log.append(records)
    startProcess(world, { sinks: { default: sink }, append })
    await world.notify(one)
    await world.pass(10 * minute)
    expect([sink.given.length, await kinds()]).toEqual([1, []])
    expect(world.saidOf('receipt not written').length).toBeGreaterThan(0)
    isFull = false
    reply.resolve(accepted)
    await world.settle()
    expect(await world.deliveries()).toEqual([expect.objectContaining({ outcome: 'told', attempts: 1 })])
  })

  it('is not given up, nor its letter sent again, when the log does not take the reply at once', async () => {
    const sink = openHandSink(world.clock, answering(accepted))
    const fullUntil = world.clock.now() + 10 * minute
    const append: typeof world.log.append = (records) =>
      world.clock.now() < fullUntil
        ? Promise.reject(new ConnectorError('LOG_UNAVAILABLE', 'the disk is full'))
        : world.log.append(records)
    const process = startProcess(world, { sinks: { default: sink }, append })
    await world.notify(one)
    await world.pass(9 * minute)
    expect([sink.given.length, await world.deliveries()]).toEqual([1, []])
    await world.pass(2 * minute)
    expect(await world.deliveries()).toEqual([expect.objectContaining({ outcome: 'told', attempts: 1 })])
    expect(sink.given).toHaveLength(1)
    expect(world.saidOf('receipt not written')).toHaveLength(1)
    expect(world.saidOf('receipts written again')).toHaveLength(1)
    await process.leave()
  })

  it('is known to be under way though the end of an earlier one of the letter is still being written down', async () => {
    const reply = Promise.withResolvers<MailReply>()
    let attempts = 0
    const sink = openHandSink(world.clock, () => (attempts++ === 0 ? deferred : reply.promise), 3)
    let isForgotten = true
    // It stands, and the answer is lost: it will be written down once more.
    const append: typeof world.log.append = async (records) => {
      const positions = await world.log.append(records)
      if (isForgotten) throw new ConnectorError('LOG_UNAVAILABLE', 'the answer was lost')
      return positions
    }
    startProcess(world, { sinks: { default: sink }, append, othersAreDead: true })
    await world.notify(one)
    await world.pass(2 * minute)
    expect(sink.given).toHaveLength(2)
    isForgotten = false
    await world.pass(10_000)
    world.failCommits('deliver', 'before')
    await world.notify(noticeTo('b@example.org', { channel: 'default' }))
    await world.pass(5 * minute)
    reply.resolve(accepted)
    await world.pass(minute)
    expect((await world.deliveries()).map(({ outcome }) => outcome)).toEqual(['told', 'told'])
    expect(sink.given.filter(({ mail }) => mail.to.address === 'a@example.org')).toHaveLength(2)
  })

  it('holds while the letter takes minutes to write, and it is sent', async () => {
    const sink = openHandSink(world.clock, answering(accepted))
    const compose: typeof composePlainly = async (...given) => {
      await new Promise<void>((resolve) => void world.clock.at(world.clock.now() + 5 * minute, resolve))
      return composePlainly(...given)
    }
    startProcess(world, { sinks: { default: sink }, compose })
    await world.notify(one)
    await world.pass(5 * minute)
    expect(timesOf(sink)).toEqual([5 * minute])
    expect(await world.deliveries()).toEqual([expect.objectContaining({ outcome: 'told', attempts: 1 })])
  })

  it('is given back when its process leaves before it has begun', async () => {
    const composing = Promise.withResolvers<void>()
    const first = openHandSink(world.clock, answering(accepted))
    const leaving = startProcess(world, {
      sinks: { default: first },
      compose: (...given) => composing.promise.then(() => composePlainly(...given)),
    })
    await world.notify(one)
    const left = leaving.leave()
    composing.resolve()
    await left
    expect([first.given, await kinds()]).toEqual([[], ['released']])
    const second = openHandSink(world.clock, answering(accepted))
    startProcess(world, { sinks: { default: second } })
    await world.pass(0)
    expect(timesOf(second)).toEqual([0])
  })

  it.each(['before', 'after'] as const)('whose commit is refused %s it stands gives its place back', async (when) => {
    const sink = openHandSink(world.clock, answering(accepted))
    const process = startProcess(world, { sinks: { default: sink } })
    world.failCommits('deliver', when, when, when)
    await world.notify(...['a', 'b', 'c', 'd', 'e'].map((name) => noticeTo(`${name}@example.org`)))
    await world.pass(5 * minute)
    expect((await world.deliveries()).map(({ outcome }) => outcome)).toEqual(Array.from({ length: 5 }, () => 'told'))
    expect(sink.given).toHaveLength(5)
    await process.leave()
  })

  it('of a letter is settled by a late receipt, though it waits to be sent again', async () => {
    const first = startProcess(world, { sinks: { default: openHandSink(world.clock, () => never()) } })
    await world.notify(one)
    first.kill()
    const away = openHandSink(world.clock, answering(unavailable))
    startProcess(world, { sinks: { default: away }, name: 'p2' })
    await world.pass(3 * minute)
    expect(away.given.length).toBeGreaterThan(0)
    const sends = away.given.length
    await world.log.append([
      receiptRecord(0, {
        letter: one.id,
        attempt: 1,
        kind: 'accepted',
        at: 0,
        sender: 'p1',
        code: 250,
        reply: 'taken',
      }),
    ])
    await world.pass(hour)
    expect(away.given).toHaveLength(sends)
    expect(await world.deliveries()).toEqual([expect.objectContaining({ outcome: 'told', reply: 'taken' })])
  })

  it('is not ended by what answers an earlier one', async () => {
    const first = startProcess(world, { sinks: { default: openHandSink(world.clock, () => never()) } })
    await world.notify(one)
    first.kill()
    const reply = Promise.withResolvers<MailReply>()
    startProcess(world, { sinks: { default: openHandSink(world.clock, () => reply.promise) }, name: 'p2' })
    await world.pass(minute)
    for (const kind of ['refused', 'deferred', 'unavailable', 'released'] as const)
      await world.log.append([
        receiptRecord(0, {
          letter: one.id,
          attempt: 1,
          kind,
          at: world.clock.now(),
          sender: 'p1',
          code: 550,
          reply: '',
        }),
      ])
    await world.settle()
    expect(await world.outcomes()).toEqual([])
    reply.resolve(accepted)
    await world.settle()
    expect(await world.deliveries()).toEqual([expect.objectContaining({ outcome: 'told', attempts: 2 })])
  })
})

describe('notices that gather', () => {
  const rule = { ...alone, quietMs: 30_000, longestMs: 10 * minute, most: 50 }
  const notice = (id: string, channel = 'default') => noticeTo('a@example.org', { id, rule, channel })

  it('go out in one letter once it is quiet, and each is settled', async () => {
    const sink = openHandSink(world.clock, answering(accepted))
    startProcess(world, { sinks: { default: sink } })
    await world.notify(notice('n1'), notice('n2'))
    await world.pass(20_000)
    await world.notify(notice('n3'))
    await world.pass(minute)
    expect(timesOf(sink)).toEqual([50_000])
    expect(sink.given[0]?.mail.subject).toBe('n1,n2,n3')
    expect((await world.deliveries()).map(({ notice: id, message_id }) => [id, message_id])).toEqual(
      ['n1', 'n2', 'n3'].map((id) => [id, sink.given[0]?.mail.messageId]),
    )
  })

  it('are all undeliverable when their letter is refused', async () => {
    startProcess(world, { sinks: { default: openHandSink(world.clock, answering(refused)) } })
    await world.notify(notice('n1'), notice('n2'))
    await world.pass(minute)
    expect((await world.deliveries()).map(({ notice: id, outcome }) => [id, outcome])).toEqual([
      ['n1', 'undeliverable'],
      ['n2', 'undeliverable'],
    ])
    expect(await world.rejects()).toHaveLength(2)
  })

  it('go alone when the letter that they would join is gone', async () => {
    const before = startProcess(world, { sinks: { old: openHandSink(world.clock, answering(accepted)) } })
    await world.notify(notice('n1', 'old'))
    before.stop()
    const sink = openHandSink(world.clock, answering(accepted))
    const after = startProcess(world, { sinks: { default: sink } })
    await world.pass(1000)
    await world.notify(notice('n2'))
    await world.pass(minute)
    expect(after.failure()).toBeUndefined()
    expect((await world.deliveries()).map(({ notice: id, outcome }) => [id, outcome])).toEqual([
      ['n1', 'undeliverable'],
      ['n2', 'told'],
    ])
    expect(sink.given.map(({ mail }) => mail.subject)).toEqual(['n2'])
  })
})

describe('under any faults', () => {
  const reply = fc.record({
    reply: fc.oneof(
      { weight: 3, arbitrary: fc.constant(accepted) },
      { weight: 4, arbitrary: fc.constantFrom(refused, deferred, unavailable, released, unknown) },
    ),
    /** Of an unknown reply: whether the server took the mail. */
    isTaken: fc.boolean(),
    afterMs: fc.constantFrom(0, 0, 500, 25_000, 90_000),
  })
  const deed = fc.oneof(
    fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(0, 700, 20_000, 61_000) }),
    fc.record({ do: fc.constant('notify' as const), gathers: fc.boolean() }),
    fc.record({ do: fc.constantFrom('kill' as const, 'leave' as const) }),
  )
  const faults = fc.array(fc.constantFrom('before' as const, 'after' as const, undefined, undefined), { maxLength: 8 })
  const composeMs = fc.constantFrom(0, 0, 500, 30_000, 70_000)

  it('every notice ends in exactly one delivery, none is invented, and doubles bear one Message-ID and come only from a lost reply or process', async () => {
    const gathering = { ...alone, quietMs: 5000, longestMs: minute, most: 3 }
    const run = async (
      deeds: readonly { do: string; ms?: number; gathers?: boolean }[],
      replies: readonly { reply: MailReply; isTaken: boolean; afterMs: number }[],
      plannedFaults: readonly ('before' | 'after' | undefined)[],
      composeTakes: number,
    ): Promise<void> => {
      world = openMailWorld()
      const taken: { id: string; messageId: string }[] = []
      const refusals = new Set<string>()
      let answered = 0
      let mayDouble = false
      const later = (ms: number): Promise<void> =>
        ms === 0 ? Promise.resolve() : new Promise((resolve) => void world.clock.at(world.clock.now() + ms, resolve))
      const answer = async (
        { subject, messageId }: { subject: string; messageId: string },
        { signal, deadline }: { signal: AbortSignal; deadline: number },
      ) => {
        const next = replies[answered++] ?? { reply: accepted, isTaken: true, afterMs: 0 }
        await later(next.afterMs / 2)
        // The final dot.
        if (signal.aborted || performance.now() >= deadline) return released
        const isTaken = next.reply.kind === 'accepted' || (next.reply.kind === 'unknown' && next.isTaken)
        if (isTaken) taken.push(...subject.split(',').map((id) => ({ id, messageId })))
        if (next.reply.kind === 'refused') for (const id of subject.split(',')) refusals.add(id)
        if (next.reply.kind === 'unknown') mayDouble = true
        await later(next.afterMs / 2)
        return next.reply
      }
      const compose: typeof composePlainly = async (...given) => {
        await later(composeTakes)
        return composePlainly(...given)
      }
      let n = 0
      const begin = () =>
        startProcess(world, { sinks: { default: openHandSink(world.clock, answer, 2) }, compose, name: `p${n++}` })
      const notified: string[] = []
      world.failCommits('deliver', ...plannedFaults.filter((fault) => fault !== undefined))
      let process = begin()
      for (const each of [{ do: 'notify', gathers: false }, ...deeds]) {
        if (each.do === 'pass') await world.pass(each.ms ?? 0)
        else if (each.do === 'notify') {
          const id = `n${notified.length}`
          notified.push(id)
          await world.notify(
            noticeTo(each.gathers === true ? 'g@example.org' : `${id}@example.org`, {
              id,
              rule: each.gathers === true ? gathering : alone,
            }),
          )
        } else {
          mayDouble ||= each.do === 'kill'
          if (each.do === 'kill') process.kill()
          else void process.leave()
          process = begin()
        }
      }
      await world.pass(6 * hour)
      expect(process.failure()).toBeUndefined()
      const deliveries = await world.deliveries()
      expect(deliveries.map(({ notice }) => notice).toSorted()).toEqual(notified.toSorted())
      for (const { notice, outcome, message_id } of deliveries) {
        const sends = taken.filter(({ id }) => id === notice)
        if (outcome === 'told') expect(sends.length).toBeGreaterThan(0)
        else expect(refusals.has(notice)).toBe(true)
        for (const { messageId } of sends) expect(messageId).toBe(message_id)
        if (!mayDouble) expect(sends.length).toBeLessThanOrEqual(1)
      }
      process.stop()
      await world.log.close()
    }
    await fc.assert(
      fc.asyncProperty(fc.array(deed, { maxLength: 12 }), fc.array(reply, { maxLength: 8 }), faults, composeMs, run),
      { numRuns: 250 },
    )
  })
})
