import fc from 'fast-check'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import type { EventLog } from '../../../connectors/log/event-log.ts'
import type { FlowField } from '../../../operators/flow-fields.ts'
import type { DedupSettings } from '../../../pipeline/config/configuration.ts'
import { decide } from '../../../pipeline/decide.ts'
import type { FlowMonitor } from '../../../pipeline/monitors/monitor.ts'
import { openReplayFile } from '../../../pipeline/replay/replay-file.ts'
import { replay } from '../../../pipeline/replay/replay.ts'
import { encode } from '../../../schemas/codec.ts'
import type { FlowEvent } from '../../../schemas/generated.ts'
import { allTopics, topics } from '../../../schemas/topics.ts'
import { flowEvent } from '../../operators/flow-events.ts'
import { monitorWith } from '../monitors/flow-monitors.ts'
import { openStageWorld, type StageWorld, start } from '../runtime/stage-world.ts'
import { replayed, workOf } from './replays.ts'

const minute = 60_000
const noCounts = { events: 0, before: 0, foreign: 0, unrecorded: 0, made: 0, wereMade: 0 }
const dedupOf = (minutes: number): DedupSettings<FlowField> => ({
  windowMs: minutes * minute,
  window: `${minutes}m`,
  by: ['client.id'],
})

/** A flow as the properties vary it. */
interface Plan {
  readonly client: number
  readonly flow: number
  readonly minute: number
  readonly isLong: boolean
}

const eventOf = ({ client, flow, minute: at, isLong }: Plan, n: number): FlowEvent =>
  flowEvent({
    client: { id: `C.${client}` },
    flow: { id: `F.${flow}`, creator: `analyst${flow % 3}` },
    event: {
      id: `e${n}`,
      told_once_as: `C.${client}/F.${flow}`,
      received_at: start + at * minute,
      completed_at: start + (isLong ? 60_000 : 5000),
    },
  })

const recordOf = (event: FlowEvent) => ({
  topic: topics.flowEvents.name,
  key: `root/${event.client.id}`,
  value: encode('FlowEvent', event),
})

const rulesOf = (monitors: readonly FlowMonitor[]) => ({
  monitors: { FlowEvent: monitors, AlertEvent: [] },
  configuration: 'c1',
})

/** A world in which decide has judged these events, read in batches of these sizes. */
const judgedWorld = async (
  events: readonly FlowEvent[],
  monitors: readonly FlowMonitor[],
  sizes: readonly number[] = [events.length],
): Promise<StageWorld> => {
  const world = openStageWorld({ partitions: 2 })
  // Events come after the server received them.
  await world.pass(300 * minute)
  const running = world.run(decide({ ...world.common, monitors: () => rulesOf(monitors) }))
  for (let at = 0, n = 0; at < events.length; n++) {
    const size = Math.max(1, sizes[n % sizes.length] ?? 1)
    await world.log.append(events.slice(at, at + size).map(recordOf))
    at += size
    await world.settle()
  }
  running.stop()
  return world
}

