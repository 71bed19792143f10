import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readDeadLetters } from '../../../pipeline/dead/read-dead-letters.ts'
import { commandLetters } from '../../../pipeline/dead/command-letters.ts'
import { receiptRecord } from '../../../pipeline/mailing/claim.ts'
import type { Command } from '../../../schemas/generated.ts'
import { topics } from '../../../schemas/topics.ts'
import { start } from '../runtime/stage-world.ts'
import {
  accepted,
  answering,
  deferred,
  type HandSink,
  type MailWorld,
  noticeTo,
  openHandSink,
  openMailWorld,
  type Process,
  refused,
  startProcess,
  unknown,
} from './mail-world.ts'

const minute = 60_000
const day = 24 * 60 * minute

let world: MailWorld
let running: Process | undefined
beforeEach(() => {
  world = openMailWorld()
  // One time in the world: deadlines are monotonic.
  vi.spyOn(performance, 'now').mockImplementation(() => world.clock.now())
})
afterEach(() => void vi.restoreAllMocks())

const begin = (...replies: Parameters<typeof answering>): HandSink => {
  const sink = openHandSink(world.clock, answering(...replies))
  running = startProcess(world, { sinks: { default: sink } })
  return sink
}
const one = noticeTo('a@example.org', { id: 'one' })
const gathered = (id: string) =>
  noticeTo('a@example.org', {
    id,
    rule: { quietMs: 1000, longestMs: 1000, most: 9, firstAtOnce: false, spacingMs: 0 },
  })
const dead = () => readDeadLetters(world.log, 0)
const command = async (kind: Command['kind'], { times = 1, everyMs = 0 } = {}) => {
  const letters = await dead()
  await Promise.all(
    Array.from({ length: times }, () => commandLetters(world.log, letters, { kind, now: world.clock.now(), everyMs })),
  )
  await world.settle()
}
const ends = async (): Promise<readonly string[]> =>
  (await world.deliveries()).map(({ notice, outcome }) => `${notice} ${outcome}`)
/** What deliver keeps of dead letters; ends the process. */
const deadState = async (): Promise<readonly string[]> => {
  await running?.leave()
  const keys: string[] = []
  const inputs = [topics.notices.name, topics.receipts.name, topics.commands.name]
  const reading = world.log.tasks({ name: 'deliver', inputs }).subscribe(({ state }) => {
    for (const [key] of state.range('dead', 'deae')) keys.push(key)
  })
  await world.settle()
  reading.unsubscribe()
  return keys
}

describe('a letter that could not be delivered', () => {
  it('is kept with its reason, its notices and whom they are for', async () => {
    begin(refused)
    await world.notify(one)
    expect(await dead()).toEqual([
      {
        letter: 'one',
        partition: 0,
        diedAt: start,
        class: 'refused',
        reason: 'the mail server refused it: 550 no such user',
        monitor: 'flows',
        channel: 'default',
        recipient: 'a@example.org',
        severity: '',
        notices: [expect.objectContaining({ id: 'one', event: 'flow of one' })],
        asked: null,
      },
    ])
  })

  it('is kept as one without a channel', async () => {
    begin(accepted)
    await world.notify(noticeTo('a@example.org', { channel: 'gone' }))
    expect((await dead()).map((each) => each.class)).toEqual(['no-channel'])
  })

  it('is kept as expired where it was deferred for five days', async () => {
    begin(deferred)
    await world.notify(one)
    await world.pass(6 * day)
    expect((await dead()).map((each) => each.class)).toEqual(['expired'])
  })

  it('is kept as unwritable where it could not be written', async () => {
    const compose = (): Promise<never> => Promise.reject(new TypeError('no such field'))
    startProcess(world, { sinks: { default: openHandSink(world.clock, answering(accepted)) }, compose })
    await world.notify(one)
    expect((await dead()).map((each) => each.class)).toEqual(['unwritable'])
  })

  it('is forgotten by its task after 30 days', async () => {
    begin(refused)
    await world.notify(one)
    await world.pass(31 * day)
    await world.notify(noticeTo('b@example.org', { id: 'two' }))
    world.clock.advanceTo(world.clock.now())
    expect((await deadState()).filter((key) => key.includes('one'))).toEqual([])
  })
})

