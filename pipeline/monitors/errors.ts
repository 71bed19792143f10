import { identity, pipe } from 'rxjs'
import { countedWindow } from '../../operators/counted-window.ts'
import { logFilter } from '../../operators/filters/log-filter.ts'
import type { Judgement } from '../../operators/judgement.ts'
import { isNotifying, type LogMatch, logTable } from '../../operators/log-table.ts'
import { objectTo } from '../../operators/object-to.ts'
import { raised } from '../../operators/raised.ts'
import type { AlertEvent, LogEvent } from '../../schemas/generated.ts'
import type { ErrorsSettings } from '../config/configuration.ts'
import { timestamp } from '../letters/amounts.ts'
import { logSource, type LogSource } from '../sources/queue-source.ts'
import type { LogMonitor } from './monitor.ts'
import { raisedAlert } from './raised-alert.ts'

const queries = { server: 'Server', client: 'Client' }
/** Members of an alert that are its severity by themselves. */
const severityMembers = ['severity', 'Severity']
/** Clients that an alert names of those that were suppressed. */
const mostNamed = 20

type Member = readonly [key: string, json: string]
const member = (key: string, value: unknown): Member => [key, JSON.stringify(value)]

/** What is known of lines that were held back before this one. */
const suppressedMembers = (suppressed: Judgement<LogEvent>['suppressed'], isOfClients: boolean): readonly Member[] => {
  if (suppressed === null) return []
  const { count, clients, isMore } = suppressed
  const named = clients.slice(0, mostNamed)
  const others = clients.length - named.length
  const rest =
    others > 0 || isMore
      ? [`and ${others > 0 ? others : ''}${isMore ? ' or more' : ''} others`.replaceAll(/ +/g, ' ')]
      : []
  return [
    member('Suppressed before', count),
    ...(isOfClients ? [member('Suppressed clients', [...named, ...rest].join(', '))] : []),
  ]
}

const alertOf = (
  { event, suppressed }: Judgement<LogEvent>,
  { severity, extra }: LogMatch,
  { name: monitor, of, parameters: { SeverityField } }: ErrorsSettings,
): AlertEvent => {
  const { artifact, level, message, logged_at, read_at, client } = event
  const isOfClients = of === 'client'
  const hasSeverity = severity !== '' && SeverityField !== ''
  return raisedAlert(event, {
    monitor,
    name: `${queries[of]} event query error in ${artifact}`,
    severity: hasSeverity && severityMembers.includes(SeverityField) ? severity : '',
    artifact,
    data: [
      ...(hasSeverity ? [member(SeverityField, severity)] : []),
      ...extra.map(([column, text]) => member(column, text)),
      member('Level', level),
      member('Error', message),
      member('Artifact', artifact),
      member('Log timestamp', timestamp(logged_at, read_at)),
      ...(isOfClients ? [member('ClientId', client.id)] : []),
      ...suppressedMembers(suppressed, isOfClients),
    ],
  })
}

/** Answers once for an event, however often it is asked. */
const remembered = (match: (event: LogEvent) => LogMatch | null): ((event: LogEvent) => LogMatch | null) => {
  const known = new WeakMap<LogEvent, LogMatch | null>()
  return (event) => {
    const before = known.get(event)
    if (before !== undefined) return before
    const found = match(event)
    known.set(event, found)
    return found
  }
}

const sourceOf = (
  { of, parameters: { Period, IncludeFilter } }: ErrorsSettings,
  table: ReturnType<typeof logTable>,
): LogSource =>
  logSource({
    of,
    periodMs: Period * 1000,
    selections: [
      {
        concerns: (artifact) =>
          !isNotifying(artifact) && IncludeFilter.some((row) => row.artifact.isBlank || row.artifact.matches(artifact)),
        levels: IncludeFilter.map(({ level }) => level),
        selects: (line) => table(line) !== null,
      },
    ],
  })

/** A monitor that makes an alert of each line that its tables choose, but for those that are like one before, which it counts. */
export const errorsMonitor = (settings: ErrorsSettings): LogMonitor => {
  const { name, artifact, of, channel, batch, parameters: p } = settings
  const table = logTable({ include: p.IncludeFilter, exclude: p.ExcludeFilter })
  const matchOf = remembered(table)
  return {
    event: 'LogEvent',
    name,
    artifact,
    sources: [sourceOf(settings, table)],
    channel,
    sender: null,
    batch,
    concerns: ({ client }) => (client.id === 'server') === (of === 'server'),
    chain: ({ countedWindows }) =>
      pipe(
        objectTo(logFilter(matchOf)),
        raised<LogEvent>(),
        p.dedupMs === null
          ? identity
          : countedWindow(countedWindows, {
              windowMs: p.dedupMs,
              keyOf: (event) =>
                JSON.stringify([event.org, event.artifact, (matchOf(event)?.severity ?? '').toLowerCase()]),
              idOf: ({ id }) => id,
              timeOf: ({ received_at }) => received_at,
              clientOf: ({ client }) => (of === 'server' ? '' : client.id),
              reason: `of the same artifact and severity as one of which an alert was made less than ${p.dedupMs / 1000} s before`,
            }),
      ),
    alertOf: (judgement) => alertOf(judgement, matchOf(judgement.event) ?? { severity: '', extra: [] }, settings),
  }
}
