import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isStanding, isTold, type Judgement } from '../../../operators/judgement.ts'
import type { FlowEvent, HuntFacts } from '../../../schemas/generated.ts'
import { type FlowDifference, flowEvent, query, T, withRows } from '../../operators/flow-events.ts'
import { judged, monitorWith } from './flow-monitors.ts'

type Parameters = Readonly<Record<string, unknown>>
const GCI = 'Generic.Client.Info'
const ids = (judgement: Judgement<FlowEvent> | undefined): readonly string[] =>
  judgement?.objections.map(({ by }) => by) ?? []
const only = (parameters: Parameters, difference: FlowDifference): Judgement<FlowEvent> => {
  const [judgement] = judged(monitorWith(parameters), [flowEvent(difference)])
  if (judgement === undefined) throw new Error('no judgement')
  return judgement
}

/** Artifacts of a flow, completed `s` seconds after T. */
const ran = (artifacts: readonly string[], s = 60): FlowDifference => ({
  flow: { artifacts },
  event: { completed_at: T + s * 1000 },
})
const completedAt = (s: number): FlowDifference => ({ event: { completed_at: T + s * 1000 } })
const labelled = (...labels: readonly string[]): FlowDifference => ({ client: { labels } })
const gciLabelled = (
  label: string,
  queries: readonly (readonly [rows: number, uploads: number])[],
): FlowDifference => ({
  client: { labels: [label] },
  flow: { artifacts: [GCI], queries: queries.map(([rows, uploads]) => query({ rows, uploads })) },
})
const failed = (status: string, s = 60): FlowDifference => ({
  flow: { state: 'ERROR', status },
  event: { completed_at: T + s * 1000 },
})
const huntFlow = (tags: readonly string[] | null, rows = 0, state = 'FINISHED'): FlowDifference => ({
  flow: { id: 'F.D7KDSKSILR3TG.H', state, queries: withRows(rows) },
  event: {
    hunt: { id: 'H.D7KDSKSILR3TG', known: tags !== null, description: '', tags: tags ?? [] } satisfies HuntFacts,
  },
})
/** A client this old at the flow's start. */
const aged = (s: number, artifacts: readonly string[] = [GCI], completed = 2): FlowDifference => ({
  client: { first_seen_at: T - s * 1000 },
  flow: { started_at: T, artifacts },
  event: { completed_at: T + completed * 1000 },
})
const requires = (...required: readonly (readonly string[] | null)[]): FlowDifference => ({
  event: {
    definitions: required.map((permissions, n) => ({
      name: `A${n}`,
      known: permissions !== null,
      required_permissions: permissions ?? [],
    })),
  },
})
const both = (a: FlowDifference, b: FlowDifference): FlowDifference => ({
  client: { ...a.client, ...b.client },
  flow: { ...a.flow, ...b.flow },
  event: { ...a.event, ...b.event },
})

