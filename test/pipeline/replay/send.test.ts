import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { auditLog } from '../../../pipeline/index/audit.ts'
import { storyOf } from '../../../pipeline/index/story.ts'
import { configurationHash } from '../../../pipeline/config/hash.ts'
import { amountOf, send, type SendTerms } from '../../../pipeline/replay/send.ts'
import { replay } from '../../../pipeline/replay/replay.ts'
import type { Rules } from '../../../pipeline/replay/replay-work.ts'
import { monitorsOf } from '../../../pipeline/monitors/monitors-of.ts'
import { ConnectorError } from '../../../connectors/errors.ts'
import type { EventLog } from '../../../connectors/log/event-log.ts'
import { decode } from '../../../schemas/codec.ts'
import { topics } from '../../../schemas/topics.ts'
import { flowOf, type IndexWorld, openIndexWorld } from '../index/index-world.ts'
import { monitorWith } from '../monitors/flow-monitors.ts'
import { workOf } from './replays.ts'

describe('a replay that is sent', () => {
  let world: IndexWorld
  beforeEach(async () => {
    world = await openIndexWorld()
    await world.run()
    await world.events(...Array.from({ length: 8 }, (_, n) => flowOf(n)))
    await world.pass(60_000)
  })
  afterEach(() => world.dispose())

  /** Tells also of short flows, and one person more. */
  const wider = (): Rules => ({
    monitors: {
      AlertEvent: [],
      FlowEvent: [
        {
          ...monitorWith(
            { Recipients: ['soc@example.org', 'new@example.org'], DelayThreshold: 0, NotifyHunts: true },
            { name: 'soc' },
          ),
          channel: world.configuration.channels[0]?.name ?? '',
        },
      ],
    },
    configuration: 'wider',
  })
  const present = (): Rules => ({
    monitors: monitorsOf(world.configuration),
    configuration: configurationHash(world.configuration),
  })
  /** Replays and sends; answers with the letters that went out, as recipients in order. */
  const sent = async (
    rules: Rules,
    terms: Partial<SendTerms> = {},
    log: EventLog = world.log,
  ): Promise<readonly string[]> => {
    const before = world.outbox.delivered.length
    const work = workOf({ log, clock: world.clock, rules })
    expect(await replay(work)).not.toBeNull()
    await send(work, { replay: 'one', again: false, ...terms })
    for (let minutes = 0; minutes < 5; minutes++) await world.pass(60_000)
    return world.outbox.delivered
      .slice(before)
      .map(({ mail }) => mail.to.address)
      .toSorted()
  }
  const audit = () => auditLog({ settings: world.configuration.log.embedded, clock: world.clock }, null)

  it('tells who was not told, and nobody twice however often it is repeated', async () => {
    const work = workOf({ log: world.log, clock: world.clock, rules: wider() })
    await replay(work)
    const amount = amountOf(work, { replay: 'one', again: false }, world.clock.now())
    const first = await sent(wider())
    // Of eight events soc was told of the four long ones.
    expect(first).toEqual([...Array<string>(8).fill('new@example.org'), ...Array<string>(4).fill('soc@example.org')])
    expect(amount).toEqual({ notices: 12, letters: 12, events: 8, recipients: 2 })
    expect(await sent(wider())).toEqual([])
    expect(await sent(wider(), { replay: 'another name' })).toEqual([])
  })

  it('is on record: audit balances and counts it apart, and why names the replay', async () => {
    await sent(wider())
    const found = await audit()
    expect(found).toMatchObject({ found: 0, findings: [] })
    expect(found.monitors.find(({ monitor }) => monitor === 'soc')).toMatchObject({
      events: 8,
      replayed: 12,
      waiting: 0,
    })
    const story = await world.ask((reading) => storyOf(reading, flowOf(1).id))
    expect(story?.steps.map(({ text }) => text)).toEqual(
      expect.arrayContaining([
        'not told: delay objects',
        'by replay one: to be told to 2 people',
        'delivered to new@example.org',
      ]),
    )
  })

  it('again tells also who was told, once for each name', async () => {
    expect(await sent(present())).toEqual([])
    const again = await sent(present(), { again: true, replay: 'r1' })
    expect(again.length).toBeGreaterThan(8)
    expect(await sent(present(), { again: true, replay: 'r1' })).toEqual([])
    expect(await sent(present(), { again: true, replay: 'r2' })).toEqual(again)
    expect((await audit()).found).toBe(0)
  })

  it('interrupted between its record and its notices writes these next time, under the same ids', async () => {
    let appends = 0
    const breaking: EventLog = {
      ...world.log,
      append: (records) =>
        ++appends === 2 ? Promise.reject(new ConnectorError('LOG_UNAVAILABLE', 'away')) : world.log.append(records),
    }
    await expect(sent(wider(), {}, breaking)).rejects.toThrow('away')
    expect((await audit()).found).toBeGreaterThan(0)
    expect(await sent(wider())).toHaveLength(12)
    expect(await sent(wider())).toEqual([])
    expect((await audit()).found).toBe(0)
  })

  it('opens no window: what comes later is judged as if there had been no replay', async () => {
    await sent(wider())
    await world.events(flowOf(1, { id: 'later', completed_at: flowOf(0).completed_at, received_at: world.clock.now() }))
    await world.pass(60_000)
    const later = (await world.outcomes()).find(({ value }) => value.event === 'later')
    expect(later?.value.verdicts.find(({ monitor }) => monitor === 'soc')).toMatchObject({ outcome: 'told', of: '' })
    for (const { value } of await world.outcomes()) expect(value.replay === '' || value.replay === 'one').toBe(true)
    let notices = 0
    for (let partition = 0; partition < world.log.partitions; partition++)
      for await (const records of world.log.read({ topic: topics.notices.name, partition }))
        notices += records.filter(({ value }) => decode('Notice', value).replay === 'one').length
    expect(notices).toBe(12)
  })
})
