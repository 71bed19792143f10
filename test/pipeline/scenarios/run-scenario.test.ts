import { describe, expect, it } from 'vitest'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { readScenarios } from '../../../pipeline/scenarios/read-scenarios.ts'
import { runScenario } from '../../../pipeline/scenarios/run-scenario.ts'

const world = `world:
  now: 2026-04-22T14:42:27Z
  clients: [{ client_id: C.1, os_info: { fqdn: host1.example.org } }, { client_id: C.2, os_info: { fqdn: hôte2.example.org } }]
  flows:
    - { client_id: C.1, session_id: F.1, create_time: T-60s, request: { creator: a, artifacts: [A.B] } }
    - { client_id: C.2, session_id: F.2, create_time: T-60s, request: { creator: b, artifacts: [C.D] } }
  results: [{ client_id: C.1, flow_id: F.1, artifact: A.B, rows: [{ Id: 18446744073709551615 }] }]
`
const monitors =
  'monitors: [{ name: soc, artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org], IncludeResultAttachmentFrom: [{ Source: .+ }] } }]\n'
const both = `timeline:
  - { at: T+1s, queue: System.Flow.Completion, row: { ClientId: C.1, FlowId: F.1 }, id: one }
  - { at: T+2s, queue: System.Flow.Completion, row: { ClientId: C.2, FlowId: F.2 } }
`
const scenarioOf = (text: string) => {
  const { scenarios, problems } = readScenarios(text, 's.yaml')
  expect(problems.map(printProblem)).toEqual([])
  const [scenario] = scenarios
  if (scenario === undefined) throw new Error('no scenario')
  return scenario
}
const run = (text: string) => runScenario(scenarioOf(`name: x\n${text}`))
const failuresOf = async (expectation: string, timeline = both): Promise<readonly string[]> =>
  (await run(`${world}${monitors}${timeline}expect: ${expectation}\n`)).failures

describe('expectations of mails', () => {
  it.each([
    '{ mails: [{}, {}] }',
    '{ mails: [{ subject: hôte2.example.org finished collecting C.D }, { to: SOC@Example.org, at: T+1s, after: T+1s, before: T+1100ms }] }',
    '{ mails: [{}, { subject: { contains: host1 } }] }',
    '{ mails: [{ subject: { contains: host1 }, not: { subject: { contains: FAILED }, text: { contains: nothing }, html: null } }, {}] }',
    '{ mails: [{ attachments: [{ name: A.B.jsonl, equals: \'{"Id":18446744073709551615}\' }] }, { attachments: [] }] }',
    '{ mails: [{ headers: { subject: { matches: "^hôte2" }, cc: [], Auto-Submitted: [auto-generated], To: soc@example.org } }, {}] }',
  ])('%s holds', async (expectation) => {
    expect(await failuresOf(expectation)).toEqual([])
  })

  it.each([
    ['{ mails: [] }', '2 mails more than expected (0) went out\n  T+1001ms to soc@example.org: host1'],
    ['{ mails: [{}] }', '1 mail more than expected (1) went out'],
    ['{ mails: [{}, {}, {}] }', 'no mail is left for {}\n  2 went out'],
    ['{ mails: [{ subject: host3 }, {}] }', '- subject is not "host3" but'],
    ['{ mails: [{ html: null }, {}] }', '- html is there, as "<!DOCTYPE html>'],
    ['{ mails: [{ to: x@example.org }, {}] }', '- to is not "x@example.org" but "soc@example.org"'],
    ['{ mails: [{ at: T+5s }, {}] }', '- at is not T+5s: it went out at T+'],
    ['{ mails: [{ after: T+5s }, {}] }', '- after is not T+5s'],
    ['{ mails: [{ before: T }, {}] }', '- before is not T:'],
    ['{ mails: [{ headers: { Auto-Submitted: [] } }, {}] }', '- header auto-submitted stands there 1 times, not 0'],
    ['{ mails: [{ headers: { X-None: something } }, {}] }', '- header x-none is not "something" but nothing'],
    [
      '{ mails: [{ subject: { contains: host1 }, attachments: [{ name: B.jsonl }] }, { subject: { contains: hôte2 } }] }',
      '- attachments number 1: the name is not "B.jsonl" but "A.B.jsonl"',
    ],
    ['{ mails: [{ attachments: [{}, {}] }, {}] }', '- attachments are'],
    ['{ mails: [{ not: { to: soc@example.org } }, {}] }', '- to is what it must not be'],
    ['{ mails: [{ not: { at: T+1s } }, { not: { at: T+1s } }] }', '- at is what it must not be'],
  ])('%s fails and says why', async (expectation, explanation) => {
    expect((await failuresOf(expectation)).join('\n')).toContain(explanation)
  })
})

