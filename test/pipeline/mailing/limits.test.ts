import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { RateRule } from '../../../operators/rate-limit.ts'
import { receiptRecord } from '../../../pipeline/mailing/claim.ts'
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
  released,
  startProcess,
} from './mail-world.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute

let world: MailWorld
beforeEach(() => {
  world = openMailWorld()
  // One time in the world: deadlines are monotonic.
  vi.spyOn(performance, 'now').mockImplementation(() => world.clock.now())
})
afterEach(() => void vi.restoreAllMocks())

const perMinute = (most: number, burst = 1): RateRule => ({ most, perMs: minute, burst })
const begin = (
  limits: Parameters<typeof startProcess>[1]['limits'],
  sink = openHandSink(world.clock, answering(accepted), 8),
) => {
  const process = startProcess(world, { sinks: { default: sink }, ...(limits === undefined ? {} : { limits }) })
  return { sink, process }
}
const sent = ({ given }: HandSink): readonly string[] =>
  given.map(({ mail, at }) => `${(at - start) / second} s: ${mail.subject}`)
const named = (id: string, address = 'soc@example.org', severity = '') => noticeTo(address, { id, severity })

describe('a recipient with a limit', () => {
  it('gets one letter of what waits', async () => {
    const { sink } = begin({ recipient: perMinute(1) })
    await world.notify(...['a', 'b', 'c', 'd'].map((id) => named(id)))
    await world.pass(30 * second)
    await world.notify(named('e'))
    await world.pass(hour)
    expect(sent(sink)).toEqual(['0 s: a', '60 s: b,c,d,e'])
    expect((await world.deliveries()).map(({ notice, outcome }) => `${notice} ${outcome}`).toSorted()).toEqual(
      ['a', 'b', 'c', 'd', 'e'].map((id) => `${id} told`),
    )
  })

  it('gets the severest first, also of what came together', async () => {
    const { sink } = begin({ recipient: perMinute(1) })
    await world.notify(
      { ...named('low', 'soc@example.org', 'low'), monitor: 'm1' },
      { ...named('critical', 'soc@example.org', 'critical'), monitor: 'm2' },
      { ...named('high', 'soc@example.org', 'high'), monitor: 'm3' },
    )
    await world.pass(90 * second)
    await world.notify({ ...named('late', 'soc@example.org', 'critical'), monitor: 'm4' })
    await world.pass(hour)
    expect(sent(sink)).toEqual(['0 s: critical', '60 s: high', '120 s: late', '180 s: low'])
  })

  it('does not keep others waiting', async () => {
    const { sink } = begin({ recipient: perMinute(1) })
    await world.notify(named('a'), named('b'), named('x', 'lead@example.org'))
    await world.pass(0)
    expect(sent(sink)).toEqual(['0 s: a', '0 s: x'])
  })

  it('may have a burst', async () => {
    const { sink } = begin({ recipient: perMinute(6, 3) })
    await world.notify(...['a', 'b', 'c', 'd', 'e'].map((id) => named(id)))
    await world.pass(hour)
    expect(sent(sink)).toEqual(['0 s: a', '0 s: b', '0 s: c', '15 s: d,e'])
  })

  it('keeps its limit, and what waits, over a kill', async () => {
    const { process } = begin({ recipient: perMinute(1) })
    await world.notify(named('a'), named('b'))
    process.kill()
    await world.pass(20 * second)
    const { sink } = begin({ recipient: perMinute(1) })
    await world.notify(named('c'))
    await world.pass(hour)
    expect(sent(sink)).toEqual(['60 s: b,c'])
  })

  it('is counted every attempt, and a letter that was sent once gathers nothing', async () => {
    const { sink } = begin({ recipient: perMinute(1) }, openHandSink(world.clock, answering(deferred, accepted)))
    await world.notify(named('a'))
    await world.pass(10 * second)
    await world.notify(named('b'), named('c'))
    await world.pass(hour)
    expect(sent(sink)).toEqual(['0 s: a', '60 s: a', '120 s: b,c'])
  })

  it('is not charged for a letter that was given back unsent', async () => {
    const { sink } = begin({ recipient: perMinute(1) }, openHandSink(world.clock, answering(released, accepted)))
    await world.notify(named('a'))
    await world.pass(10 * second)
    expect(sent(sink)).toEqual(['0 s: a', '0 s: a'])
  })

  it('is sent what waited at once when the limit is taken out of the configuration', async () => {
    const { process } = begin({ recipient: perMinute(1) })
    await world.notify(named('a'), named('b'))
    process.stop()
    const { sink } = begin(undefined)
    await world.pass(minute)
    expect(sent(sink)).toEqual(['60 s: b'])
  })

  it('is sent what comes once the limit is back, as if what waited before had never waited', async () => {
    const before = begin({ recipient: perMinute(1) })
    await world.notify(...['a', 'b', 'c'].map((id) => named(id)))
    await world.notify({ ...named('m', 'soc@example.org', 'critical'), monitor: 'other' })
    await before.process.leave()
    const without = begin(undefined, before.sink)
    await world.pass(hour)
    await without.process.leave()
    const { sink } = begin({ recipient: perMinute(1) }, before.sink)
    await world.notify(named('d'), named('e'))
    await world.pass(hour)
    expect(
      sent(sink)
        .slice(-2)
        .map((text) => text.slice(text.indexOf(':'))),
    ).toEqual([': d', ': e'])
    expect((await world.deliveries()).map(({ notice, outcome }) => `${notice} ${outcome}`).toSorted()).toEqual(
      ['a', 'b', 'c', 'd', 'e', 'm'].map((id) => `${id} told`),
    )
  })
})