describe('a redriven letter', () => {
  it('is told once, under the same Message-ID, and its last delivery counts', async () => {
    const sink = begin(refused, accepted)
    await world.notify(gathered('one'), gathered('two'))
    await world.pass(minute)
    await command('redrive')
    await world.pass(minute)
    expect(await ends()).toEqual([
      'one undeliverable',
      'two undeliverable',
      'one redriven',
      'two redriven',
      'one told',
      'two told',
    ])
    expect(new Set(sink.given.map(({ mail }) => mail.messageId)).size).toBe(1)
    expect(sink.given.map(({ mail }) => mail.subject)).toEqual(['one,two', 'one,two'])
    expect(await dead()).toEqual([])
    expect(world.saidOf('letter redriven')).toHaveLength(1)
  })

  it('is told once, though two ask for it at once', async () => {
    const sink = begin(refused, accepted)
    await world.notify(one)
    await command('redrive', { times: 2 })
    await world.pass(day)
    expect(sink.given).toHaveLength(2)
    expect(await ends()).toEqual(['one undeliverable', 'one redriven', 'one declined', 'one told'])
    const [, , declined] = await world.deliveries()
    expect(declined?.reason).toContain('redriven already')
  })

  it('that fails again can be redriven again, but not by what was asked before', async () => {
    const sink = begin(refused, refused, accepted)
    await world.notify(one)
    const [first] = await dead()
    await world.pass(minute)
    await command('redrive')
    await world.pass(minute)
    await commandLetters(world.log, first === undefined ? [] : [first], { kind: 'redrive', now: 0, everyMs: 0 })
    await world.settle()
    expect((await world.deliveries()).at(-1)).toMatchObject({
      outcome: 'declined',
      reason: expect.stringContaining('list it anew') as string,
    })
    await command('redrive')
    expect(sink.given).toHaveLength(3)
    expect((await ends()).at(-1)).toBe('one told')
  })

  it('that was delivered is not sent again, and the answer says why', async () => {
    const sink = begin(accepted)
    await world.notify(one)
    const letter = {
      ...one,
      letter: 'one',
      partition: 0,
      diedAt: start,
      class: '',
      reason: '',
      notices: [],
      asked: null,
    }
    await commandLetters(world.log, [{ ...letter, recipient: '', severity: '' }], {
      kind: 'redrive',
      now: 0,
      everyMs: 0,
    })
    await world.pass(minute)
    expect(sink.given).toHaveLength(1)
    expect((await world.deliveries()).at(-1)?.reason).toContain('it was delivered, dropped, or is no longer kept')
    expect(world.saidOf('command declined')).toHaveLength(1)
  })

  it('goes when its turn comes, where a rate was asked for', async () => {
    const sink = begin(refused, refused, refused, accepted)
    await world.notify(...['a', 'b', 'c'].map((id) => noticeTo(`${id}@example.org`, { id })))
    await command('redrive', { everyMs: minute })
    await world.pass(day)
    expect(sink.given.slice(3).map(({ at }) => at - start)).toEqual([0, minute, 2 * minute])
  })

  it('gets five more days', async () => {
    begin(deferred)
    await world.notify(one)
    await world.pass(6 * day)
    await command('redrive')
    await world.pass(4 * day)
    expect((await ends()).at(-1)).toBe('one redriven')
    await world.pass(2 * day)
    expect((await ends()).at(-1)).toBe('one undeliverable')
  })

  it('is asked for while nobody delivers, and sent when somebody does', async () => {
    const sink = openHandSink(world.clock, answering(refused, accepted))
    const process = startProcess(world, { sinks: { default: sink } })
    await world.notify(one)
    await process.leave()
    await command('redrive')
    expect((await dead()).map(({ asked }) => asked)).toEqual(['redrive'])
    startProcess(world, { sinks: { default: sink } })
    await world.pass(0)
    expect((await ends()).at(-1)).toBe('one told')
  })
})

describe('a dropped letter', () => {
  it('is not sent any more, whatever is asked later', async () => {
    const sink = begin(refused, accepted)
    await world.notify(one)
    const before = await dead()
    await command('drop')
    await commandLetters(world.log, before, { kind: 'redrive', now: 0, everyMs: 0 })
    await world.pass(day)
    expect(sink.given).toHaveLength(1)
    expect(await ends()).toEqual(['one undeliverable', 'one dropped', 'one declined'])
    expect(await dead()).toEqual([])
    expect(await deadState()).toEqual([])
  })
})

it('a dead letter that the server had taken at an earlier attempt is told, and not sent again', async () => {
  const sink = begin(unknown, refused, accepted)
  await world.notify(one)
  await world.pass(minute)
  expect(await ends()).toEqual(['one undeliverable'])
  const receipt = {
    letter: 'one',
    attempt: 1,
    kind: 'accepted',
    at: 0,
    sender: 'p',
    code: 250,
    reply: 'taken',
  } as const
  await world.log.append([receiptRecord(0, receipt)])
  await world.settle()
  expect(await ends()).toEqual(['one undeliverable', 'one redriven', 'one told'])
  await command('redrive')
  expect(sink.given).toHaveLength(2)
  expect(await dead()).toEqual([])
})

it('a command that cannot be read is set aside', async () => {
  begin(accepted)
  await world.log.append([{ topic: topics.commands.name, key: 'k', value: Buffer.from('{}') }])
  await world.settle()
  expect(await world.rejects()).toEqual([expect.objectContaining({ topic: 'commands', letter: '' })])
})
