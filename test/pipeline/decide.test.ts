import fc from 'fast-check'
import { filter } from 'rxjs'
import { beforeEach, describe, expect, it } from 'vitest'
import { decide } from '../../pipeline/decide.ts'
import type { FlowMonitor } from '../../pipeline/monitors/monitor.ts'
import { encode } from '../../schemas/codec.ts'
import type { FlowEvent, Notice, Verdict } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'
import { type FlowDifference, flowEvent, T } from '../operators/flow-events.ts'
import { monitorWith } from './monitors/flow-monitors.ts'
import { openStageWorld, type Running, type StageWorld } from './runtime/stage-world.ts'

let world: StageWorld
let monitors: readonly FlowMonitor[]
beforeEach(() => {
  world = openStageWorld()
  monitors = [monitorWith({}, { name: 'flows' })]
})

const run = (): Running =>
  world.run(
    decide({
      ...world.common,
      monitors: () => ({ monitors: { FlowEvent: monitors, AlertEvent: [] }, configuration: 'c1' }),
    }),
  )
const flow = (id: string, difference: FlowDifference = {}): FlowEvent =>
  flowEvent({ ...difference, event: { id, told_once_as: `once ${id}`, ...difference.event } })
const put = async (...events: readonly FlowEvent[]): Promise<void> => {
  await world.log.append(
    events.map((event) => ({
      topic: topics.flowEvents.name,
      key: `root/${event.client.id}`,
      value: encode('FlowEvent', event),
    })),
  )
  await world.settle()
}
const notices = (): Promise<readonly Notice[]> => world.values(topics.notices, 'Notice')
const verdicts = async (): Promise<readonly (Verdict & { readonly event: string })[]> =>
  (await world.outcomes()).flatMap(({ event, verdicts: each }) => each.map((verdict) => ({ ...verdict, event })))
const told = async (): Promise<readonly string[]> =>
  (await verdicts()).map(({ event, outcome }) => `${event} ${outcome}`)

