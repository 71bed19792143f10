import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { alone, type BatchRule } from '../../../operators/batch.ts'
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
  startProcess,
  unavailable,
} from './mail-world.ts'

let world: MailWorld
beforeEach(() => {
  world = openMailWorld()
  // One time in the world: deadlines are monotonic.
  vi.spyOn(performance, 'now').mockImplementation(() => world.clock.now())
})
afterEach(() => void vi.restoreAllMocks())

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const gathered: BatchRule = {
  quietMs: 30 * second,
  longestMs: 600 * second,
  most: 50,
  firstAtOnce: false,
  spacingMs: 0,
}
const spaced: BatchRule = { ...alone, most: 500, spacingMs: 10 * second }
const to = (id: string, rule: BatchRule, { address = 'a@example.org', channel = 'default' } = {}) =>
  noticeTo(address, { id, rule, channel })
/** Each letter: its notices, and when it went, in seconds. */
const letters = ({ given }: HandSink): readonly string[] =>
  given.map(({ mail, at }) => `${mail.subject} ${(at - start) / second}`)
const sinks = (sink: HandSink) => ({ sinks: { default: sink } })
const ids = (count: number, from = 0): readonly string[] => Array.from({ length: count }, (_, n) => `n${n + from}`)

describe('a batch', () => {
  it('goes out in one letter once nothing has joined it for the quiet time, and each notice is told of', async () => {
    const sink = openHandSink(world.clock, answering(accepted))
    startProcess(world, sinks(sink))
    await world.notify(to('a', gathered))
    await world.pass(20 * second)
    await world.notify(to('b', gathered), to('c', gathered))
    await world.pass(hour)
    expect(letters(sink)).toEqual(['a,b,c 50'])
    const deliveries = await world.deliveries()
    expect(deliveries.map(({ notice, outcome }) => `${notice} ${outcome}`)).toEqual(['a told', 'b told', 'c told'])
    expect(new Set(deliveries.map(({ message_id }) => message_id)).size).toBe(1)
  })

  it('is one for each monitor, recipient and channel', async () => {
    const sink = openHandSink(world.clock, answering(accepted))
    const other = openHandSink(world.clock, answering(accepted))
    startProcess(world, { sinks: { default: sink, other } })
    await world.notify(
      to('a', gathered),
      to('b', gathered, { address: 'B@example.org' }),
      { ...to('c', gathered), monitor: 'second' },
      to('d', gathered, { channel: 'other' }),
      to('e', gathered, { address: 'b@example.org' }),
      to('f', gathered),
    )
    await world.pass(minute)
    expect(letters(sink).toSorted()).toEqual(['a,f 30', 'b,e 30', 'c 30'])
    expect(letters(other)).toEqual(['d 30'])
  })

  it('holds 500 notices at most where only the spacing gathers them', async () => {
    const sink = openHandSink(world.clock, answering(accepted))
    startProcess(world, sinks(sink))
    await world.notify(...ids(1100).map((id) => to(id, spaced)))
    await world.pass(minute)
    expect(sink.given.map(({ mail, at }) => [mail.subject.split(',').length, (at - start) / second])).toEqual([
      [1, 0],
      [500, 10],
      [500, 20],
      [99, 30],
    ])
  })

  it.each([0, 15, 29])('that is open outlives a relay that is down after %i s', async (at) => {
    const sink = openHandSink(world.clock, answering(accepted))
    const before = startProcess(world, sinks(sink))
    await world.notify(to('a', gathered))
    await world.pass(at * second)
    before.kill()
    await world.reopen()
    startProcess(world, { ...sinks(sink), name: 'p2' })
    await world.settle()
    await world.notify(to('b', gathered))
    await world.pass(hour)
    expect(letters(sink)).toEqual([`a,b ${at + 30}`])
  })

  it('that fell due while the relay was down goes out at its start', async () => {
    const sink = openHandSink(world.clock, answering(accepted))
    const before = startProcess(world, sinks(sink))
    await world.notify(to('a', gathered))
    before.kill()
    await world.pass(10 * minute)
    await world.reopen()
    startProcess(world, { ...sinks(sink), name: 'p2' })
    await world.pass(minute)
    expect(letters(sink)).toEqual(['a 600'])
  })

  it('that is deferred goes out later as it was, and what follows is another letter', async () => {
    const sink = openHandSink(world.clock, answering(deferred, accepted))
    startProcess(world, sinks(sink))
    await world.notify(to('a', gathered), to('b', gathered))
    await world.pass(31 * second)
    await world.notify(to('c', gathered))
    await world.pass(hour)
    expect(letters(sink)).toEqual(['a,b 30', 'c 61', 'a,b 75'])
  })

  it('that a mail server holds up goes on gathering', async () => {
    let isAway = true
    const sink = openHandSink(world.clock, () => (isAway ? unavailable : accepted))
    startProcess(world, sinks(sink))
    await world.notify(to('probe', alone))
    await world.pass(minute)
    for (const id of ids(20)) {
      await world.notify(to(id, { ...gathered, quietMs: second }, { address: 'b@example.org' }))
      await world.pass(5 * second)
    }
    isAway = false
    await world.pass(10 * minute)
    const told = sink.given.map(({ mail }) => mail.subject).filter((subject) => subject !== 'probe')
    // Only what was tried once has its content fixed: without gathering these would be twenty letters.
    expect(new Set(told).size).toBeLessThan(10)
    expect((await world.deliveries()).filter(({ outcome }) => outcome === 'told')).toHaveLength(21)
  })
})

