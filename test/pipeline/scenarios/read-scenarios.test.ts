import { describe, expect, it } from 'vitest'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { readScenarios } from '../../../pipeline/scenarios/read-scenarios.ts'

const T = Date.UTC(2026, 3, 22, 14, 42, 27)
const head = 'name: one\nworld: { now: 2026-04-22T14:42:27Z }\n'
const read = (text: string) => readScenarios(text, 's.yaml')
const problemsOf = (text: string): readonly string[] => read(text).problems.map(printProblem)
const only = (text: string) => {
  const { scenarios, problems } = read(text)
  expect(problems.map(printProblem)).toEqual([])
  const [scenario] = scenarios
  if (scenario === undefined || scenarios.length > 1) throw new Error(`${scenarios.length} scenarios`)
  return scenario
}
const timelineOf = (entries: string) => only(`${head}timeline:\n${entries}`).timeline

describe('reading scenarios', () => {
  it('reads what is asked for dead letters, and says what is wrong with it', () => {
    expect(
      timelineOf('  - { at: T+1s, dead: redrive, to: A@example.org, times: 2 }\n  - { at: T+2s, dead: drop }'),
    ).toEqual([
      { kind: 'dead', at: T + 1000, deed: 'redrive', to: 'A@example.org', times: 2 },
      { kind: 'dead', at: T + 2000, deed: 'drop', to: null, times: 1 },
    ])
    const wrong = (entry: string) => problemsOf(`${head}timeline:\n  - ${entry}`).join()
    expect(wrong('{ at: T, dead: revive }')).toContain('must be redrive or drop')
    expect(wrong('{ at: T, dead: drop, times: 0 }')).toContain('must be a whole number from 1')
    expect(wrong('{ at: T, dead: drop, to: nobody }')).toContain('must be a mail address')
  })

  it('takes each document as one, and leaves empty ones out', () => {
    const { scenarios } = read(`# nothing\n---\n${head}---\n${head.replace('one', 'two')}...\n`)
    expect(scenarios.map(({ name, line }) => [name, line])).toEqual([
      ['one', 3],
      ['two', 6],
    ])
  })

  it('takes unquoted dates as text', () => {
    expect(only(head.replace('one', '2026-01-02')).name).toBe('2026-01-02')
    expect(
      timelineOf('  - { at: T, queue: A.B, row: { day: 2026-01-02, time: 2026-01-02T03:04:05Z } }')[0],
    ).toMatchObject({
      row: { day: '2026-01-02', time: '2026-01-02T03:04:05Z' },
    })
  })

  it('reads integers exactly to 64 bits', () => {
    const row =
      '{ most: 18446744073709551615, least: -9223372036854775808, safe: 9007199254740991, beyond: 9007199254740993, half: 0.5 }'
    expect(timelineOf(`  - { at: T, queue: A.B, row: ${row} }`)[0]).toMatchObject({
      row: {
        most: 18446744073709551615n,
        least: -9223372036854775808n,
        safe: 9007199254740991,
        beyond: 9007199254740993n,
        half: 0.5,
      },
    })
    expect(problemsOf(`${head}timeline: [{ at: T, queue: A.B, row: { n: 18446744073709551616 } }]`)).toEqual([
      's.yaml:3:43 timeline[0].row.n: does not fit into 64 bits: put it in quotes if it is text',
    ])
  })

  it('resolves aliases and merges, and bounds them', () => {
    const text = `${head}timeline:\n  - { at: T, queue: A.B, row: &row { a: 1 } }\n  - { at: T, queue: A.B, row: *row }\n  - { at: T, queue: A.B, row: { <<: *row, b: 2 } }`
    expect(only(text).timeline.map((entry) => 'row' in entry && entry.row)).toEqual([
      { a: 1 },
      { a: 1 },
      { a: 1, b: 2 },
    ])
    const levels = Array.from(
      { length: 9 },
      (_, n) => `l${n + 1}: &l${n + 1} [${Array.from({ length: 9 }, () => `*l${n}`).join(', ')}]`,
    )
    expect(problemsOf(`${head}l0: &l0 [x]\n${levels.join('\n')}`).join()).toContain('too many aliases')
  })

  it.each([
    ['T', 0],
    ['T+9s', 9000],
    ['T-1d', -86_400_000],
    ['T+500ms', 500],
    ['T+1h30m', 5_400_000],
    ['2026-04-22T14:42:28.5Z', 1500],
    ['2026-04-22T16:42:28+02:00', 1000],
  ])('%s is a moment', (at, ms) => {
    expect(timelineOf(`  - { at: ${at}, queue: A.B, row: {} }`)[0]?.at).toBe(T + ms)
  })

  it('leaves moments in free data alone', () => {
    expect(timelineOf('  - { at: T, queue: A.B, row: { note: T+9s } }')[0]).toMatchObject({ row: { note: 'T+9s' } })
  })

  it('keeps null as null', () => {
    expect(timelineOf('  - { at: T, queue: A.B, row: { Timestamp: null } }')[0]).toMatchObject({
      row: { Timestamp: null },
    })
  })

  it('puts the timeline in order of time, equal times in order of writing', () => {
    const entries =
      '  - { at: T+2s, queue: A.B, row: {}, id: c }\n  - { at: T+1s, queue: A.B, row: {}, id: a }\n  - { at: T+1s, queue: A.B, row: {}, id: b }'
    expect(timelineOf(entries).map((entry) => 'id' in entry && entry.id)).toEqual(['a', 'b', 'c'])
  })

  it('reads every kind of entry with its defaults', () => {
    const entries = [
      '{ at: T, queue: System.Flow.Completion, row: { ClientId: C.1 } }',
      '{ at: T, log: server, artifact: Custom.X/Source, level: ERROR, message: 404 }',
      '{ at: T, log: C.1, artifact: Custom.X, level: INFO, message: m, client_time: T-1h }',
      '{ at: T, set: { clients: [{ client_id: C.2 }] } }',
      '{ at: T, fault: smtp-down, for: 5m }',
      '{ at: T, fault: smtp-reply, to: Soc@example.org, code: 451, times: 3 }',
      '{ at: T, fault: grpc-cut }',
    ]
    expect(timelineOf(entries.map((entry) => `  - ${entry}`).join('\n'))).toEqual([
      { kind: 'event', at: T, org: 'root', queue: 'System.Flow.Completion', row: { ClientId: 'C.1' }, id: null },
      {
        kind: 'log',
        at: T,
        org: 'root',
        client: 'server',
        artifact: 'Custom.X/Source',
        level: 'ERROR',
        message: '404',
        clientTime: undefined,
      },
      {
        kind: 'log',
        at: T,
        org: 'root',
        client: 'C.1',
        artifact: 'Custom.X',
        level: 'INFO',
        message: 'm',
        clientTime: 'T-1h',
      },
      { kind: 'set', at: T, change: { now: T, clients: [{ client_id: 'C.2' }] } },
      { kind: 'fault', at: T, fault: 'smtp-down', until: T + 300_000, times: null, to: null, code: 0 },
      { kind: 'fault', at: T, fault: 'smtp-reply', until: null, times: 3, to: 'Soc@example.org', code: 451 },
      { kind: 'fault', at: T, fault: 'grpc-cut', until: null, times: null, to: null, code: 0 },
    ])
  })

  it('gives the relay what a scenario leaves out, and reads no other file for it', () => {
    const { configuration, problems } = only(
      `${head}mail: { password: { file: nowhere.txt }, url: smtps://u@mail.example.org, ca_file: nowhere.pem }\nmonitors: [{ artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org] } }]`,
    ).configuration
    expect(problems).toEqual([])
    expect(configuration).toMatchObject({
      velociraptor: { guiUrl: 'https://velociraptor.example.org/app/index.html', orgs: ['root'] },
      channels: [{ from: { address: 'velociraptor@example.org' } }],
      monitors: [{ name: 'Server.Monitor.FlowCompletion' }],
    })
  })

  it('listens to every organisation of its world', () => {
    const text = `name: one\nworld: { now: 2026-04-22T14:42:27Z, orgs: [{ id: O1, name: Lab }] }\ntimeline: [{ at: T, queue: A.B, org: O1, row: {} }]\n`
    expect(only(text).configuration.configuration?.velociraptor.orgs).toEqual(['root', 'O1'])
  })

  it('moves a scenario to another T when asked', () => {
    const { scenarios } = readScenarios(`${head}timeline: [{ at: T+1s, queue: A.B, row: {} }]`, 's.yaml', { now: 5000 })
    expect(scenarios[0]).toMatchObject({ now: 5000, timeline: [{ at: 6000 }] })
  })
})