describe('an event', () => {
  it('that is told becomes a notice for each recipient, and one verdict that names them', async () => {
    monitors = [
      monitorWith(
        { Recipients: ['SOC <Soc@example.org>', 'ann@example.org'], Sender: 'relay@example.org' },
        { name: 'm' },
      ),
    ]
    run()
    await put(flow('e1'))
    const made = await notices()
    expect(made).toMatchObject([
      {
        monitor: 'm',
        artifact: 'Server.Monitor.FlowCompletion',
        channel: 'default',
        recipient: { address: 'Soc@example.org', name: 'SOC' },
        sender: { address: 'relay@example.org' },
        noticed_at: T,
        configuration: 'c1',
        event_at: { topic: 'events.flows', partition: 0, offset: 0 },
        flow: { id: 'e1' },
        flow_letter: { html: true },
      },
      { recipient: { address: 'ann@example.org' } },
    ])
    expect((await world.records(topics.notices)).map(({ key }) => key)).toEqual([
      'default/soc@example.org',
      'default/ann@example.org',
    ])
    expect(await world.outcomes()).toMatchObject([
      {
        event: 'e1',
        org: 'root',
        client: 'C.1111111111111111',
        flow: 'F.D7KDSKSILR3TG',
        hunt: '',
        event_at: { offset: 0 },
        configuration: 'c1',
        deliveries: [],
        verdicts: [{ monitor: 'm', outcome: 'told', objections: [], reason: '', notices: made.map(({ id }) => id) }],
      },
    ])
    expect(new Set(made.map(({ id }) => id)).size).toBe(2)
  })

  it('stands in its notices with everything, also what monitors do not look at', async () => {
    monitors = [monitorWith({}, { name: 'm' })]
    run()
    const event = flow('e1', {
      event: { row: '{"FlowId":"F.1"}', org_name: 'Kitchen' },
      client: { fqdn: 'host1.example.org' },
    })
    await put(event)
    expect(JSON.parse(JSON.stringify((await notices()).map((notice) => notice.flow)))).toEqual([
      JSON.parse(JSON.stringify(event)),
    ])
  })

  it('that comes with many others has its place among them', async () => {
    run()
    const ids = Array.from({ length: 120 }, (_, n) => `e${n}`)
    await put(...ids.map((id) => flow(id)))
    expect(await told()).toEqual(ids.map((id) => `${id} told`))
    expect((await notices()).map((notice) => notice.flow?.id)).toEqual(ids)
  })

  it('that is objected to says by which filters and why', async () => {
    run()
    await put(flow('e1', { event: { completed_at: T + 3000 } }))
    expect(await verdicts()).toMatchObject([
      {
        outcome: 'objected',
        objections: [{ by: 'delay', reason: 'completed 3 s after its creation, which is less than 10 s' }],
        notices: [],
      },
    ])
    expect(await notices()).toEqual([])
  })

  it('that is told in spite of objections says by what they were overruled', async () => {
    monitors = [monitorWith({ NewClientArtifacts: '.' })]
    run()
    await put(flow('e1', { client: { first_seen_at: T }, event: { completed_at: T } }))
    expect(await verdicts()).toMatchObject([
      { outcome: 'told', objections: [{ by: 'delay' }], overruled_by: ['new client'] },
    ])
  })

  it('that nobody is told of says so, with warnings', async () => {
    monitors = [
      monitorWith({
        Recipients: [],
        NotifyExecutor: true,
        NotifyExecutorDomains: [{ UsernameRegex: '.', Domain: 'example.org' }],
      }),
    ]
    run()
    await put(flow('e1', { flow: { creator: 'two words' } }))
    expect(await verdicts()).toMatchObject([
      {
        outcome: 'no_recipients',
        reason: expect.stringContaining('nobody to tell') as string,
        warnings: [expect.stringMatching(/^creator: /) as string],
      },
    ])
  })

  it('FC-68 whose flow was told before is a duplicate of that event, also after a restart', async () => {
    const first = run()
    await put(flow('e1', { event: { told_once_as: 'one' } }), flow('e2', { event: { told_once_as: 'one' } }))
    first.stop()
    await world.reopen()
    run()
    await put(flow('e3', { event: { told_once_as: 'one' } }))
    expect((await verdicts()).map(({ outcome, of, reason }) => [outcome, of, reason])).toEqual([
      ['told', '', ''],
      ['duplicate', 'e1', 'completed again'],
      ['duplicate', 'e1', 'completed again'],
    ])
    expect(await notices()).toHaveLength(1)
  })

  it('is judged by every monitor for itself', async () => {
    monitors = [
      monitorWith({}, { name: 'a' }),
      monitorWith({ DelayThreshold: 100 }, { name: 'b' }),
      monitorWith({}, { name: 'c' }),
    ]
    run()
    await put(flow('e1'), flow('e2'))
    const [first, ...more] = await world.outcomes()
    expect(more).toHaveLength(1)
    expect(first?.verdicts.map(({ monitor, outcome }) => `${monitor} ${outcome}`)).toEqual([
      'a told',
      'b objected',
      'c told',
    ])
    expect(new Set((await notices()).map(({ id }) => id)).size).toBe(4)
  })

  it('has an outcome though there is no monitor', async () => {
    monitors = []
    run()
    await put(flow('e1'))
    expect(await world.outcomes()).toMatchObject([{ event: 'e1', verdicts: [] }])
  })

  it('that cannot be read is rejected with its origin, and others go on', async () => {
    run()
    await world.log.append([{ topic: topics.flowEvents.name, key: 'k', value: Buffer.from('?') }])
    await put(flow('e1'))
    expect(await world.rejects()).toMatchObject([
      { stage: 'decide', topic: 'events.flows', partition: 0, offset: 0, key: 'k' },
    ])
    expect(await told()).toEqual([' rejected', 'e1 told'])
  })
})

