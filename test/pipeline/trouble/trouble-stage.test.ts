import { beforeEach, describe, expect, it } from 'vitest'
import { ConnectorError } from '../../../connectors/errors.ts'
import { openCounts } from '../../../pipeline/trouble/counts.ts'
import { openTroubleStage, type TroubleOptions, type TroubleStage } from '../../../pipeline/trouble/trouble-stage.ts'
import type { Trouble } from '../../../pipeline/trouble/troubles.ts'
import { topics } from '../../../schemas/topics.ts'
import { openStageWorld, type Running, start, type StageWorld } from '../runtime/stage-world.ts'

const minute = 60_000
const mailAway = { name: 'mail server away', channel: 'default', reason: 'nothing listens' } as const
const mailBack = { name: 'mail server back', channel: 'default' } as const
const sourceAway = { name: 'source away', org: 'root', reason: 'silent' } as const
const sourceBack = { name: 'source back', org: 'root' } as const

let world: StageWorld
let running: Running
let sent: { user: string; name: unknown }[]
let failure: ConnectorError | null
beforeEach(() => {
  world = openStageWorld()
  sent = []
  failure = null
})

const begin = (given: Partial<TroubleOptions> = {}): TroubleStage => {
  const stage = openTroubleStage({
    ...world.common,
    afterMs: 5 * minute,
    users: ['admin'],
    messages: {
      send(user, { Message: name }) {
        if (failure !== null) return Promise.reject(failure)
        sent.push({ user, name })
        return Promise.resolve()
      },
    },
    look: null,
    heartbeatAfter: null,
    counts: openCounts(start),
    ...given,
  })
  running = world.run(stage.running)
  return stage
}
/** Minute and name of each alert so far. */
const alerts = async (): Promise<readonly (readonly [number, string])[]> =>
  (await world.values(topics.rawAlerts, 'RawEvent')).map(({ row, received_at }) => [
    (received_at - start) / minute,
    (JSON.parse(row) as { readonly name: string }).name,
  ])

describe("the relay's own trouble", () => {
  it('is an alert once it has lasted, and its end is one once it has lasted too', async () => {
    const stage = begin()
    stage.note(sourceAway)
    await world.pass(20 * minute)
    stage.note(sourceBack)
    await world.pass(60 * minute)
    expect(await alerts()).toEqual([
      [5, 'raptor-relay: Velociraptor is away (root)'],
      [25, 'raptor-relay: over: Velociraptor is away (root)'],
    ])
    expect([sent, running.failure()]).toEqual([[], undefined])
  })

  it('says what is wrong, since when, under the artifact relay', async () => {
    begin().note(sourceAway)
    await world.pass(6 * minute)
    const [raw] = await world.values(topics.rawAlerts, 'RawEvent')
    expect(JSON.parse(raw?.row ?? '')).toMatchObject({
      client_id: 'server',
      artifact: 'relay',
      event_data: { reason: 'silent', severity: 'high', since: '2026-04-22T14:42:27.000Z' },
    })
  })

  it('of a queue that the server refuses names the queue', async () => {
    begin().note({ ...sourceAway, queues: 'Custom.Gone', reason: 'not known to the server', answered: true })
    await world.pass(6 * minute)
    expect(await alerts()).toMatchObject([[5, 'raptor-relay: Custom.Gone cannot be read (root)']])
  })

  it('that is short is not told', async () => {
    const stage = begin()
    stage.note(sourceAway)
    await world.pass(4 * minute)
    stage.note(sourceBack)
    await world.pass(60 * minute)
    expect(await alerts()).toEqual([])
  })

  it('that comes and goes makes no storm', async () => {
    const stage = begin()
    for (let times = 0; times < 50; times++) {
      stage.note(sourceAway)
      await world.pass(6 * minute)
      stage.note(sourceBack)
      await world.pass(minute)
    }
    await world.pass(10 * minute)
    expect((await alerts()).map(([, name]) => name)).toEqual([
      'raptor-relay: Velociraptor is away (root)',
      'raptor-relay: over: Velociraptor is away (root)',
    ])
  })

  it('is not told again after a restart that it outlasts', async () => {
    begin().note(sourceAway)
    await world.pass(6 * minute)
    running.stop()
    await world.reopen()
    begin().note(sourceAway)
    await world.pass(60 * minute)
    expect(await alerts()).toHaveLength(1)
  })

  it('of one organisation with several readers is over when the last one is back', async () => {
    const stage = begin()
    for (const queues of ['A, B', 'C']) stage.note({ ...sourceAway, queues })
    await world.pass(6 * minute)
    stage.note({ ...sourceBack, queues: 'C' })
    await world.pass(60 * minute)
    expect(await alerts()).toHaveLength(1)
    // What it reads has changed meanwhile.
    stage.note({ ...sourceBack, queues: 'B, D' })
    await world.pass(6 * minute)
    expect((await alerts()).map(([, name]) => name)).toEqual([
      'raptor-relay: Velociraptor is away (root)',
      'raptor-relay: over: Velociraptor is away (root)',
    ])
  })

  it('that is over after a restart is told to be', async () => {
    begin().note(sourceAway)
    await world.pass(6 * minute)
    running.stop()
    await world.reopen()
    begin()
    await world.pass(60 * minute)
    expect(await alerts()).toEqual([
      [5, 'raptor-relay: Velociraptor is away (root)'],
      [11, 'raptor-relay: over: Velociraptor is away (root)'],
    ])
  })

  it('goes to users of Velociraptor too when it is mail', async () => {
    const stage = begin({ users: ['admin', 'lead'] })
    stage.note(mailAway)
    await world.pass(6 * minute)
    expect(sent).toEqual([
      { user: 'admin', name: 'raptor-relay: mail is away (default)' },
      { user: 'lead', name: 'raptor-relay: mail is away (default)' },
    ])
    stage.note(mailBack)
    await world.pass(6 * minute)
    expect(sent.slice(2).map(({ name }) => name)).toEqual(
      Array.from({ length: 2 }, () => 'raptor-relay: over: mail is away (default)'),
    )
    expect(await alerts()).toHaveLength(2)
  })

  it('is told in the GUI as soon as Velociraptor is there', async () => {
    failure = new ConnectorError('VELOCIRAPTOR_UNAVAILABLE', 'nothing listens')
    begin().note(mailAway)
    await world.pass(30 * minute)
    expect([sent, await alerts()]).toEqual([[], []])
    failure = null
    await world.pass(2 * minute)
    expect([sent.length, (await alerts()).length]).toEqual([1, 1])
  })

  it('is recorded though the server has no messages', async () => {
    failure = new ConnectorError('VELOCIRAPTOR_DENIED', 'function user_message not found')
    begin().note(mailAway)
    await world.pass(30 * minute)
    expect(await alerts()).toEqual([[5, 'raptor-relay: mail is away (default)']])
    expect(world.saidOf('trouble message not sent')).toHaveLength(1)
  })

  it('is looked for where nobody says it', async () => {
    const full: Trouble = { key: 'poll/disk', title: 'the disk fills', reason: '1 % is free', isOfMail: false }
    let found: readonly Trouble[] = [full]
    begin({ look: () => Promise.resolve(found) })
    await world.pass(10 * minute)
    found = []
    await world.pass(10 * minute)
    expect((await alerts()).map(([, name]) => name)).toEqual([
      'raptor-relay: the disk fills',
      'raptor-relay: over: the disk fills',
    ])
  })

  it('is the end of the certificate once, however often it is said', async () => {
    const stage = begin()
    for (let day = 0; day < 5; day++) {
      stage.note({ name: 'api certificate ends soon', daysLeft: 20 - day })
      await world.pass(24 * 60 * minute)
    }
    expect(await alerts()).toEqual([[5, 'raptor-relay: the API certificate ends soon']])
  })
})