describe('expectations of outcomes', () => {
  const again = `${both}  - { at: T+3s, queue: System.Flow.Completion, row: { ClientId: C.1, FlowId: F.1 }, id: again }\n`

  it.each([
    '[{ event: F.1, outcome: told }, { event: F.1, outcome: duplicate, of: one }]',
    '[{ event: again, outcome: duplicate, of: F.1, reason: completed again, monitor: soc }]',
    '[{ event: F.1, outcome: duplicate }]',
    '[{ event: F.2, client: C.2, org: root, monitor: Server.Monitor.FlowCompletion, by: [] }]',
  ])('%s holds', async (outcomes) => {
    expect(await failuresOf(`{ outcomes: ${outcomes} }`, again)).toEqual([])
  })

  it.each([
    [
      '[{ event: F.1, outcome: duplicate }, { event: F.1, outcome: told }]',
      'no outcome after those before is {"event":"F.1","outcome":"told"}',
    ],
    ['[{ event: F.9 }]', 'nothing is known of this event; what became of others\n  - F.1 = one (client C.1) soc: told'],
    ['[{ event: F.1, client: C.2 }]', 'what became of it\n  - F.1 = one'],
    ['[{ event: F.1, monitor: other }]', 'no outcome is'],
    ['[{ event: F.1, by: [delay] }]', 'no outcome is'],
    ['[{ event: again, of: F.2 }]', 'of F.1'],
    ['[{ event: again, reason: other }]', '(completed again)'],
  ])('%s fails and says why', async (outcomes, explanation) => {
    expect((await failuresOf(`{ outcomes: ${outcomes} }`, again)).join('\n')).toContain(explanation)
  })

  it('a malformed row that came live and is read back is set aside once', async () => {
    const malformed =
      'timeline:\n  - { at: T+1s, queue: System.Flow.Completion, row: { FlowId: F.3, When: 2026-01-01T00:00:00.50Z } }\n  - { at: T+3s, fault: grpc-cut }\n'
    const [failure, ...more] = await failuresOf(
      '{ outcomes: [{ event: F.3, outcome: rejected }, { event: F.3, outcome: rejected }] }',
      malformed,
    )
    expect(more).toEqual([])
    expect(failure).toContain('no outcome after those before')
  })
})

describe('expectations of what is said', () => {
  it.each([
    ['{ happenings: [{ name: source in sync, org: root }, { name: letter delivered }] }', ''],
    ['{ happenings: [{ name: letter delivered, code: { not: 250 } }] }', '- code must not be what it is'],
    ['{ happenings: [{ name: letter undeliverable }] }', 'no happening is {"name":"letter undeliverable"}'],
    ['{ messages: [], alerts: [] }', ''],
    ['{ messages: [{ to: admin }] }', 'no message is left for {"to":"admin"}'],
    ['{ alerts: [{ name: x }] }', 'there is no alert at all'],
  ])('%s: %j', async (expectation, explanation) => {
    const failures = (await failuresOf(expectation)).join('\n')
    if (explanation === '') expect(failures).toBe('')
    else expect(failures).toContain(explanation)
  })

  it('compares the problems of a configuration and runs nothing', async () => {
    const wrong = 'monitors: [{ artifact: Server.Monitor.FlowCompletion, parameters: { DelayThreshold: soon } }]\n'
    const expected = 'expect: { configuration: [{ contains: DelayThreshold }] }\n'
    expect(await run(`${world}${wrong}${both}${expected}`)).toMatchObject({ failures: [], virtualMs: 0, letters: [] })
    expect((await run(`${world}${monitors}${expected}`)).failures.join()).toContain(
      'no problem is {"contains":"DelayThreshold"}',
    )
    expect((await run(`${world}${wrong}${both}`)).failures.join()).toContain(
      'the configuration cannot be used\n  s.yaml:',
    )
  })
})

describe('the clock of a scenario', () => {
  it('runs on while something waits, and no longer', async () => {
    const { virtualMs } = await run(`${world}${monitors}${both}`)
    expect(virtualMs).toBeGreaterThan(15_000)
    expect(virtualMs).toBeLessThan(120_000)
  })

  it('stops at `until`', async () => {
    const parked = 'timeline: [{ at: T+1s, queue: System.Flow.Completion, row: { ClientId: C.1, FlowId: F.9 } }]\n'
    expect(await run(`${world}${monitors}${parked}until: T+30s\nexpect: { outcomes: [] }\n`)).toMatchObject({
      failures: [],
      virtualMs: 44_999,
    })
    expect(
      (await run(`${world}${monitors}${parked}until: T+30s\nexpect: { outcomes: [{ event: F.9 }] }\n`)).failures,
    ).toHaveLength(1)
  })

  it('gives the same answer each time', async () => {
    const text = `${world}${monitors}timeline:\n  - { at: T, fault: smtp-down, for: 3m }\n  - { at: T+1s, queue: System.Flow.Completion, row: { ClientId: C.1, FlowId: F.1 } }\nexpect: { mails: [{ at: T }] }\n`
    const first = await run(text)
    expect(first.failures[0]).toMatch(/it went out at T\+\d+/)
    expect(await run(text)).toEqual(first)
  })

  it('goes through a month in a moment', async () => {
    const late = 'timeline: [{ at: T+30d, queue: System.Flow.Completion, row: { ClientId: C.1, FlowId: F.1 } }]\n'
    const { failures, virtualMs } = await run(`${world}${monitors}${late}expect: { mails: [{ at: T+30d }] }\n`)
    expect(failures).toEqual([])
    expect(virtualMs).toBeGreaterThan(30 * 86_400_000)
  })

  it('takes what happened before T as it happened', async () => {
    const early = 'timeline: [{ at: T-1h, queue: System.Flow.Completion, row: { ClientId: C.2, FlowId: F.2 } }]\n'
    const flow = world.replaceAll('create_time: T-60s', 'create_time: T-2h')
    expect((await run(`${flow}${monitors}${early}expect: { mails: [{ at: T-1h }] }\n`)).failures).toEqual([])
  })

  it('does not wait for ever for a mail server that stays away', async () => {
    const away =
      'timeline:\n  - { at: T, fault: smtp-down }\n  - { at: T+1s, queue: System.Flow.Completion, row: { ClientId: C.1, FlowId: F.1 } }\nexpect: { mails: [], outcomes: [{ event: F.1, outcome: told }] }\n'
    expect((await run(`${world}${monitors}${away}`)).failures).toEqual([])
  })
})
