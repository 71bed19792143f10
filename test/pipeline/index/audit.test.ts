import { rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { replyOfCode, SERVER_DOWN } from '../../../connectors/mail/outbox.ts'
import { commandLetters } from '../../../pipeline/dead/command-letters.ts'
import { readDeadLetters } from '../../../pipeline/dead/read-dead-letters.ts'
import { auditLog } from '../../../pipeline/index/audit.ts'
import type { Audit } from '../../../pipeline/index/audit-work.ts'
import { indexFileIn } from '../../../pipeline/index/outcome-index.ts'
import { encode } from '../../../schemas/codec.ts'
import type { Outcome } from '../../../schemas/generated.ts'
import { topics } from '../../../schemas/topics.ts'
import { flowOf, type IndexWorld, openIndexWorld, start } from './index-world.ts'

const stages = ['decide', 'deliver', 'index'] as const
const count = 12

const ofOtherKinds = `
  - { name: alerts, artifact: Server.Monitor.Alerts, parameters: { Recipients: [soc@example.org] } }
  - { name: one, queue: Lab.One, alert: { name: one }, parameters: { Recipients: [one@example.org] } }
  - { name: two, queue: Lab.Two, alert: { name: two } }
`

let world: IndexWorld
beforeEach(async () => {
  world = await openIndexWorld()
})
afterEach(() => world.dispose())

const told = async (): Promise<void> => {
  await world.run(stages)
  await world.events(...Array.from({ length: count }, (_, n) => flowOf(n)))
  await world.pass(60_000)
}
const audit = (since: number | null = null, fromLog = false): Promise<Audit> =>
  auditLog({ settings: world.configuration.log.embedded, clock: world.clock, fromLog }, since)
const outcomesOf = async (is: (outcome: Outcome) => boolean) =>
  (await world.outcomes()).filter(({ value }) => is(value))
const append = (partition: number, outcome: Outcome) =>
  world.log.append([{ topic: topics.outcomes.name, key: '', partition, value: encode('Outcome', outcome) }])
const kindsOf = ({ findings }: Audit): readonly string[] => findings.map(({ kind }) => kind)

describe('an audit', () => {
  it('finds all accounted for, and counts it by monitor', async () => {
    await told()
    const { found, events, monitors, lanes } = await audit()
    expect({ found, events }).toEqual({ found: 0, events: count })
    expect(monitors).toMatchObject([
      { monitor: 'gathered', events: count, told: count, notices: count, delivered: count, waiting: 0 },
      { monitor: 'nobody', events: count, told: 0, noRecipients: count, notices: 0 },
      { monitor: 'soc', events: count, told: 6, objected: 6, objectedBy: { delay: 6 }, notices: 12, delivered: 12 },
    ])
    const ofFlows = lanes.filter(({ topic }) => topic === topics.flowEvents.name)
    expect(ofFlows.map(({ from, end, judged, ahead }) => ({ from, end, judged, ahead }))).toEqual([
      { from: 0, end: 6, judged: 6, ahead: 0 },
      { from: 0, end: 6, judged: 6, ahead: 0 },
    ])
  })

  it('expects of an event the monitors of its kind, of its queue, and of the alerts that a monitor made', async () => {
    await world.dispose()
    world = await openIndexWorld({ monitors: ofOtherKinds })
    for (const queue of ['Lab.One', 'Lab.Two']) world.server.knowQueue('root', queue)
    await world.run()
    await world.pass(1000)
    world.server.emit('root', 'System.Flow.Completion', { ClientId: 'C.1', FlowId: 'F.LIVE1' }, world.clock.now())
    world.server.emit(
      'root',
      'Server.Internal.Alerts',
      { client_id: 'C.1', name: 'a', event_data: {} },
      world.clock.now(),
    )
    world.server.emit('root', 'Lab.One', { ClientId: 'C.1' }, world.clock.now())
    world.server.emit('root', 'Lab.One', { ClientId: 'C.2' }, world.clock.now())
    world.server.emit('root', 'Lab.Two', { ClientId: 'C.2' }, world.clock.now())
    await world.pass(60_000)
    const { found, monitors } = await audit()
    expect(Object.fromEntries(monitors.map(({ monitor, events }) => [monitor, events]))).toMatchObject({
      soc: 1,
      alerts: 4,
      one: 4,
      two: 1,
    })
    expect(found).toBe(0)
    const [alert] = await outcomesOf(({ scope, verdicts }) => scope === 'one' && verdicts.length > 1)
    if (alert === undefined) throw new Error('no alert was made')
    await world.stop()
    world.remove(topics.outcomes.name, alert)
    await append(alert.partition, { ...alert.value, verdicts: alert.value.verdicts.slice(0, 1) })
    expect(kindsOf(await audit(null, true))).toEqual(['monitor left out', 'delivered twice'])
  })

  it('finds the same from the log alone, and without an index', async () => {
    await told()
    const { readAfresh, everyRecord, ...kept } = await audit()
    const { readAfresh: all, everyRecord: every, ...fromLog } = await audit(null, true)
    await world.stop()
    rmSync(indexFileIn(world.dir))
    const { readAfresh: alone, everyRecord: _, ...without } = await audit()
    expect(fromLog).toEqual(kept)
    expect(without).toEqual(kept)
    expect({ readAfresh, everyRecord, all, every, alone }).toEqual({
      readAfresh: 0,
      everyRecord: true,
      all: 36,
      every: true,
      alone: 36,
    })
  })

  it('counts what waits: letters that gather, letters that cannot be sent, notices that are not read', async () => {
    world.outbox.inject({ reply: SERVER_DOWN, to: 'soc@example.org' })
    await world.run(['decide', 'deliver', 'index'])
    await world.events(flowOf(0), flowOf(2))
    await world.pass(1000)
    expect(await audit()).toMatchObject({
      found: 0,
      monitors: [
        { monitor: 'gathered', notices: 2, delivered: 0, waiting: 2 },
        {},
        { monitor: 'soc', notices: 4, waiting: 4 },
      ],
    })
    await world.stop()
    await world.run(['decide', 'index'])
    await world.events(flowOf(4))
    await world.pass(1000)
    expect(await audit()).toMatchObject({ found: 0, monitors: [{ waiting: 3 }, {}, { waiting: 6 }] })
  })

  it('counts events that decide has not read as not judged, and does not miss them', async () => {
    await told()
    await world.stop()
    await world.events(flowOf(20), flowOf(21), flowOf(22))
    const { found, lanes } = await audit()
    expect(found).toBe(0)
    expect(lanes.reduce((sum, { ahead }) => sum + ahead, 0)).toBe(3)
  })

  it('counts letters that nobody took', async () => {
    world.outbox.inject({ reply: replyOfCode(550), to: 'lead@example.org' })
    await told()
    expect(await audit()).toMatchObject({
      found: 0,
      monitors: [{}, {}, { monitor: 'soc', delivered: 6, undeliverable: 6, waiting: 0 }],
    })
  })

  it('counts the last word of a letter: what was redriven is delivered, what was dropped is not', async () => {
    world.outbox.inject({ reply: replyOfCode(550), to: 'lead@example.org', times: 6 })
    await told()
    const terms = { now: 0, everyMs: 0 }
    const [first, second, ...others] = await readDeadLetters(world.log, 0)
    if (first === undefined || second === undefined) throw new Error('nothing died')
    await commandLetters(world.log, [first], { kind: 'drop', ...terms })
    await commandLetters(world.log, [first, second, ...others.slice(0, 2)], { kind: 'redrive', ...terms })
    await world.pass(60_000)
    const soc = { monitor: 'soc', notices: 12, delivered: 9, undeliverable: 2, dropped: 1, waiting: 0 }
    expect(await audit()).toMatchObject({ found: 0, monitors: [{}, {}, soc] })
    expect(await audit(null, true)).toMatchObject({ found: 0, monitors: [{}, {}, soc] })
  })

  it('counts a redriven letter that waits', async () => {
    world.outbox.inject({ reply: replyOfCode(550), to: 'lead@example.org', times: 6 })
    await told()
    world.outbox.inject({ reply: SERVER_DOWN })
    await commandLetters(world.log, await readDeadLetters(world.log, 0), { kind: 'redrive', now: 0, everyMs: 0 })
    await world.pass(60_000)
    const soc = { monitor: 'soc', notices: 12, delivered: 6, undeliverable: 0, waiting: 6 }
    expect(await audit()).toMatchObject({ found: 0, monitors: [{}, {}, soc] })
  })

  it('counts records that were rejected before they were events, and as events', async () => {
    await world.run(['enrich', 'decide', 'deliver', 'index'])
    for (const topic of [topics.rawFlowCompletions.name, topics.flowEvents.name])
      await world.log.append([{ topic, key: 'root/C.1', value: Buffer.from('no event') }])
    await world.settle()
    expect(await audit()).toMatchObject({
      found: 0,
      aside: { 'raw.flow-completions': 1 },
      events: 1,
      monitors: [{ monitor: '', events: 1, rejected: 1 }],
    })
  })

  it('looks only at events since a time', async () => {
    await told()
    await world.events(flowOf(20), flowOf(21))
    await world.pass(60_000)
    expect(await audit(start + 60_000)).toMatchObject({
      found: 0,
      events: 2,
      monitors: [
        { monitor: 'gathered', events: 2, delivered: 2 },
        {},
        { monitor: 'soc', events: 2, notices: 2, delivered: 2 },
      ],
    })
    expect(await audit(start + 3_600_000)).toMatchObject({ found: 0, events: 0 })
  })

  it('of a log that nobody has run on finds nothing to account for', async () => {
    expect(await audit()).toMatchObject({ found: 0, events: 0, monitors: [] })
  })
})

describe('an audit names', () => {
  it.each(['first', 'middle', 'last'] as const)(
    'the event whose outcome was removed from the log, the %s one',
    async (which) => {
      await told()
      await world.stop()
      const judged = await outcomesOf(({ verdicts, event_at }) => verdicts.length > 0 && event_at.partition === 0)
      const one = judged.at({ first: 0, middle: 3, last: -1 }[which])
      if (one === undefined) throw new Error('nothing was judged')
      world.remove(topics.outcomes.name, one)
      const { event, event_at } = one.value
      for (const fromLog of [false, true]) {
        const { findings } = await audit(null, fromLog)
        expect(findings).toContainEqual({ kind: 'no verdict', id: event, notice: '', monitor: '', ...event_at })
        // Its notices were delivered, and nobody knows any more why.
        expect(new Set(findings.map(({ kind }) => kind))).toEqual(new Set(['no verdict', 'delivered twice']))
      }
    },
  )

  it('the notice whose delivery was removed from the log', async () => {
    await told()
    await world.stop()
    const one = (
      await outcomesOf(({ deliveries }) => deliveries.some(({ recipient }) => recipient === 'lead@example.org'))
    )[2]
    if (one === undefined) throw new Error('nothing was delivered')
    world.remove(topics.outcomes.name, one)
    const { findings, monitors } = await audit()
    const { event_at, deliveries } = one.value
    expect(findings).toEqual([
      { kind: 'no delivery', id: one.value.event, notice: deliveries[0]?.notice, monitor: 'soc', ...event_at },
    ])
    expect(monitors).toMatchObject([{}, {}, { monitor: 'soc', notices: 12, delivered: 11, waiting: 0 }])
  })

  it('the event that was judged twice, within an index and across its end', async () => {
    await told()
    const [one, two] = await outcomesOf(({ verdicts }) => verdicts.some(({ outcome }) => outcome === 'objected'))
    if (one === undefined || two === undefined) throw new Error('nothing was judged')
    const again = (outcome: Outcome): Outcome => ({
      ...outcome,
      verdicts: outcome.verdicts.map((verdict) => ({ ...verdict, notices: [] })),
    })
    await append(one.partition, again(one.value))
    await world.settle()
    await world.stop()
    await append(two.partition, again(two.value))
    const { findings } = await audit()
    for (const { value } of [one, two])
      expect(findings).toContainEqual({
        kind: 'verdicts twice',
        id: value.event,
        notice: '',
        monitor: '',
        ...value.event_at,
      })
    expect(findings).toHaveLength(2)
  })

  it('the notice that was delivered twice', async () => {
    await told()
    const [one] = await outcomesOf(({ deliveries }) => deliveries.length > 0)
    if (one === undefined) throw new Error('nothing was delivered')
    await append(one.partition, one.value)
    await world.settle()
    expect(await audit()).toMatchObject({
      findings: [{ kind: 'delivered twice', id: one.value.event, notice: one.value.deliveries[0]?.notice }],
    })
  })

  it('the verdict of an event that is not there: beyond the end, and removed from the log', async () => {
    await told()
    const [one] = await outcomesOf(({ verdicts, event_at }) => verdicts.length > 0 && event_at.partition === 0)
    if (one === undefined) throw new Error('nothing was judged')
    await append(0, {
      ...one.value,
      event_at: { ...one.value.event_at, offset: 77 },
      verdicts: [{ ...one.value.verdicts[0], notices: [] } as never],
    })
    await world.settle()
    await world.stop()
    world.remove(topics.flowEvents.name, { partition: 0, offset: 2 })
    expect(
      (await audit()).findings.filter(({ kind }) => kind === 'verdict of nothing').map(({ offset }) => offset),
    ).toEqual([2, 77])
  })

  it('the event of which one monitor said nothing', async () => {
    await told()
    await world.stop()
    const [one] = await outcomesOf(({ verdicts }) => verdicts.some(({ outcome }) => outcome === 'objected'))
    if (one === undefined) throw new Error('nothing was judged')
    world.remove(topics.outcomes.name, one)
    await append(one.partition, {
      ...one.value,
      verdicts: one.value.verdicts.filter(({ monitor }) => monitor !== 'nobody'),
    })
    const { event, event_at } = one.value
    expect((await audit()).findings).toEqual([
      { kind: 'monitor left out', id: event, notice: '', monitor: 'nobody', ...event_at },
    ])
  })

  it('nothing when monitors were added or taken away: another configuration', async () => {
    await told()
    const [one] = await outcomesOf(({ verdicts }) => verdicts.some(({ outcome }) => outcome === 'objected'))
    if (one === undefined) throw new Error('nothing was judged')
    await world.stop()
    world.remove(topics.outcomes.name, one)
    const verdicts = one.value.verdicts.map((verdict) =>
      verdict.monitor === 'nobody' ? { ...verdict, monitor: 'other' } : verdict,
    )
    await append(one.partition, { ...one.value, configuration: 'another', verdicts })
    expect(kindsOf(await audit())).toEqual([])
  })

  it('what was removed with age before it was judged as lost', async () => {
    await told()
    await world.stop()
    await world.events(...Array.from({ length: 8 }, (_, n) => flowOf(20 + n)))
    await world.reopen(31 * 86_400_000)
    await world.run(['index'])
    await world.pass(120_000)
    const { findings, monitors, lanes } = await audit()
    expect(findings).toEqual([...lostOf(0), ...lostOf(1)])
    expect(findings).toHaveLength(8)
    expect(monitors).toMatchObject([{ events: 12 }, { events: 12 }, { events: 12 }])
    expect(lanes.filter(({ ahead }) => ahead > 0)).toEqual([])
  })
})

/** The events after the six of each partition that were judged. */
const lostOf = (partition: number) =>
  Array.from({ length: 4 }, (_, n) => ({
    kind: 'lost',
    id: '',
    notice: '',
    monitor: '',
    topic: topics.flowEvents.name,
    partition,
    offset: 6 + n,
  }))