describe('a refused login', () => {
  const refused = { name: 'mail login refused', channel: 'default', reason: '535 bad credentials' } as const
  const taken = { name: 'letter answered', channel: 'default', answer: 'accepted' } as const
  const name = 'raptor-relay: the mail server refuses the login (default)'

  it('is told in the GUI before the relay ends, without waiting whether it lasts', async () => {
    const stage = begin()
    await world.settle()
    stage.note(refused)
    const settled = stage.settled()
    await world.pass(0)
    await settled
    expect(sent).toEqual([{ user: 'admin', name }])
    expect((await alerts()).map(([, told]) => told)).toEqual([name])
  })

  it('is told once, however often a service manager starts the relay again', async () => {
    for (let starts = 0; starts < 5; starts++) {
      const stage = begin()
      await world.pass(20 * minute)
      stage.note(refused)
      await world.pass(minute)
      running.stop()
      await world.reopen()
    }
    expect(sent).toEqual([{ user: 'admin', name }])
  })

  it('is over when a letter was taken, and told again when it comes back', async () => {
    const first = begin()
    first.note(refused)
    await world.pass(minute)
    running.stop()
    await world.reopen()
    const second = begin()
    await world.pass(20 * minute)
    second.note(taken)
    second.note(taken)
    await world.pass(20 * minute)
    expect(sent.map((each) => each.name)).toEqual([
      name,
      'raptor-relay: over: the mail server refuses the login (default)',
    ])
    second.note(refused)
    await world.pass(minute)
    expect(sent).toHaveLength(3)
  })

  it('holds the end of the relay up for five seconds at most', async () => {
    const stage = begin({ messages: { send: () => new Promise(() => undefined) } })
    await world.settle()
    stage.note(refused)
    let isSettled = false
    void stage.settled().then(() => (isSettled = true))
    await world.pass(4000)
    expect(isSettled).toBe(false)
    await world.pass(1000)
    expect(isSettled).toBe(true)
  })

  it('holds nothing up where another process watches', async () => {
    const stage = begin()
    running.stop()
    await expect(stage.settled()).resolves.toBeUndefined()
  })
})

describe('a sign of life', () => {
  it('comes in its time, with what was done since the last, also over a restart', async () => {
    const counts = openCounts(start)
    begin({ heartbeatAfter: (last) => last + 60 * minute, counts })
    await world.settle()
    counts.note({ name: 'letter delivered' })
    counts.note({ name: 'event judged', outcome: 'told', count: 3 })
    await world.pass(59 * minute)
    expect(await alerts()).toEqual([])
    await world.pass(2 * minute)
    running.stop()
    await world.reopen()
    begin({ heartbeatAfter: (last) => last + 60 * minute, counts })
    await world.pass(60 * minute)
    expect(await alerts()).toEqual([
      [60, 'raptor-relay heartbeat'],
      [120, 'raptor-relay heartbeat'],
    ])
    const [first, second] = await world.values(topics.rawAlerts, 'RawEvent')
    expect(JSON.parse(first?.row ?? '')).toMatchObject({
      event_data: { severity: 'info', since: '2026-04-22T14:42:27.000Z', 'letters delivered': 1, 'verdicts told': 3 },
    })
    expect(second?.row).toContain('"verdicts told":0,"letters delivered":0')
  })
})
