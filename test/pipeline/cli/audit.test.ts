import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { auditText } from '../../../pipeline/cli/audit-command.ts'
import type { Audit } from '../../../pipeline/index/audit-work.ts'
import { topics } from '../../../schemas/topics.ts'
import { flowOf, type IndexWorld, openIndexWorld } from '../index/index-world.ts'
import { runRelay, writeConfiguration } from './run-relay.ts'

describe('relay audit', () => {
  let world: IndexWorld
  beforeEach(async () => {
    world = await openIndexWorld()
    await world.run()
    await world.events(...Array.from({ length: 8 }, (_, n) => flowOf(n)))
    await world.pass(60_000)
  })
  afterEach(() => world.dispose())

  it('exits with 0 beside a running service when all is accounted for, and with 1 naming what was removed', async () => {
    const config = writeConfiguration(world.dir)
    const before = await runRelay('audit', '-c', config, '--json')
    expect(before).toMatchObject({ code: 0, err: '' })
    const audit = JSON.parse(before.out) as Audit
    expect(audit).toMatchObject({ found: 0, events: 8 })
    expect(auditText(audit)).toMatch(/│ soc +│ +8 │ +4 │/)
    expect(auditText(audit)).toContain('All is accounted for.')

    const [one] = (await world.outcomes()).filter(({ value }) =>
      value.verdicts.some(({ outcome }) => outcome === 'objected'),
    )
    if (one === undefined) throw new Error('nothing was judged')
    await world.stop()
    world.remove(topics.outcomes.name, one)
    const after = await runRelay('audit', '-c', config)
    expect(after.code).toBe(1)
    const { topic, partition, offset } = one.value.event_at
    expect(after.out).toContain(
      `NO VERDICT: ${one.value.event}, ${topic}/${partition}/${offset}: the event has no verdict`,
    )
  })

  it('exits with 2 for a wrong moment and for a configuration that is not there', async () => {
    const [moment, file] = await Promise.all([
      runRelay('audit', '--since', 'never'),
      runRelay('audit', '-c', join(world.dir, 'none.yaml')),
    ])
    expect(moment.code).toBe(2)
    expect(file).toMatchObject({ code: 2, out: '' })
  })
})

describe('relay audit and relay why without a log', () => {
  it('exit with 1, say so, and make none', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'relay-audit-'))
    try {
      const config = writeConfiguration(dir)
      const answers = await Promise.all([runRelay('audit', '-c', config), runRelay('why', 'F.1', '-c', config)])
      for (const { code, out, err } of answers) {
        expect({ code, out }).toEqual({ code: 1, out: '' })
        expect(err).toContain('there is no log in')
      }
      expect(readdirSync(dir)).toEqual(['relay.yaml'])
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})

describe('the table of an audit', () => {
  const nothing: Audit = {
    since: null,
    lanes: [],
    monitors: [],
    events: 0,
    aside: {},
    findings: [],
    found: 0,
    everyRecord: true,
    readAfresh: 0,
  }

  it('says how many findings it does not list', () => {
    const finding = {
      kind: 'lost',
      id: '',
      notice: '',
      monitor: '',
      topic: 'events.flows',
      partition: 0,
      offset: 1,
    } as const
    expect(auditText({ ...nothing, findings: [finding], found: 5 })).toContain('… and 4 more')
  })
  it('shows foreign ids with visible escapes', () => {
    const finding = {
      kind: 'no verdict',
      id: 'a\u001b[2Jb',
      notice: '',
      monitor: '',
      topic: 'events.flows',
      partition: 0,
      offset: 1,
    } as const
    expect(auditText({ ...nothing, findings: [finding], found: 1 })).toContain('a\\u001b[2Jb')
  })
  it('counts what was rejected before it was an event', () => {
    expect(auditText({ ...nothing, aside: { '': 2, 'raw.flow-completions': 1 } })).toContain(
      '2 of the source, 1 of raw.flow-completions',
    )
  })
})
