import { z } from 'zod'
import { isQueueName } from '../../connectors/velociraptor/watch-query.ts'
import { readAlertsParameters } from '../monitors/alerts-parameters.ts'
import { defaultSecret } from '../monitors/mail-parameters.ts'
import { readTemplate, type Template, TemplateError } from '../monitors/template.ts'
import type { QueueAlert, QueueSettings } from './configuration.ts'
import { isRecord } from './is-record.ts'
import { queueAlike } from './monitor-artifacts.ts'
import { batchRule, channelOf, checkBatch, readDedup, type Reader } from './monitor-parts.ts'
import type { Reading } from './parameters.ts'
import type { Path, Report } from './problem.ts'
import { readRecord } from './record.ts'
import { batchShape, dedupShape, nameShape, queueAlertShape } from './relay-shape.ts'

/** Queues that a monitor of an artifact reads. */
const ownMonitors: Readonly<Record<string, string>> = {
  'System.Flow.Completion': 'Server.Monitor.FlowCompletion',
  'Server.Internal.Alerts': 'Server.Monitor.Alerts',
}

/** What a monitor of a queue is called unless told otherwise. */
export const nameOfQueue = (queue: string): string => queue.replaceAll('/', '.')

/** Reads a monitor of any event queue. */
export const readQueueMonitor: Reader<QueueSettings> = (value, { path, reading, mail }) => {
  const { report } = reading
  const shape = {
    name: nameShape.optional(),
    queue: z.string(),
    alert: z.unknown(),
    parameters: z.unknown(),
    dedup: dedupShape(queueAlike).optional(),
    batch: batchShape.optional(),
  }
  const read = readRecord(shape, value, path, report)
  if (read === null) return null
  const { queue } = read
  if (queue !== undefined) reportQueue(queue, [...path, 'queue'], report)
  const alert = readAlert(read.alert, [...path, 'alert'], report)
  const parameters = readAlertsParameters(
    read.parameters,
    [...path, 'parameters'],
    lettersOnly(reading, read.parameters),
  )
  const written = isRecord(read.parameters) ? read.parameters['ServerSecret'] : undefined
  const secret = typeof written === 'string' && written !== '' ? written : undefined
  const hasLetters = parameters !== null && parameters.Recipients.length > 0
  const channel =
    mail === null || !hasLetters
      ? ''
      : channelOf(secret ?? defaultSecret, secret !== undefined, [...path, 'parameters', 'ServerSecret'], mail, report)
  if (read.batch !== undefined && parameters !== null && !hasLetters)
    report([...path, 'batch'], 'gathers the letters of this monitor, which has none: set parameters.Recipients', {
      level: 'warning',
    })
  if (parameters?.NotifyExecutor === true)
    report([...path, 'parameters', 'NotifyExecutor'], 'does nothing here: nobody started a row of a queue', {
      level: 'warning',
    })
  if (read.batch !== undefined) checkBatch(read.batch, [...path, 'batch'], report)
  if (queue === undefined || alert === null || parameters === null) return null
  const dedup = read.dedup === undefined ? null : readDedup(queueAlike, read.dedup, path, report)
  const batch = batchRule(read.batch, parameters.SendInterval)
  return { name: read.name ?? nameOfQueue(queue), artifact: queue, queue, alert, channel, parameters, dedup, batch }
}

/** Its alerts reach the monitors of alerts: letters of its own are nothing that must be. */
const lettersOnly = (reading: Reading, parameters: unknown): Reading =>
  parameters === undefined || parameters === null ? { ...reading, report: () => undefined } : reading

const reportQueue = (queue: string, path: Path, report: Report): void => {
  const own = ownMonitors[queue]
  if (own !== undefined) report(path, `has a monitor of its own: write artifact: ${own} instead of queue`)
  else if (!isQueueName(queue))
    report(path, 'must be the name of an event artifact, or Artifact/Source for a named source')
}

const readAlert = (value: unknown, path: Path, report: Report): QueueAlert | null => {
  const read = readRecord(queueAlertShape.shape, value, path, report)
  if (read === null) return null
  const name = read.name === undefined ? null : templateOf(read.name, [...path, 'name'], report)
  const severity = templateOf(read.severity ?? '', [...path, 'severity'], report)
  return name === null || severity === null ? null : { name, severity, context: read.context ?? null }
}

const templateOf = (text: string, path: Path, report: Report): Template | null => {
  try {
    return readTemplate(text)
  } catch (cause) {
    if (!(cause instanceof TemplateError)) throw cause
    report(path, cause.message)
    return null
  }
}
