import { from } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { alone } from '../../../operators/batch.ts'
import { type Judgement, judgementOf } from '../../../operators/judgement.ts'
import type { AlertsSettings } from '../../../pipeline/config/configuration.ts'
import { alertsMonitor } from '../../../pipeline/monitors/alerts.ts'
import { alertsParameters, readAlertsParameters } from '../../../pipeline/monitors/alerts-parameters.ts'
import type { AlertMonitor } from '../../../pipeline/monitors/monitor.ts'
import type { AlertEvent } from '../../../schemas/generated.ts'
import { type AlertDifference, alertEvent, T } from '../../operators/alert-events.ts'
import { openMemory } from './monitor-memory.ts'

type Given = Readonly<Record<string, unknown>>

const read = (parameters: Given) => {
  const said: string[] = []
  const value = readAlertsParameters({ Recipients: ['soc@example.org'], ...parameters }, [], {
    report: (path, message, { level = 'error' } = {}) => said.push(`${level} ${path.join('.')}: ${message}`),
    writtenAt: () => undefined,
  })
  return { value, said }
}
const monitorWith = (parameters: Given = {}, dedup: AlertsSettings['dedup'] = null): AlertMonitor => {
  const { value, said } = read(parameters)
  if (value === null) throw new Error(said.join('\n'))
  return alertsMonitor(
    { name: 'soc', artifact: 'Server.Monitor.Alerts', channel: 'mail', parameters: value, dedup, batch: alone },
    null,
  )
}
const judged = (monitor: AlertMonitor, ...events: readonly AlertEvent[]): readonly Judgement<AlertEvent>[] => {
  const judgements: Judgement<AlertEvent>[] = []
  from(events.map(judgementOf))
    .pipe(monitor.chain(openMemory()))
    .subscribe((one) => judgements.push(one))
  return judgements
}
const told = (monitor: AlertMonitor, difference: AlertDifference): readonly string[] =>
  judged(monitor, alertEvent(difference)).flatMap(({ recipients }) => recipients.map(({ address }) => address))

describe('a monitor of alerts', () => {
  it('tells every alert with a name by default', () => {
    expect(told(monitorWith(), {})).toEqual(['soc@example.org'])
    expect(judged(monitorWith(), alertEvent({ event: { name: '' } }))[0]?.objections).toMatchObject([{ by: 'message' }])
  })

  it('objects by message and severity, and says both', () => {
    const monitor = monitorWith({ AlertMsgExclude: 'test', SeverityThreshold: ['high'] })
    const [judgement] = judged(monitor, alertEvent({ event: { name: 'Test' }, data: { level: 'warn' } }))
    expect(judgement?.objections.map(({ by }) => by)).toEqual(['message', 'severity'])
    expect(told(monitor, { data: { level: 'error' } })).toEqual(['soc@example.org'])
  })

  it('that trouble: or heartbeat: made is asked about nothing but that', () => {
    const { value } = read({})
    if (value === null) throw new Error('the parameters cannot be used')
    const settings = { name: 'm', artifact: 'Server.Monitor.Alerts', channel: 'mail', parameters: value, dedup: null }
    const asked = (about: AlertsSettings['about'], name: string): boolean | undefined =>
      alertsMonitor({ ...settings, batch: alone, ...(about === undefined ? {} : { about }) }, null).concerns?.(
        alertEvent({ event: { name, artifact: 'relay', reported_by: 'server' } }),
      )
    const names = ['raptor-relay: mail is away', 'raptor-relay heartbeat', 'Lockout']
    expect(names.map((name) => asked('trouble', name))).toEqual([true, false, false])
    expect(names.map((name) => asked('heartbeat', name))).toEqual([false, true, false])
    expect(names.map((name) => asked(undefined, name))).toEqual([undefined, undefined, undefined])
  })

  it('RC-16 tells the creator of the flow although the letter does not show it', () => {
    const monitor = monitorWith({ NotifyExecutor: true, IncludeFlowDetails: false })
    expect(told(monitor, { flow: { creator: 'a@example.org' } })).toEqual(['soc@example.org', 'a@example.org'])
    expect(told(monitor, {})).toEqual(['soc@example.org'])
  })

  it('has no recipients where nobody is named and the alert comes from no flow', () => {
    const [judgement] = judged(monitorWith({ Recipients: [], NotifyExecutor: true }), alertEvent())
    expect(judgement).toMatchObject({ objections: [], recipients: [] })
  })

  it('tells the same alert once', () => {
    const [first, second] = judged(monitorWith(), alertEvent(), alertEvent())
    expect(first?.repeatOf).toBeNull()
    expect(second?.repeatOf).toEqual({ event: alertEvent().id, reason: 'told before' })
  })

  it('with a window keeps silent about those alike: by name and client unless told otherwise', () => {
    const dedup = { windowMs: 7_200_000, window: '2h', by: ['alert.name', 'client.id'] } as const
    const at = (id: string, s: number, more: AlertDifference = {}): AlertEvent =>
      alertEvent({ ...more, event: { id, told_once_as: id, received_at: T + s * 1000, ...more.event } })
    const judgements = judged(
      monitorWith({}, dedup),
      at('a', 0),
      at('b', 7199, { data: { other: 1 } }),
      at('c', 7200),
      at('d', 7201, { event: { name: 'other' } }),
      at('e', 7202, { client: { id: 'C.2' } }),
    )
    expect(judgements.map(({ repeatOf }) => repeatOf?.event ?? '')).toEqual(['', 'a', '', '', ''])
  })

  it('with a window by severity does not hide what is worse', () => {
    const dedup = { windowMs: 7_200_000, window: '2h', by: ['alert.name', 'alert.severity'] } as const
    const judgements = judged(
      monitorWith({}, dedup),
      ...['warn', 'error', 'WARN'].map((level, n) => alertEvent({ event: { told_once_as: `${n}` }, data: { level } })),
    )
    expect(judgements.map(({ repeatOf }) => repeatOf !== null)).toEqual([false, false, true])
  })

  it('gives its notices the severity of the table', () => {
    expect(monitorWith().noticeOf(alertEvent({ data: { level: 'error' } }))).toMatchObject({
      severity: 'high',
      alert_letter: { severity: 'high', severity_members: ['level', 'Level', 'severity', 'Severity'] },
    })
  })
})