describe('a monitor', () => {
  it('that is new begins now, and a changed one keeps what it told', async () => {
    run()
    await put(flow('e1', { event: { told_once_as: 'one' } }))
    monitors = [monitorWith({ DelayThreshold: 20 }, { name: 'flows' }), monitorWith({}, { name: 'new' })]
    await put(flow('e2', { event: { told_once_as: 'one' } }))
    expect((await verdicts()).map(({ monitor, outcome }) => `${monitor} ${outcome}`)).toEqual([
      'flows told',
      'flows duplicate',
      'new told',
    ])
  })

  it('that drops an event is a defect: nothing is committed', async () => {
    monitors = [{ ...monitorWith({}), chain: () => filter(() => false) }]
    const running = run()
    await put(flow('e1'))
    expect(running.failure()).toEqual(new Error('monitor flows gave 0 verdicts for one event'))
    expect(await world.outcomes()).toEqual([])
  })

  it('opens a window of its own for what is read back after a live event, and keeps the live one', async () => {
    const dedup = { windowMs: 3_600_000, window: '1h', by: ['client.id'] as const }
    monitors = [monitorWith({}, { dedup })]
    run()
    const at = (id: string, minutes: number): FlowEvent => flow(id, { event: { received_at: T + minutes * 60_000 } })
    await put(at('live', 300))
    await put(at('back', 100), at('back again', 120))
    await put(at('live again', 320), at('later', 360))
    expect((await verdicts()).map(({ event, outcome, of }) => [event, outcome, of])).toEqual([
      ['live', 'told', ''],
      ['back', 'told', ''],
      ['back again', 'duplicate', 'back'],
      ['live again', 'duplicate', 'live'],
      ['later', 'told', ''],
    ])
  })

  it('forgets what it told long ago', async () => {
    const running = run()
    await put(flow('e1', { event: { told_once_as: 'one' } }))
    await world.pass(100 * 86_400_000)
    await put(flow('e2', { event: { told_once_as: 'one', received_at: world.clock.now() } }))
    expect((await told()).at(-1)).toBe('e2 told')
    running.stop()
    const left: string[] = []
    world.log.tasks({ name: 'decide', inputs: [topics.flowEvents.name] }).subscribe(({ state }) => {
      for (const [key] of state.range('', '~')) left.push(key)
    })
    expect(left).toHaveLength(1)
  })
})

describe('decisions', () => {
  it('are the same whatever turns and refused commits the events come in', async () => {
    const once = fc.array(fc.tuple(fc.constantFrom('one', 'two', 'three'), fc.constantFrom(T, T + 60_000)), {
      minLength: 1,
      maxLength: 8,
    })
    const faults = fc.array(fc.constantFrom('before' as const, 'after' as const), { maxLength: 4 })
    const decided = async (
      events: readonly FlowEvent[],
      parts: number,
      planned: readonly ('before' | 'after')[],
    ): Promise<unknown> => {
      world = openStageWorld()
      world.failCommits('decide', ...planned)
      const running = run()
      const size = Math.ceil(events.length / parts)
      for (let at = 0; at < events.length; at += size) {
        await put(...events.slice(at, at + size))
        await world.pass(300)
      }
      await world.pass(20_000)
      running.stop()
      const made = (await notices()).map(({ id, event_at }) => [id, event_at.offset])
      return [(await verdicts()).map(({ event, outcome, of, notices: ids }) => [event, outcome, of, ids]), made]
    }
    await fc.assert(
      fc.asyncProperty(once, fc.integer({ min: 1, max: 4 }), faults, async (kinds, parts, planned) => {
        const events = kinds.map(([told_once_as, completed_at], n) =>
          flow(`e${n}`, { event: { told_once_as, completed_at } }),
        )
        expect(await decided(events, parts, planned)).toEqual(await decided(events, 1, []))
      }),
      { numRuns: 60 },
    )
  })
})