/** Told: [], else all that object. */
const cases: readonly (readonly [
  id: string,
  parameters: Parameters,
  difference: FlowDifference,
  objecting: readonly string[],
])[] = [
  ['FC-01', {}, {}, []],
  ['FC-03', {}, completedAt(9), ['delay']],
  ['FC-04', {}, completedAt(10), []],
  ['FC-05', {}, { flow: { created_at: T + 900 }, event: { completed_at: T + 10_000 } }, []],
  ['FC-07', {}, ran([GCI]), ['artifact']],
  ['FC-10', {}, ran(['Generic.Client.Info.Extra']), []],
  ['FC-11', {}, ran([GCI, 'Linux.Search.FileFinder']), []],
  ['FC-12', {}, ran([GCI, 'Custom.Generic.Client.Info']), []],
  ['FC-13', { ArtifactsToIgnore: '' }, ran([GCI]), []],
  ['FC-15', { ArtifactsToAlertOn: 'finder$' }, ran(['Windows.Sys.Users', 'Linux.Search.FileFinder']), []],
  ['FC-16', { ArtifactsToAlertOn: '' }, {}, []],
  ['FC-17', { ClientLabelsToAlertOn: '^prod$' }, labelled(), []],
  ['FC-18', { ClientLabelsToAlertOn: '^prod$' }, labelled('test'), ['label']],
  ['FC-19', { ClientLabelsToAlertOn: '^prod$' }, labelled('test', 'PROD'), []],
  ['FC-20', { ClientLabelsToIgnore: '^test$' }, labelled('prod', 'test'), ['label']],
  ['FC-21', { ClientLabelsToIgnore: '^test$' }, labelled(), []],
  ['FC-22', { ClientLabelsToIgnore: '.*' }, labelled(), []],
  ['FC-23', { ClientLabelsToIgnore: 'vip' }, labelled('vip'), ['label']],
  ['FC-24', {}, huntFlow([]), ['hunt']],
  ['FC-25', { NotifyHunts: true }, huntFlow([]), []],
  ['FC-27', { ErrorHandling: ['IncludeHunts'] }, huntFlow([]), ['hunt']],
  ['FC-28', {}, { flow: { id: 'F.IMPORTEDH' } }, []],
  ['FC-30', {}, both(ran([GCI]), failed('')), ['artifact']],
  ['FC-32', { ErrorHandling: ['IgnoreArtifactFilters'] }, ran([GCI]), ['artifact']],
  ['FC-33', {}, failed('boom', 3), ['delay']],
  ['FC-34', { ErrorHandling: ['IgnoreDelay'] }, failed('boom', 3), []],
  ['FC-35', { ErrorHandling: ['IgnoreDelay'] }, completedAt(3), ['delay']],
  ['FC-36', {}, failed('Cancelled by analyst2'), ['cancelled']],
  ['FC-37', {}, failed('cancelled'), ['cancelled']],
  ['FC-38', { ErrorHandling: [] }, failed('Cancelled by analyst2'), []],
  [
    'FC-40',
    {},
    both(failed('Cancelled'), {
      flow: { queries: [query({ error: 'Row count exceeded limit' }), query({ error: 'Cancelled' })] },
    }),
    [],
  ],
  [
    'FC-41',
    { ErrorHandling: ['IncludeHunts', 'IgnoreArtifactFilters', 'IgnoreDelay'], ClientLabelsToIgnore: 'test' },
    both(failed('boom'), labelled('test')),
    ['label'],
  ],
  ['FC-42', {}, aged(10), ['artifact', 'delay']],
  ['FC-43', { NewClientArtifacts: 'Client\\.Info$' }, aged(20), []],
  ['FC-44', { NewClientArtifacts: 'Client\\.Info$' }, aged(299), []],
  ['FC-45', { NewClientArtifacts: 'Client\\.Info$' }, aged(300), ['artifact', 'delay']],
  ['FC-46', { NewClientArtifacts: 'Client\\.Info$' }, aged(20, ['Linux.Sys.Users']), ['delay']],
  [
    'FC-47',
    { NewClientArtifacts: '.+', ClientLabelsToIgnore: '.+' },
    both(both(aged(20, ['Linux.Sys.Users'], 60), labelled('x')), both(huntFlow([]), failed('Cancelled by analyst2'))),
    [],
  ],
  [
    'FC-50',
    {},
    gciLabelled('notify_results', [
      [0, 0],
      [3, 0],
    ]),
    [],
  ],
  [
    'FC-51',
    {},
    gciLabelled('notify_results', [
      [0, 0],
      [0, 0],
    ]),
    ['artifact'],
  ],
  ['FC-52', {}, gciLabelled('notify_results', [[0, 2]]), ['artifact']],
  ['FC-53', {}, gciLabelled('notify_uploads', [[0, 2]]), []],
  ['FC-54', {}, gciLabelled('my_notify_results', [[3, 0]]), ['artifact']],
  ['FC-55', { NotifyIfResultsLabels: '' }, gciLabelled('notify_results', [[3, 0]]), ['artifact']],
  ['FC-56', {}, huntFlow(['notify_results'], 5), []],
  ['FC-57', {}, huntFlow(null, 5), ['hunt']],
  ['FC-58', {}, { flow: { artifacts: [GCI], queries: withRows(5) } }, ['artifact']],
  [
    'FC-59',
    {},
    both(labelled('notify_results'), both(failed('Cancelled by analyst2'), { flow: { queries: withRows(3) } })),
    [],
  ],
  ['FC-60', {}, both(gciLabelled('notify_results', []), { flow: { total_rows: 9 } }), ['artifact']],
  ['FC-61', { ArtifactPermToAlertOn: 'EXECVE' }, requires(['EXECVE']), []],
  ['FC-62', { ArtifactPermToAlertOn: 'EXECVE' }, requires([]), ['permission']],
  ['FC-63', { ArtifactPermToAlertOn: 'execve' }, requires([], ['EXECVE']), []],
  ['FC-64', { ArtifactPermToAlertOn: 'EXECVE' }, requires(null), ['permission']],
  [
    'FC-65',
    { ArtifactPermToAlertOn: 'EXECVE', ErrorHandling: ['IgnoreArtifactFilters'] },
    both(failed('boom'), requires([])),
    ['permission'],
  ],
  ['FC-69', {}, { flow: { created_at: null } }, []],
  ['FC-70', {}, { event: { completed_at: T + 61_000 } }, []],
  ['a server collection', {}, { client: { id: 'server', known: false } }, ['server']],
]