describe('the parameters of Server.Monitor.Alerts', () => {
  it('have the defaults of the artifact', () => {
    expect(read({}).said).toEqual([])
    expect(read({}).value).toMatchObject({
      NotifyExecutor: false,
      HTML: true,
      SendInterval: -1,
      IncludeClientDetails: true,
      IncludeFlowDetails: true,
      IncludeArtifactDetails: false,
      KeepEmptyRows: false,
      SeverityThreshold: [],
      FlattenContext: true,
      ContextFieldLimit: 100,
      ContextValueLimit: 1000,
      ContextRowLimit: 30,
    })
  })

  it('are read as the server writes them', () => {
    const { value, said } = read({
      Recipients: 'Address\nsoc@example.org\n',
      SeverityTransforms: 'Member,Regex,Replace\nlevel,(?i)warn,medium\nDetails.Level,,\n',
      SeverityThreshold: '["high", 3]',
      IncludeClientDetails: 'N',
      ContextRowLimit: '12',
    })
    expect(said).toEqual([])
    expect(value?.SeverityTransforms.map(({ member, replacement }) => [member, replacement])).toEqual([
      ['level', 'medium'],
      ['Details.Level', ''],
    ])
    expect(value).toMatchObject({ SeverityThreshold: ['high', '3'], IncludeClientDetails: false, ContextRowLimit: 12 })
  })

  it.each([
    ['CX-09 no limit at all', { ContextRowLimit: 0 }, 'error ContextRowLimit: must be at least 1'],
    [
      'CX-08 more rows than there can be',
      { ContextRowLimit: 500 },
      'warning ContextRowLimit: is taken as 100, the most there can be',
    ],
    [
      'CX-11 longer values than there can be',
      { ContextValueLimit: 20_000 },
      'warning ContextValueLimit: is taken as 10000, the most there can be',
    ],
    ['a key that cannot be cut in its middle', { ContextFieldLimit: 1 }, 'error ContextFieldLimit: must be at least 2'],
    ['a pattern that RE2 refuses', { AlertMsgInclude: '(' }, 'error AlertMsgInclude: is no pattern that RE2 takes'],
    [
      'a pattern of the table',
      { SeverityTransforms: [{ Member: 'a', Regex: '(' }] },
      'error SeverityTransforms.0.Regex: is no pattern',
    ],
    [
      'a row of the table without a member',
      { SeverityTransforms: [{ Regex: 'a' }] },
      'error SeverityTransforms.0: is missing: name the member',
    ],
    [
      'a replacement of nothing',
      { SeverityTransforms: [{ Member: 'a', Replace: 'b' }] },
      'warning SeverityTransforms.0.Replace: does nothing without a Regex',
    ],
    ['severities that are no list', { SeverityThreshold: 'high' }, 'error SeverityThreshold: must be a list of texts'],
    ['a severity that is a mapping', { SeverityThreshold: [{ a: 1 }] }, 'error SeverityThreshold.0: must be text'],
    ['nobody to tell', { Recipients: [] }, 'warning Recipients: nobody is told by this monitor'],
    [
      'domains for nobody',
      { NotifyExecutorDomains: [{ UsernameRegex: '.', Domain: 'example.org' }] },
      'warning NotifyExecutorDomains: does nothing',
    ],
    [
      'metadata that are not shown',
      { ClientMetadata: ['a'].map((Field) => ({ Field, Alias: '' })), IncludeClientDetails: false },
      'warning ClientMetadata: does nothing',
    ],
    ['a name of the other artifact', { Secret: 'x' }, 'error Secret: is no parameter of this artifact'],
  ])('%s is said', (_, parameters, expected) => {
    expect(read(parameters).said.join('\n')).toContain(expected)
  })

  it('refuse a mapping everywhere but in tables', () => {
    for (const name of Object.keys(alertsParameters)) expect(read({ [name]: { x: 1 } }).said).not.toEqual([])
  })
})