const plans = fc.array(
  fc.record({
    client: fc.integer({ min: 1, max: 3 }),
    flow: fc.integer({ min: 1, max: 12 }),
    minute: fc.integer({ min: 0, max: 240 }),
    isLong: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
)
const monitorsWith = (window: number | null, delay: number, nobody = false): readonly FlowMonitor[] => [
  monitorWith(
    { DelayThreshold: delay, Recipients: nobody ? [] : ['soc@example.org'] },
    { name: 'a', dedup: window === null ? null : dedupOf(window) },
  ),
  monitorWith(
    {
      Recipients: ['ann@example.org', 'Bob <bob@example.org>'],
      NotifyExecutor: true,
      NotifyExecutorDomains: [{ UsernameRegex: '.', Domain: 'example.org' }],
    },
    { name: 'b', dedup: dedupOf(30) },
  ),
]

const named = (pairs: readonly { readonly event: string; readonly monitor: string; readonly recipient: string }[]) =>
  pairs.map(({ event, monitor, recipient }) => `${event} ${monitor} ${recipient}`).toSorted()

describe('a replay', () => {
  it('of the same rules over the whole log gains and loses nothing, whatever the batches and windows', async () => {
    await fc.assert(
      fc.asyncProperty(
        plans,
        fc.option(fc.integer({ min: 1, max: 120 })),
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 }),
        async (flows, window, sizes) => {
          const monitors = monitorsWith(window, 30)
          const events = flows.map(eventOf)
          const { log, clock } = await judgedWorld(events, monitors, sizes)
          const found = await replayed({ log, clock, rules: rulesOf(monitors) })
          expect(named(found.gained)).toEqual([])
          expect(named(found.lost)).toEqual([])
          expect(found.counts).toEqual({ ...noCounts, events: events.length })
        },
      ),
      { numRuns: 60 },
    )
  })

  it('that begins in the middle judges what follows as one of the whole log does', async () => {
    await fc.assert(
      fc.asyncProperty(
        plans,
        fc.integer({ min: 0, max: 240 }),
        fc.option(fc.integer({ min: 1, max: 120 })),
        async (flows, middle, window) => {
          const { log, clock } = await judgedWorld(flows.map(eventOf), monitorsWith(45, 30))
          const rules = rulesOf(monitorsWith(window, 0))
          const from = start + middle * minute
          const whole = await replayed({ log, clock, rules })
          const part = await replayed({ log, clock, rules, range: { from, to: Number.MAX_SAFE_INTEGER } })
          const later = new Set(flows.flatMap(({ minute: at }, n) => (start + at * minute >= from ? [`e${n}`] : [])))
          for (const kind of ['gained', 'lost', 'kept'] as const)
            expect(named(part[kind])).toEqual(named(whole[kind].filter(({ event }) => later.has(event))))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('of other rules names who would be told that was not, and who was that would not be', async () => {
    const events = [
      eventOf({ client: 1, flow: 1, minute: 0, isLong: true }, 1),
      eventOf({ client: 1, flow: 2, minute: 1, isLong: false }, 2),
      eventOf({ client: 1, flow: 3, minute: 2, isLong: true }, 3),
    ]
    const { log, clock } = await judgedWorld(events, [monitorWith({ DelayThreshold: 30 }, { name: 'long' })])
    const other = monitorWith({ DelayThreshold: 0 }, { name: 'renamed', dedup: dedupOf(2) })
    const found = await replayed({ log, clock, rules: rulesOf([other]) })
    // e2 lies inside the window of e1; e3 opens the next one.
    expect(named(found.kept)).toEqual(['e1 renamed soc@example.org', 'e3 renamed soc@example.org'])
    expect([found.gained, found.lost]).toEqual([[], []])
    const all = await replayed({ log, clock, rules: rulesOf([monitorWith({ DelayThreshold: 0 }, { name: 'all' })]) })
    expect(named(all.gained)).toEqual(['e2 all soc@example.org'])
    const none = await replayed({ log, clock, rules: rulesOf([monitorWith({ DelayThreshold: 999 })]) })
    expect(named(none.lost)).toEqual(['e1 long soc@example.org', 'e3 long soc@example.org'])
  })

  it('names whom nobody wrote to yet and who would not be told, by the notices alone', async () => {
    const events = [eventOf({ client: 1, flow: 1, minute: 0, isLong: true }, 1)]
    const present = monitorWith({ Recipients: ['soc@example.org', 'Ann <Ann@example.org>'] }, { name: 'present' })
    const { log, clock } = await judgedWorld(events, [present])
    const fewer = monitorWith({ Recipients: ['SOC@example.org'] }, { name: 'fewer' })
    const found = await replayed({ log, clock, rules: rulesOf([fewer]) })
    expect(named(found.lost)).toEqual(['e1 present Ann@example.org'])
    expect(named(found.kept)).toEqual(['e1 fewer SOC@example.org'])
    expect(found.gained).toEqual([])
  })

  it('counts foreign records in its range and leaves them out, and events that have no verdict yet', async () => {
    const monitors = [monitorWith({})]
    const world = await judgedWorld([eventOf({ client: 1, flow: 1, minute: 0, isLong: true }, 1)], monitors)
    const key = 'root/C.1'
    await world.log.append([{ topic: topics.flowEvents.name, key, value: Buffer.from('foreign') }])
    await world.log.append([recordOf(eventOf({ client: 1, flow: 2, minute: 1, isLong: true }, 2))])
    const running = world.run(decide({ ...world.common, monitors: () => rulesOf(monitors) }))
    await world.settle()
    running.stop()
    await world.log.append([
      recordOf(eventOf({ client: 1, flow: 3, minute: 2, isLong: true }, 3)),
      { topic: topics.flowEvents.name, key, value: Buffer.from('foreign') },
    ])
    const { counts, gained } = await replayed({ ...world.common, rules: rulesOf(monitors) })
    expect(counts).toEqual({ ...noCounts, events: 2, foreign: 2, unrecorded: 1 })
    expect(gained).toEqual([])
  })

  it('of positions in one partition judges these alone', async () => {
    const events = Array.from({ length: 6 }, (_, n) => eventOf({ client: 1, flow: n, minute: n, isLong: true }, n))
    const { log, clock } = await judgedWorld(events, [monitorWith({ DelayThreshold: 999 })])
    const rules = rulesOf([monitorWith({})])
    const partition = (await replayed({ log, clock, rules })).gained[0]?.partition ?? -1
    const found = await replayed({ log, clock, rules, range: { partition, positions: { from: 2, to: 4 } } })
    expect(named(found.gained)).toEqual(['e2 flows soc@example.org', 'e3 flows soc@example.org'])
  })

  it('interrupted after any page goes on from its file to the same pairs', async () => {
    const monitors = monitorsWith(null, 0)
    const events = Array.from({ length: 2600 }, (_, n) =>
      eventOf({ client: 1 + (n % 3), flow: n, minute: n % 230, isLong: n % 4 > 0 }, n),
    )
    const { log, clock } = await judgedWorld(events, monitors)
    const same = await replayed({ log, clock, rules: rulesOf(monitors) })
    expect([named(same.gained), named(same.lost)]).toEqual([[], []])
    expect(same.kept.length).toBeGreaterThan(2600)
    const rules = rulesOf(monitorsWith(10, 0))
    const whole = await replayed({ log, clock, rules })
    const dir = mkdtempSync(join(tmpdir(), 'relay-replay-'))
    try {
      let interruptions = -1
      for (let found = null; found === null; interruptions++) {
        const stop = new AbortController()
        const file = openReplayFile(join(dir, 'replay.db'))
        found = await replay(workOf({ log, clock, rules, file, stop: stop.signal, onProgress: () => stop.abort() }))
        if (found !== null) {
          expect(found).toEqual({ counts: whole.counts, pairs: whole.pairs })
          expect(named([...file.pairs(['gained'])])).toEqual(named(whole.gained))
          expect(named([...file.pairs(['lost'])])).toEqual(named(whole.lost))
        }
        file.close()
      }
      expect(interruptions).toBeGreaterThan(8)
      expect(whole.lost.length).toBeGreaterThan(100)
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })

  it('reads an embedded log as it does one in memory', async () => {
    const monitors = monitorsWith(20, 30)
    const events = Array.from({ length: 300 }, (_, n) =>
      eventOf({ client: 1 + (n % 3), flow: n % 90, minute: n % 230, isLong: n % 4 > 0 }, n),
    )
    const world = await judgedWorld(events, monitors)
    const dir = mkdtempSync(join(tmpdir(), 'relay-replay-'))
    const { clock } = world
    let log: EventLog | undefined
    try {
      log = await openEmbeddedLog({ dir, partitions: 2, topics: allTopics, clock, tell: () => undefined })
      for (const topic of [topics.flowEvents, topics.outcomes, topics.notices])
        for (const { partition, key, value } of await world.records(topic))
          await log.append([{ topic: topic.name, key, value, partition }])
      const rules = rulesOf(monitorsWith(10, 0))
      const [one, other] = [await replayed({ log, clock, rules }), await replayed({ log: world.log, clock, rules })]
      expect(one).toEqual(other)
      expect(one.gained.length).toBeGreaterThan(0)
    } finally {
      await log?.close()
      rmSync(dir, { recursive: true, force: true })
    }
  })
})