describe('the spacing of letters', () => {
  it('MT-07 lets the first notice go at once, and the other 19 in one letter 10 s later', async () => {
    const sink = openHandSink(world.clock, answering(accepted))
    startProcess(world, sinks(sink))
    for (const id of ids(20)) {
      await world.notify(to(id, spaced))
      await world.pass(50)
    }
    await world.pass(minute)
    expect(letters(sink)).toEqual(['n0 0', `${ids(19, 1).join()} 10`])
  })

  it('MT-07 is the same when all 20 come at one moment', async () => {
    const sink = openHandSink(world.clock, answering(accepted))
    startProcess(world, sinks(sink))
    await world.notify(...ids(20).map((id) => to(id, spaced)))
    await world.pass(minute)
    expect(letters(sink)).toEqual(['n0 0', `${ids(19, 1).join()} 10`])
  })

  it('is kept by letters that an outage held up', async () => {
    let isAway = true
    const sink = openHandSink(world.clock, () => (isAway ? unavailable : accepted), 5)
    startProcess(world, sinks(sink))
    for (const id of ids(10)) {
      await world.notify(to(id, { ...spaced, most: 2 }))
      await world.pass(second)
    }
    await world.pass(5 * minute)
    isAway = false
    const from = world.clock.now()
    await world.pass(10 * minute)
    const times = sink.given.filter(({ at }) => at > from).map(({ at }) => at)
    expect(times.length).toBeGreaterThanOrEqual(5)
    times.slice(1).forEach((at, n) => expect(at - (times[n] ?? NaN)).toBeGreaterThanOrEqual(10 * second))
    expect(await world.deliveries()).toHaveLength(10)
  })

  it('is counted from when a letter went, also across a restart', async () => {
    const sink = openHandSink(world.clock, answering(accepted))
    const before = startProcess(world, sinks(sink))
    await world.notify(to('a', spaced))
    await world.pass(2 * second)
    before.kill()
    await world.reopen()
    startProcess(world, { ...sinks(sink), name: 'p2' })
    await world.notify(to('b', spaced))
    await world.pass(minute)
    expect(letters(sink)).toEqual(['a 0', 'b 10'])
  })

  it('keeps nothing in the state but when the last letter went and what gathered last', async () => {
    const running = startProcess(world, sinks(openHandSink(world.clock, answering(accepted))))
    await world.notify(...ids(20).map((id) => to(id, spaced)))
    await world.pass(minute)
    running.stop()
    const keys: string[] = []
    const reading = world.log
      .tasks({ name: 'deliver', inputs: [topics.notices.name, topics.receipts.name, topics.commands.name] })
      .subscribe(({ state }) => {
        for (const [key] of state.range('', '\uffff')) keys.push(key)
      })
    await world.settle()
    reading.unsubscribe()
    expect(keys).toEqual(['gathering/default/flows/a@example.org', 'gone/default/flows/a@example.org'])
  })
})