describe('what is wrong in a scenario file', () => {
  it('is said all at once, each with its place', () => {
    const text = [
      'nam: x',
      'world: { now: T, cients: [], clients: [{ labels: [] }], flows: [{ client_id: C.1, session_id: F.1, create_time: soon }], hunts: 3 }',
      'timeline:',
      '  - { at: T+5x, queue: A.B, row: {} }',
      '  - { at: T, queu: A.B }',
      '  - { at: T, queue: A.B }',
      '  - { at: T, queue: ../etc, row: {}, org: O9 }',
      '  - { at: T, fault: smtp-dwon, for: 5 }',
      '  - { at: T, fault: relay-down, times: 3 }',
      '  - { at: T, fault: smtp-reply, to: nobody }',
      '  - { at: T, fault: smtp-down, for: 5m, times: 3, code: 5 }',
      '  - 7',
      'expect:',
      '  mail: []',
      '  mails: [{ too: x, headers: [], at: soon, not: { not: {} } }]',
      '  outcomes: [{ outcome: tolt, by: [lable] }]',
      '  happenings: [{ reason: x }]',
      '  alerts: {}',
    ].join('\n')
    expect(problemsOf(text)).toEqual([
      's.yaml:1:1 nam: is not known here: did you mean name?',
      's.yaml:1:1 name: is missing: say in one sentence what the scenario shows',
      's.yaml:2:15 world.now: is T itself: write a time such as 2026-04-22T14:42:27Z',
      's.yaml:2:18 world.cients: is not known here: did you mean clients?',
      's.yaml:2:40 world.clients[0].client_id: is missing: it says which one this is, as text',
      expect.stringMatching(/^s\.yaml:2:113 world\.flows\[0\]\.create_time: is no moment/),
      's.yaml:2:129 world.hunts: must be a list of mappings',
      expect.stringMatching(/^s\.yaml:4:11 timeline\[0\]\.at: is no moment: write T, T\+90s/),
      's.yaml:5:5 timeline[1]: says nothing that happens: write one of queue, log, set, fault, dead',
      's.yaml:6:5 timeline[2].row: is missing: write the row that the event holds',
      's.yaml:7:21 timeline[3].queue: must be the name of an artifact, or Artifact/Source',
      's.yaml:7:43 timeline[3].org: is no organisation of this world: name it under world.orgs (there are root)',
      's.yaml:8:21 timeline[4].fault: is no fault: smtp-dwon: did you mean smtp-down?',
      's.yaml:8:37 timeline[4].for: is no duration: write 90s, 5m, 1h30m (ms, s, m, h, d)',
      's.yaml:9:40 timeline[5].times: does not suit relay-down: write `for` with a duration',
      's.yaml:10:5 timeline[6].code: is missing: the SMTP code of the reply, such as 451 or 550',
      's.yaml:10:37 timeline[6].to: must be a mail address',
      's.yaml:11:5 timeline[7]: takes one of `for` and `times`, not both',
      's.yaml:11:51 timeline[7].code: belongs to smtp-reply only',
      's.yaml:12:5 timeline[8]: must be a mapping with at and one of queue, log, set, fault, dead',
      's.yaml:14:3 expect.mail: is not known here: did you mean mails?',
      's.yaml:15:13 expect.mails[0].too: is not known here: did you mean to?',
      's.yaml:15:30 expect.mails[0].headers: must be a mapping: header name to matcher',
      expect.stringMatching(/^s\.yaml:15:38 expect\.mails\[0\]\.at: is no moment/),
      's.yaml:15:51 expect.mails[0].not.not: is not known here: known are to, subject, text, html, headers, attachments, at, after, before',
      's.yaml:16:25 expect.outcomes[0].outcome: is no outcome: tolt: did you mean told?',
      's.yaml:16:36 expect.outcomes[0].by[0]: is no filter: lable: did you mean label?',
      's.yaml:17:16 expect.happenings[0]: must be a mapping with name, and whatever else must be said',
      's.yaml:18:11 expect.alerts: must be a list; [] for none',
    ])
  })

  it('is said of the bytes of uploads', () => {
    const problems = (row: string): readonly string[] =>
      problemsOf(
        `name: one\nworld: { now: 2026-04-22T14:42:27Z, uploads: [{ client_id: C.1, flow_id: F.1, rows: [{ ${row} }] }] }\n`,
      ).map((text) => text.replace(/^\S+ world\.uploads\[0\]\.rows\[0\]/, ''))
    expect(problems('client_path: /a, content: "naïve"')).toEqual([])
    expect(problems('client_path: /a, content_base64: "AP+A"')).toEqual([])
    expect(problems('client_path: /a, content: 7')).toEqual(['.content: must be text'])
    expect(problems('client_path: /a, content_base64: "AP-A"')).toEqual(['.content_base64: must be text in base64'])
    expect(problems('content: a, content_base64: AAAA')).toEqual([
      '.content_base64: stands beside content: one of them says what the bytes are',
    ])
    const ranges = (list: string): readonly string[] => problems(`content: "01234abc", ranges: ${list}`)
    expect(ranges('[{ offset: 0, length: 5 }, { offset: 10, length: 3 }]')).toEqual([])
    expect(problems('content_base64: "AP+A", ranges: [{ offset: 4, length: 3 }]')).toEqual([])
    for (const list of ['7', '[7]', '[{ offset: 0 }]', '[{ offset: -1, length: 8 }]', '[{ offset: 0, length: 0.5 }]'])
      expect(ranges(list)).toEqual(['.ranges: must be a list of mappings with offset and length, in bytes'])
    expect(ranges('[{ offset: 9, length: 5 }, { offset: 10, length: 3 }]')).toEqual([
      '.ranges: must be in order, and none may reach into the next',
    ])
    expect(ranges('[{ offset: 0, length: 5 }]')).toEqual(['.ranges: are for 5 bytes, and the content has 8'])
    expect(problems('ranges: [{ offset: 0, length: 5 }]')).toEqual(['.ranges: are for 5 bytes, and the content has 0'])
  })

  it.each([
    ['', 's.yaml:1:1: holds no scenario'],
    ['- 1', 's.yaml:1:1: must be a mapping with name'],
    ['name: [', 's.yaml:1:8'],
    ['name: x\nname: y', 's.yaml:2:1: this key stands here twice'],
    ['name: *a', 'this alias has no anchor'],
    [
      `${head}timeline: [{ at: T, queue: A.B, row: {}, id: a }, { at: T, queue: A.B, row: {}, id: a }]`,
      'timeline[1].id: names another entry too',
    ],
    [
      `${head}timeline: [{ at: T, queue: A.B, set: {}, row: {} }]`,
      'does two things at once: make queue and set two entries',
    ],
    [
      `${head}timeline: [{ at: T, fault: smtp-down, for: 300 }]`,
      'timeline[0].for: is no duration: write 90s, 5m, 1h30m',
    ],
  ])('%j', (text, problem) => {
    expect(problemsOf(text)[0]).toContain(problem)
  })
})