describe('a mail domain with a limit', () => {
  it('gets no more for all its recipients together, and others are not kept waiting', async () => {
    const { sink } = begin({ domain: perMinute(1) })
    await world.notify(named('a', 'a@example.org'), named('b', 'b@EXAMPLE.org'), named('x', 'x@example.com'))
    await world.pass(hour)
    expect(sent(sink)).toEqual(['0 s: a', '0 s: x', '60 s: b'])
  })
})

describe('a channel with a limit', () => {
  it('lets each recipient have a turn, in the order of coming', async () => {
    const { sink } = begin({ channel: perMinute(1) })
    const names = ['a', 'b', 'c', 'd']
    await world.notify(...names.map((name) => named(name, `${name}@example.org`)))
    await world.notify(named('a2', 'a@example.org'), named('b2', 'b@example.org'))
    await world.pass(hour)
    expect(sent(sink)).toEqual(['0 s: a', '60 s: b,b2', '120 s: c', '180 s: d', '240 s: a2'])
  })

  it('gives each partition its share, so that all together never send more', async () => {
    const partitions = 4
    world = openMailWorld(partitions)
    const { sink } = begin({ channel: { most: 8, perMs: minute, burst: 8 } })
    await world.notify(...Array.from({ length: 100 }, (_, n) => named(`n${n}`, `n${n}@example.org`)))
    await world.pass(hour)
    const times = sink.given.map(({ at }) => at)
    const mostInAMinute = Math.max(
      ...times.map((from) => times.filter((at) => at >= from && at < from + minute).length),
    )
    expect(mostInAMinute).toBeLessThanOrEqual(8)
    expect(times).toHaveLength(100)
  })
})

it('a spacing of the monitor holds beside the limit', async () => {
  const { sink } = begin({ recipient: perMinute(6, 6) })
  const rule = { quietMs: 0, longestMs: 0, most: 500, firstAtOnce: false, spacingMs: 10 * minute }
  const spaced = (id: string) => noticeTo('soc@example.org', { id, rule })
  await world.notify(spaced('a'))
  await world.notify(spaced('b'), spaced('c'))
  await world.pass(hour)
  expect(sent(sink)).toEqual(['0 s: a', '600 s: b,c'])
})

it('a late receipt of a letter that waits for the limit settles it', async () => {
  const { sink } = begin({ recipient: perMinute(1) }, openHandSink(world.clock, answering(deferred, accepted)))
  await world.notify(named('a'))
  await world.pass(second)
  await world.log.append([
    receiptRecord(0, { letter: 'a', attempt: 1, kind: 'accepted', at: 0, sender: 'p', code: 250, reply: 'taken' }),
  ])
  await world.pass(hour)
  expect(sink.given).toHaveLength(1)
})