describe('the decision of Server.Monitor.FlowCompletion', () => {
  it.each(cases)('%s', (_, parameters, difference, objecting) => {
    const judgement = only(parameters, difference)
    const isTold = objecting.length === 0
    expect(isStanding(judgement)).toBe(isTold)
    expect(judgement.recipients.map(({ address }) => address)).toEqual(isTold ? ['soc@example.org'] : [])
    if (!isTold) expect(ids(judgement)).toEqual(objecting)
  })

  it('FC-47 keeps what was overruled, and by what', () => {
    const [, parameters, difference] = cases.find(([id]) => id === 'FC-47') ?? ['', {}, {}]
    const judgement = only(parameters, difference)
    expect(ids(judgement)).toEqual(['hunt', 'cancelled', 'label'])
    expect(judgement.overruledBy).toEqual(['new client'])
  })

  it('FC-64 says which artifact has no definition', () => {
    expect(only({ ArtifactPermToAlertOn: 'EXECVE' }, requires(null)).objections[0]?.reason).toContain(
      'no definition of A0',
    )
  })

  it('names a second completion of a flow as a repeat of the first (D-16)', () => {
    const first = flowEvent()
    const second = flowEvent({ event: { id: `${first.id}0` } })
    const imported = flowEvent({
      client: { id: 'C.2' },
      event: { id: 'i', told_once_as: 'root/C.2/F.D7KDSKSILR3TG/1' },
    })
    const repeats = judged(monitorWith({}), [first, second, imported]).map(({ repeatOf }) => repeatOf)
    expect(repeats).toEqual([null, { event: first.id, reason: 'completed again' }, null])
  })
})

describe('a dedup window', () => {
  const dedup = { windowMs: 3_600_000, window: '1h', by: ['client.id', 'flow.artifacts'] as const }
  const at = (id: string, minutes: number, difference: FlowDifference = {}): FlowEvent =>
    flowEvent({ ...difference, event: { id, told_once_as: id, received_at: T + minutes * 60_000 } })

  it('keeps flows silent that are like one told before, and names it', () => {
    const monitor = monitorWith({}, { dedup })
    const flows = [at('a', 0), at('b', 59), at('c', 60), at('d', 61, ran(['Linux.Sys.Users']))]
    expect(judged(monitor, flows).map(({ repeatOf }) => repeatOf)).toEqual([
      null,
      { event: 'a', reason: 'like one told less than 1h before' },
      null,
      null,
    ])
  })

  it('does not make the end of a flow that it kept silent known: when the flow ends again later, it is told', () => {
    const once = (event: FlowEvent): FlowEvent => ({ ...event, told_once_as: 'the second flow' })
    const flows = [at('a', 0), once(at('b', 1)), once(at('b again', 61)), once(at('b once more', 200))]
    expect(judged(monitorWith({}, { dedup }), flows).map(({ repeatOf }) => repeatOf)).toEqual([
      null,
      { event: 'a', reason: 'like one told less than 1h before' },
      null,
      { event: 'b again', reason: 'completed again' },
    ])
  })

  it('is there only where it is asked for', () => {
    expect(judged(monitorWith({}), [at('a', 0), at('b', 1)]).map(({ repeatOf }) => repeatOf)).toEqual([null, null])
  })
})

