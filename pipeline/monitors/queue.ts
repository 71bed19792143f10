import { identity, pipe } from 'rxjs'
import { exactJson } from '../../connectors/velociraptor/exact-json.ts'
import { splitMembers } from '../../connectors/velociraptor/split-rows.ts'
import { alertLikeness } from '../../operators/alert-fields.ts'
import { dedupWindow } from '../../operators/dedup-window.ts'
import { raised } from '../../operators/raised.ts'
import type { AlertEvent, QueueEvent } from '../../schemas/generated.ts'
import type { QueueSettings } from '../config/configuration.ts'
import { anyQueue } from '../sources/queue-source.ts'
import { alertsMonitor } from './alerts.ts'
import type { AlertMonitor, QueueMonitor } from './monitor.ts'
import { raisedAlert, rowOf } from './raised-alert.ts'
import { columnOf, fill, hasColumns } from './template.ts'

/** What the server and the relay add to a row. */
const added = new Set(['_ts', '_Source', '_Queue', '_Client', '_Shortened'])

type Member = readonly [key: string, json: string]

/** The columns that the alert shows: all that the artifact wrote, or those that were named and are there, in that order. */
const contextOf = (text: string, row: unknown, columns: readonly string[] | null): readonly Member[] => {
  const members = splitMembers(text).filter(([key]) => !added.has(key))
  if (columns === null) return members
  const own = new Map(members)
  return columns.flatMap((column): readonly Member[] => {
    const verbatim = own.get(column)
    if (verbatim !== undefined) return [[column, verbatim]]
    const value = columnOf(row, column)
    return value === undefined ? [] : [[column, exactJson(value)]]
  })
}

const alertOf = (event: QueueEvent, { name, queue, alert }: QueueSettings): AlertEvent => {
  const row = rowOf(event.row)
  // A word that says what is missing is no severity: no threshold would let it pass.
  const severity = hasColumns(alert.severity, row) ? fill(alert.severity, row).trim() : ''
  return raisedAlert(event, {
    monitor: name,
    name: fill(alert.name, row).trim() || `Event of ${queue}`,
    severity,
    artifact: queue,
    data: [
      ...contextOf(event.row, row, alert.context),
      ...(severity === '' ? [] : [['Severity', JSON.stringify(severity)] as const]),
    ],
  })
}

/** Answers once for an event, however often it is asked. */
const remembered = (make: (event: QueueEvent) => AlertEvent): ((event: QueueEvent) => AlertEvent) => {
  const made = new WeakMap<QueueEvent, AlertEvent>()
  return (event) => {
    const alert = made.get(event) ?? make(event)
    made.set(event, alert)
    return alert
  }
}

/** A monitor that makes an alert of each row of a queue, but for those that are like one before. */
export const queueMonitor = (settings: QueueSettings): QueueMonitor => {
  const { name, artifact, queue, channel, batch, dedup } = settings
  const alertFor = remembered((event) => alertOf(event, settings))
  return {
    event: 'QueueEvent',
    name,
    artifact,
    sources: [anyQueue(queue)],
    channel,
    sender: null,
    batch,
    concerns: (event) => event.queue === queue,
    chain: ({ windows }) =>
      pipe(
        raised<QueueEvent>(),
        dedup === null
          ? identity
          : dedupWindow(windows, {
              windowMs: dedup.windowMs,
              keyOf: (event) => alertLikeness(alertFor(event), alertFor(event).severity, dedup.by),
              idOf: ({ id }) => id,
              timeOf: ({ received_at }) => received_at,
              reason: `like one of which an alert was made less than ${dedup.window} before`,
            }),
      ),
    alertOf: ({ event }) => alertFor(event),
  }
}

/** Tells the alerts that the monitor itself makes to the recipients of its own; null: it has none. */
export const queueLetters = (settings: QueueSettings, allowedDomains: readonly string[] | null): AlertMonitor | null =>
  settings.parameters.Recipients.length === 0
    ? null
    : {
        ...alertsMonitor({ ...settings, dedup: null }, allowedDomains),
        sources: [],
        concerns: ({ derived_from }) => derived_from?.monitor === settings.name,
      }
