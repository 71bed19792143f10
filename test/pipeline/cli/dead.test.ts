import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { replyOfCode } from '../../../connectors/mail/outbox.ts'
import { type DeadLetterFacts, readDeadLetters } from '../../../pipeline/dead/read-dead-letters.ts'
import { flowOf, type IndexWorld, openIndexWorld } from '../index/index-world.ts'
import { runRelay, writeConfiguration } from './run-relay.ts'

describe('relay dead', { timeout: 120_000 }, () => {
  let world: IndexWorld
  let config: string
  beforeEach(async () => {
    world = await openIndexWorld()
    config = writeConfiguration(world.dir)
    // The command goes by the system's clock.
    world.clock.advanceTo(Math.max(Date.now(), world.clock.now()))
    world.outbox.inject({ reply: replyOfCode(550), to: 'lead@example.org', times: 3 })
    await world.run(['decide', 'deliver', 'index'])
    // Even ones are told to both.
    await world.events(...[0, 2, 4].map((n) => flowOf(n)))
    await world.settle()
  })
  afterEach(() => world.dispose())

  const dead = (...words: readonly string[]) => runRelay('dead', ...words, '-c', config)
  const flows = async (): Promise<readonly string[]> =>
    (await readDeadLetters(world.log, 0)).flatMap(({ notices }) => notices.map(({ flow }) => flow)).toSorted()
  const sentToLead = (): number =>
    world.outbox.delivered.filter(({ mail }) => mail.to.address === 'lead@example.org').length

  it('lists and shows what could not be delivered, and where to read of what is not among it', async () => {
    const [all, one, json, none] = await Promise.all([
      dead('list'),
      dead('show', 'F.2'),
      dead('list', '--json', '--recipient', 'LEAD@example.org', '--reason', 'refused'),
      dead('show', 'F.none'),
    ])
    expect(all).toMatchObject({ code: 0, err: '' })
    expect(all.out).toContain('3 letters could not be delivered.')
    expect(all.out).toContain('refused: the mail server refused it: 550')
    expect(one.out).toContain('recipient lead@example.org')
    expect(one.out).toMatch(/its story: relay why .*F\.2/)
    expect((JSON.parse(json.out) as { letters: readonly DeadLetterFacts[] }).letters).toHaveLength(3)
    expect(none).toMatchObject({ code: 1, err: expect.stringContaining('relay why F.none') as string })
  })

  it('asks before several, and does nothing in a dry run', async () => {
    const [asked, dry] = await Promise.all([dead('redrive', '--all'), dead('redrive', '--all', '--dry-run')])
    expect(asked).toMatchObject({ code: 2, out: '' })
    expect(asked.err).toContain('To send again: 3 letters to 1 recipient, about 3 events.')
    expect(dry.out).toContain('To send again: 3 letters')
    await world.settle()
    expect([sentToLead(), (await flows()).length]).toEqual([0, 3])
  })

  it('redrives beside the service that owns the log, once though two ask at the same time', async () => {
    const both = await Promise.all([dead('redrive', 'F.2'), dead('redrive', '--all', '--yes')])
    await world.settle()
    expect(sentToLead()).toBe(3)
    expect(await flows()).toEqual([])
    const told = both.flatMap(({ out }) => /^(\d) letters? redriven/m.exec(out)?.[1] ?? [])
    expect(told.reduce((sum, count) => sum + Number(count), 0)).toBe(3)
    expect(await dead('redrive', 'F.2')).toMatchObject({ code: 1 })
  })

  it('drops what is chosen, says in JSON what came of it, and the audit knows', async () => {
    const dropped = await dead('drop', 'F.0', 'F.4', '--yes', '--json')
    const done = [{ answer: 'dropped' }, { answer: 'dropped' }]
    expect(JSON.parse(dropped.out)).toMatchObject({ kind: 'drop', letters: done })
    expect(await flows()).toEqual(['F.2'])
    const audit = await runRelay('audit', '-c', config, '--json')
    expect(audit.code).toBe(0)
    expect(JSON.parse(audit.out)).toMatchObject({ monitors: [{}, {}, { undeliverable: 1, dropped: 2 }] })
  })

  it('says that it is done later where no service delivers', async () => {
    await world.stop()
    const asked = await dead('redrive', 'F.2', '--wait', '0s')
    expect(asked.code).toBe(0)
    expect(asked.out).toContain('1 letter not answered yet')
    expect((await dead('redrive', 'F.2')).out).toContain('1 more letter wait(s) for what was asked before')
    await world.run(['decide', 'deliver', 'index'])
    await world.settle()
    expect(sentToLead()).toBe(1)
  })

  it('wants to be told which, and knows wrong words', async () => {
    const [nothing, reason, rate] = await Promise.all([
      dead('drop'),
      dead('list', '--reason', 'tired'),
      dead('redrive', '--all', '--rate', 'fast'),
    ])
    expect([nothing.code, reason.code, rate.code]).toEqual([2, 2, 2])
    expect(nothing.err).toContain('--all')
  })
})