describe('the recipients of Server.Monitor.FlowCompletion', () => {
  const creator = (name: string): FlowDifference => ({ flow: { creator: name } })
  const owner = (value: string): FlowDifference => ({ client: { metadata: [{ field: 'owner', value }] } })
  const domains = (...rows: readonly (readonly [string, string])[]) =>
    rows.map(([UsernameRegex, Domain]) => ({ UsernameRegex, Domain }))
  const all = domains(['.+', 'example.org'])

  it.each<readonly [id: string, parameters: Parameters, difference: FlowDifference, to: readonly string[]]>([
    [
      'RC-01',
      { Recipients: ['a@lab.example.org', 'b@lab.example.org', 'a@lab.example.org'] },
      {},
      ['a@lab.example.org', 'b@lab.example.org'],
    ],
    ['RC-02', { Recipients: [], NotifyExecutor: true }, creator('analyst1@example.org'), ['analyst1@example.org']],
    ['RC-03', { Recipients: [], NotifyExecutor: true, NotifyExecutorDomains: all }, {}, ['analyst1@example.org']],
    ['RC-04', { NotifyExecutor: false, NotifyExecutorDomains: all }, {}, ['soc@example.org']],
    [
      'RC-05',
      { NotifyExecutor: true, NotifyExecutorDomains: all },
      creator('InterrogationService'),
      ['soc@example.org'],
    ],
    [
      'RC-06',
      { NotifyExecutor: true, NotifyExecutorDomains: domains(['^analyst', 'a.example.org'], ['.+', 'b.example.org']) },
      {},
      ['soc@example.org', 'analyst1@a.example.org'],
    ],
    ['RC-07', { Recipients: [], NotifyExecutor: true }, {}, []],
    ['RC-08', { NotifyMetadataEMail: 'owner' }, owner('o@example.org'), ['soc@example.org', 'o@example.org']],
    ['RC-09', { NotifyMetadataEMail: 'owner' }, owner('n/a'), ['soc@example.org']],
    [
      'RC-11',
      { NotifyExecutor: true, NotifyMetadataEMail: 'owner' },
      both(creator('soc@example.org'), owner('soc@example.org')),
      ['soc@example.org'],
    ],
    ['RC-12', { Recipients: ['SOC@example.org', 'soc@example.org'] }, {}, ['SOC@example.org']],
    ['RC-13', { Recipients: ['foo', 'soc@example.org'] }, {}, ['soc@example.org']],
    ['RC-14', { Recipients: ['', 'soc@example.org', '  '] }, {}, ['soc@example.org']],
  ])('%s', (_, parameters, difference, to) => {
    const judgement = only(parameters, difference)
    expect(judgement.recipients.map(({ address }) => address)).toEqual(to)
    expect(isStanding(judgement)).toBe(true)
  })

  it('RC-13 warns of what is no address', () => {
    expect(monitorWith({ Recipients: ['foo', 'soc@example.org'] }).said).toHaveLength(1)
  })

  it('of creators lie in the domains that the channel allows', () => {
    const monitor = monitorWith({ NotifyExecutor: true }, { allowedDomains: ['example.org'] })
    const [judgement] = judged(monitor, [flowEvent(creator('a@lab.example.org'))])
    expect(judgement?.recipients.map(({ address }) => address)).toEqual(['soc@example.org'])
    expect(judgement?.warnings).toEqual(['1 address(es) outside the allowed domains left out'])
  })
})

describe('a notice of Server.Monitor.FlowCompletion', () => {
  it('carries the event and how its letter is to look', () => {
    const monitor = monitorWith({
      HTML: false,
      KeepEmptyRows: true,
      ClientMetadata: [{ Field: 'dept', Alias: 'Department' }],
      IncludeUploadsTableRows: 3,
      IncludeResultTableFrom: [{ Source: 'Users', Columns: '', MaxRows: 5, CellLimit: 50 }],
      ResultTableMaxColumns: 6,
      IncludeResultAttachmentFrom: [{ Source: 'Users', Columns: 'Name', MaxRows: '' }],
      AttachmentFormat: 'csv',
      AttachmentsMaxMiB: 2,
      Sender: 'Relay <relay@example.org>',
    })
    const event = flowEvent({ client: { first_seen_at: T - 299_000 }, flow: { started_at: T } })
    expect(monitor.sender).toEqual({ name: 'Relay', address: 'relay@example.org' })
    expect(monitor.noticeOf(event)).toEqual({
      flow: event,
      flow_letter: {
        html: false,
        keep_empty_rows: true,
        new_client: true,
        client_metadata: [{ field: 'dept', alias: 'Department' }],
        uploads_rows: 3,
        result_tables: [{ source: 'Users', columns: '', most_rows: 5, longest_cell: 50 }],
        result_columns: 6,
        attachments: [{ source: 'Users', columns: 'Name', most_rows: 0 }],
        attachment_format: 'csv',
        most_attached_bytes: 2_097_152,
      },
      severity: '',
    })
  })

  it('is of medium severity where the flow failed', () => {
    const monitor = monitorWith({})
    expect(monitor.noticeOf(flowEvent({ flow: { state: 'ERROR' } })).severity).toBe('medium')
  })
})

