import { rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { replyOfCode, SERVER_DOWN } from '../../../connectors/mail/outbox.ts'
import { type Answer, why, whyText } from '../../../pipeline/cli/why-command.ts'
import { commandLetters } from '../../../pipeline/dead/command-letters.ts'
import { readDeadLetters } from '../../../pipeline/dead/read-dead-letters.ts'
import { indexFileIn } from '../../../pipeline/index/outcome-index.ts'
import { flowEvent } from '../../operators/flow-events.ts'
import { flowOf, type IndexWorld, openIndexWorld } from '../index/index-world.ts'

const minute = 60_000

let world: IndexWorld
beforeEach(async () => {
  world = await openIndexWorld()
})
afterEach(() => world.dispose())

const answer = (id: string, most = 20): Promise<Answer> => world.ask((reading) => why(reading, id, { most }))
const text = async (id: string): Promise<string> => whyText(await answer(id))
const eventsOf = (found: Answer): readonly string[] =>
  found.found === 'several' ? found.events.map(({ event }) => event) : found.found === 'one' ? [found.story.event] : []
const live = async (flow: string, client: string): Promise<void> => {
  await world.run()
  await world.pass(10_000)
  world.server.emit('root', 'System.Flow.Completion', { ClientId: client, FlowId: flow }, world.clock.now())
  await world.pass(2 * minute)
}

describe('the story of an event', () => {
  it('tells its way from the server to each letter, in order of time', async () => {
    await live('F.LIVE1', 'C.1')
    const { story } = (await answer('F.LIVE1')) as Answer & { found: 'one' }
    expect(story).toMatchObject({ org: 'root', client: 'C.1', flow: 'F.LIVE1', host: 'host1.example.org' })
    expect(story.steps.map(({ at }) => at)).toEqual(story.steps.map(({ at }) => at).toSorted((a, b) => a - b))
    expect(
      story.steps
        .filter(({ monitor }) => monitor !== 'gathered')
        .map(({ kind, monitor, recipient }) => [kind, monitor, recipient]),
    ).toEqual([
      ['received', '', ''],
      ['read', '', ''],
      ['completed', '', ''],
      ['verdict', 'soc', ''],
      ['verdict', 'nobody', ''],
      ['letter', 'soc', 'soc@example.org'],
      ['reply', 'soc', 'soc@example.org'],
      ['delivery', 'soc', 'soc@example.org'],
      ['letter', 'soc', 'lead@example.org'],
      ['reply', 'soc', 'lead@example.org'],
      ['delivery', 'soc', 'lead@example.org'],
    ])
    const said = await text('F.LIVE1')
    for (const part of [
      'read by the relay, watched live',
      'soc: to be told to 2 people',
      '1 attempt(s), the reply: 250 taken',
      'artifacts: Linux.Search.FileFinder',
    ])
      expect(said).toContain(part)
  })

  it('tells the compared values of every objection, and who overruled it', async () => {
    await world.run()
    await world.events(flowOf(3))
    await world.settle()
    const said = await text('F.3')
    expect(said).toContain('soc: not told: delay objects')
    expect(said).toContain('delay: completed 3 s after its creation, which is less than 10 s')
    expect(said).toContain('nobody: not told: there is nobody to tell')
    expect(said).toContain('gathered: to be told to 1 person, although filters object')
    expect(said).toContain('overruled by new client')
  })

  it('names the event that was told in its place', async () => {
    await world.run()
    await world.events(flowOf(2), flowOf(2, { id: 'again' }))
    await world.settle()
    expect(await text('again')).toContain('soc: not told: a duplicate of root/C.2/F.2/2')
  })

  it('tells of the batch that a letter gathers, while it waits and when it is sent', async () => {
    await world.run()
    await world.events(flowOf(1), flowOf(3), flowOf(5))
    await world.pass(1000)
    const waiting = await text('F.3')
    expect(waiting).toContain('gathered until 30 s without another, 10 min in all, or 50')
    expect(waiting).toContain('gathered: the letter waits until 2026-04-22T14:42:57.000Z')
    expect(waiting).toContain('3 notice(s) so far, 0 attempt(s), 0 time(s) deferred')
    await world.pass(minute)
    const sent = await text('F.3')
    expect(sent).toContain('tells 3 events together')
    expect(sent).toContain('gathered: the mail server took the letter: 250 taken')
    expect(sent).toContain('gathered: delivered to batch@example.org')
    expect(sent).not.toContain('waits until')
  })

  it('tells every reply of the mail server, and the refusal that ended it', async () => {
    world.outbox.inject({ reply: replyOfCode(451), to: 'soc@example.org', times: 2 })
    world.outbox.inject({ reply: replyOfCode(550), to: 'soc@example.org' })
    await world.run()
    await world.events(flowOf(2))
    await world.pass(60 * minute)
    const { story } = (await answer('F.2')) as Answer & { found: 'one' }
    expect(story.steps.map(({ at }) => at)).toEqual(story.steps.map(({ at }) => at).toSorted((a, b) => a - b))
    const said = await text('F.2')
    expect(said.match(/soc: the mail server wants it later: 451 answered 451/g)).toHaveLength(2)
    expect(said).toContain('soc: the letter was refused for good: 550 answered 550')
    expect(said).toContain('soc: undeliverable to soc@example.org: the mail server refused it')
    expect(said).toContain('3 attempt(s), the reply: 550 answered 550')
  })

  it('tells of a redriven letter how it failed, that it was redriven, and how it was delivered', async () => {
    world.outbox.inject({ reply: replyOfCode(550), to: 'soc@example.org', times: 1 })
    await world.run()
    await world.events(flowOf(2))
    await world.pass(minute)
    await commandLetters(world.log, await readDeadLetters(world.log, 0), { kind: 'redrive', now: 0, everyMs: 0 })
    await world.pass(minute)
    const { story } = (await answer('F.2')) as Answer & { found: 'one' }
    expect(
      story.steps
        .filter(({ kind, recipient }) => kind === 'delivery' && recipient === 'soc@example.org')
        .map((step) => step.text),
    ).toEqual([
      'undeliverable to soc@example.org: the mail server refused it',
      'redriven, the letter to soc@example.org: it is sent again',
      'delivered to soc@example.org',
    ])
  })

  it('tells why an event was rejected, and where its bytes are', async () => {
    await live('F.UNKNOWN', 'C.1')
    const said = await text('F.UNKNOWN')
    expect(said).toContain('rejected: no monitor could be asked')
    expect(said).toContain('flow not found')
    expect(said).toMatch(/set aside by enrich; its bytes are kept as rejects\/\d\/0/)
  })

  it('shows foreign text with visible escapes on one line each', async () => {
    await world.run()
    const event = flowOf(2)
    await world.events(
      flowEvent({
        client: { ...event.client, fqdn: 'a\u001b[31mb\u202ec\nd' },
        flow: event.flow,
        event: { id: event.id },
      }),
    )
    await world.settle()
    const said = await text('F.2')
    expect(said).toContain('a\\u001b[31mb\\u202ec d')
    expect(said).not.toMatch(/[\u001b\u202e]/)
  })
})

describe('an id finds', () => {
  const both = (): Promise<void> =>
    world.events(flowOf(0, { hunt: { id: 'H.1', known: true, description: '', tags: [] } }), flowOf(2), flowOf(3))
  beforeEach(async () => {
    await world.run()
    await both()
    await world.pass(minute)
  })

  it.each([
    ['an event', 'root/C.0/F.0/0', ['root/C.0/F.0/0']],
    ['a flow', 'F.2', ['root/C.2/F.2/2']],
    ['a flow in other case, with blanks', ' f.2 ', ['root/C.2/F.2/2']],
    ['a client', 'C.3', ['root/C.3/F.3/3']],
    ['a hunt', 'H.1', ['root/C.0/F.0/0']],
  ])('%s', async (_, id, events) => {
    expect(eventsOf(await answer(id))).toEqual(events)
  })
  it.each(['soc@example.org', 'SOC@Example.ORG'])('what was told to a recipient: %s', async (id) => {
    expect(eventsOf(await answer(id)).toSorted()).toEqual(['root/C.0/F.0/0', 'root/C.2/F.2/2'])
  })
  it('what a monitor judged', async () => {
    expect(eventsOf(await answer('nobody'))).toHaveLength(3)
  })
  it('all events of a letter by its Message-ID, with or without brackets', async () => {
    const batch =
      world.outbox.delivered.find(({ mail }) => mail.to.address === 'batch@example.org')?.mail.messageId ?? ''
    for (const id of [batch, batch.slice(1, -1)]) expect(eventsOf(await answer(id))).toHaveLength(3)
  })
  it('the newest first, as many as are wanted, and says that there are more', async () => {
    await world.events(flowOf(10), flowOf(12))
    await world.pass(minute)
    const { events, isAll } = (await answer('soc@example.org', 2)) as Answer & { found: 'several' }
    expect(events.map(({ event }) => event).toSorted()).toEqual(['root/C.0/F.12/12', 'root/C.2/F.10/10'])
    expect(isAll).toBe(false)
    expect(await text('soc@example.org')).toContain(
      'root/C.2/F.10/10  soc: told; nobody: no_recipients; gathered: told (delay overruled)',
    )
    expect(eventsOf(await answer('soc@example.org', Infinity))).toHaveLength(4)
  })
  it('the same without an index, and beside one that lags', async () => {
    const before = await answer('F.2')
    await world.stop()
    await world.run(['decide', 'deliver'])
    await world.events(flowOf(20))
    await world.pass(minute)
    expect(eventsOf(await answer('F.20'))).toEqual(['root/C.0/F.20/20'])
    rmSync(indexFileIn(world.dir))
    expect(await answer('F.2')).toEqual(before)
  })
  it('nothing, and says where it looked and since when', async () => {
    expect(await text('F.NONE')).toMatch(
      /^Nothing is known of F\.NONE: looked at the outcomes of the log in .+ \(\d+ of them, since 2026-04-22T14:42:27\.000Z\), and at what is on its way\.$/,
    )
  })
})

describe('what is on its way is found', () => {
  it('when the server has no record of it yet', async () => {
    await world.run()
    await world.pass(10_000)
    world.server.emit('root', 'System.Flow.Completion', { ClientId: 'C.1', FlowId: 'F.LATE' }, world.clock.now())
    await world.pass(4000)
    expect(await text('F.LATE')).toMatch(
      /^On its way: root\/C\.1\/F\.LATE\/\d+: the server's record of it is not there or not final/,
    )
  })
  it('when decide has not read it', async () => {
    await world.events(flowOf(2))
    expect(await text('F.2')).toBe('On its way: root/C.2/F.2/2: decide has not read it yet')
  })
  it('by the recipient of a letter that waits', async () => {
    world.outbox.inject({ reply: SERVER_DOWN, to: 'lead@example.org' })
    await world.run()
    await world.events(flowOf(2))
    await world.pass(10_000)
    expect(eventsOf(await answer('lead@example.org'))).toEqual(['root/C.2/F.2/2'])
    expect(await text('lead@example.org')).toContain('soc: the mail server was away, or its reply never came')
  })
})