describe('under any parameters', () => {
  const pattern = fc.constantFrom('', '.+', '.*', '^prod$', 'Client', 'notify')
  const parameters = fc.record({
    ArtifactsToAlertOn: pattern,
    ArtifactsToIgnore: pattern,
    ClientLabelsToAlertOn: pattern,
    ClientLabelsToIgnore: pattern,
    NewClientArtifacts: pattern,
    ArtifactPermToAlertOn: pattern,
    NotifyIfResultsLabels: pattern,
    NotifyIfUploadsLabels: pattern,
    NotifyHunts: fc.boolean(),
    NotifyExecutor: fc.boolean(),
    DelayThreshold: fc.constantFrom(0, 10, 100),
    ErrorHandling: fc.subarray(['IncludeHunts', 'IgnoreCancelled', 'IgnoreArtifactFilters', 'IgnoreDelay']),
  })
  const difference: fc.Arbitrary<FlowDifference> = fc.record({
    client: fc.record({
      labels: fc.subarray(['prod', 'test', 'notify']),
      first_seen_at: fc.constantFrom(null, T - 1000, T - 1e9),
    }),
    flow: fc.record({
      id: fc.constantFrom('F.1', 'F.1.H'),
      state: fc.constantFrom('FINISHED', 'ERROR'),
      status: fc.constantFrom('', 'Cancelled by analyst2', 'boom'),
      artifacts: fc.subarray([GCI, 'Linux.Sys.Users', 'Client']),
      creator: fc.constantFrom('analyst1', 'A@example.org', 'soc@EXAMPLE.org'),
      queries: fc.array(fc.record({ rows: fc.nat(1), uploads: fc.nat(1) }).map(query), { maxLength: 2 }),
    }),
    event: fc.record({
      told_once_as: fc.constantFrom('one', 'two', 'three'),
      completed_at: fc.constantFrom(T, T + 10_000, T + 99_000),
    }),
  })
  const flows = fc
    .array(difference, { maxLength: 8 })
    .map((differences) => differences.map((each, n) => flowEvent({ ...each, event: { ...each.event, id: `e${n}` } })))
  const withoutTheirObjection: readonly [filter: string, off: Parameters][] = [
    ['delay', { DelayThreshold: 0 }],
    ['hunt', { NotifyHunts: true }],
    ['label', { ClientLabelsToAlertOn: '', ClientLabelsToIgnore: '' }],
    ['permission', { ArtifactPermToAlertOn: '' }],
    ['artifact', { ArtifactsToAlertOn: '', ArtifactsToIgnore: '' }],
  ]

  it('one judgement leaves for each event, in order', () => {
    fc.assert(
      fc.property(parameters, flows, (given, events) => {
        expect(judged(monitorWith(given), events).map(({ event }) => event)).toEqual(events)
      }),
    )
  })

  it('no filter removes what another one objected', () => {
    fc.assert(
      fc.property(parameters, flows, fc.constantFrom(...withoutTheirObjection), (given, events, [filter, off]) => {
        const all = judged(monitorWith(given), events)
        const less = judged(monitorWith({ ...given, ...off }), events)
        all.forEach(({ objections }, n) => {
          expect(less[n]?.objections).toEqual(objections.filter(({ by }) => by !== filter))
        })
      }),
    )
  })

  it('an identity is told at most once, and every repeat names the event that was told', () => {
    fc.assert(
      fc.property(parameters, flows, (given, events) => {
        const told = new Map<string, string>()
        for (const judgement of judged(monitorWith(given), events)) {
          const { id, told_once_as } = judgement.event
          const first = told.get(told_once_as)
          if (judgement.repeatOf !== null) expect(judgement.repeatOf.event).toBe(first)
          else if (isTold(judgement)) {
            expect(first).toBeUndefined()
            told.set(told_once_as, id)
          }
        }
      }),
    )
  })

  it('recipients are unique without case, and nobody is told of what does not stand', () => {
    fc.assert(
      fc.property(parameters, flows, (given, events) => {
        for (const judgement of judged(monitorWith(given), events)) {
          const to = judgement.recipients.map(({ address }) => address.toLowerCase())
          expect(new Set(to).size).toBe(to.length)
          expect(to.includes('soc@example.org')).toBe(isStanding(judgement))
        }
      }),
    )
  })
})
