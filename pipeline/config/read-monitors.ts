import { z } from 'zod'
import { alone } from '../../operators/batch.ts'
import { inAppChannel } from '../monitors/in-app-channel.ts'
import { defaultSecret } from '../monitors/mail-parameters.ts'
import type { ArtifactSettings, ErrorsSettings, MonitorSettings, SettingsOf } from './configuration.ts'
import { instead } from './did-you-mean.ts'
import { isRecord } from './is-record.ts'
import {
  alertsArtifact,
  clientErrorsArtifact,
  type ErrorsArtifact,
  flowCompletionArtifact,
  type MonitorArtifact,
  serverErrorsArtifact,
  userMessageArtifact,
} from './monitor-artifacts.ts'
import type { Reading } from './parameters.ts'
import type { Path, Report } from './problem.ts'
import { shown } from './problem.ts'
import { batchRule, channelOf, checkBatch, readDedup, type Reader } from './monitor-parts.ts'
import type { Mail } from './read-mail.ts'
import { nameOfQueue, readQueueMonitor } from './read-queue-monitor.ts'
import { readRecord } from './record.ts'
import { batchShape, dedupShape, nameShape } from './relay-shape.ts'

/** Reads the monitors of one artifact. */
const readerOf =
  <A extends string, P extends { readonly SendInterval: number }, F extends string>(
    definition: MonitorArtifact<A, P, F>,
  ): Reader<SettingsOf<A, P, F>> =>
  (value, { path, reading, mail }) => {
    const { report } = reading
    const dedupOf = dedupShape(definition)
    const shape = {
      name: nameShape.optional(),
      artifact: z.unknown(),
      parameters: z.unknown(),
      dedup: dedupOf.optional(),
      batch: batchShape.optional(),
    }
    const read = readRecord(shape, value, path, report)
    if (read === null) return null
    const parametersPath = [...path, 'parameters']
    const parameters = definition.read(read.parameters, parametersPath, reading)
    const { artifact, secret: parameter } = definition
    const written = parameter !== null && isRecord(read.parameters) ? read.parameters[parameter] : undefined
    const secret = typeof written === 'string' && written !== '' ? written : undefined
    const channel =
      parameter === null
        ? inAppChannel
        : mail === null
          ? ''
          : channelOf(secret ?? defaultSecret, secret !== undefined, [...parametersPath, parameter], mail, report)
    if (parameters === null) return null
    const dedup = read.dedup === undefined ? null : readDedup(definition, read.dedup, path, report)
    if (read.batch !== undefined) checkBatch(read.batch, [...path, 'batch'], report)
    const batch = batchRule(read.batch ?? definition.batch, parameters.SendInterval)
    return { name: read.name ?? artifact, artifact, channel, parameters, dedup, batch }
  }

/** Reads the monitors of logs: what they make is told by monitors of alerts. */
const errorsReaderOf =
  (definition: ErrorsArtifact): Reader<ErrorsSettings> =>
  (value, { path, reading }) => {
    const shape = { name: nameShape.optional(), artifact: z.unknown(), parameters: z.unknown() }
    const told = 'is nothing for a monitor that makes alerts: write it at the monitor that tells them'
    const read = readRecord(shape, value, path, reading.report, {
      dedup: `${told}, or set parameters.DedupInterval`,
      batch: told,
    })
    if (read === null) return null
    const { artifact, of } = definition
    const parameters = definition.read(read.parameters, [...path, 'parameters'], reading)
    return parameters === null
      ? null
      : { name: read.name ?? artifact, artifact, of, channel: '', parameters, dedup: null, batch: alone }
  }

const readers = {
  'Server.Monitor.FlowCompletion': readerOf(flowCompletionArtifact),
  'Server.Monitor.Alerts': readerOf(alertsArtifact),
  'Server.Monitor.Alerts.UserMessage': readerOf(userMessageArtifact),
  'Server.Monitor.Errors.Alert': errorsReaderOf(serverErrorsArtifact),
  'Server.Monitor.Client.Errors.Alert': errorsReaderOf(clientErrorsArtifact),
} satisfies Readonly<Record<ArtifactSettings['artifact'], Reader<MonitorSettings>>>

const isKnown = (artifact: string): artifact is keyof typeof readers => Object.hasOwn(readers, artifact)

/** A monitor whose artifact is missing or unknown may have any parameters: what is wrong with them is said once it is known. */
const readUnknown: Reader<never> = (value, { path, reading: { report } }) => {
  const shape = {
    name: nameShape.optional(),
    artifact: z.unknown().refine(isGiven),
    parameters: z.unknown(),
    dedup: z.unknown(),
    batch: batchShape.optional(),
  }
  const read = readRecord(shape, value, path, report)
  if (read !== null && read.artifact !== undefined) reportArtifact(read.artifact, [...path, 'artifact'], report)
  return null
}

const reportArtifact = (artifact: unknown, path: Path, report: Report): void => {
  if (typeof artifact !== 'string') return report(path, 'must be the name of an artifact, as text')
  report(path, `${shown(artifact)} is no artifact that the relay knows: ${instead(artifact, Object.keys(readers))}`)
}

const readMonitor: Reader<MonitorSettings> = (value, place) => {
  if (isRecord(value) && Object.hasOwn(value, 'queue')) return readQueueMonitor(value, place)
  const artifact = isRecord(value) ? value['artifact'] : undefined
  const read = typeof artifact === 'string' && isKnown(artifact) ? readers[artifact] : readUnknown
  return read(value, place)
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null

const nameOf = (monitor: unknown): unknown => {
  if (!isRecord(monitor)) return undefined
  const { name, queue, artifact } = monitor
  return name ?? (typeof queue === 'string' ? nameOfQueue(queue) : artifact)
}

/** A monitor that another part of the file makes. */
export interface OwnMonitor {
  /** The part: what is wrong with its recipients or channel is said of `to` and `channel` there. */
  readonly part: string
  /** As it would be written. */
  readonly monitor: { readonly name: string; readonly artifact: string; readonly parameters: object }
}

const reportRepeatedNames = (
  monitors: readonly unknown[],
  own: readonly OwnMonitor[],
  path: Path,
  report: Report,
): void => {
  const seen = new Map<string, number>()
  const makers = new Map(own.map(({ part, monitor: { name } }) => [name, part]))
  for (const [index, monitor] of monitors.entries()) {
    const name = nameOf(monitor)
    if (typeof name !== 'string') continue
    const first = seen.get(name)
    const maker = makers.get(name)
    const at = [...path, index, 'name']
    if (maker !== undefined) report(at, `${shown(name)} is what ${maker}: is told by: give this monitor another name`)
    else if (first === undefined) seen.set(name, index)
    else report(at, `monitors[${first}] is called ${shown(name)} too: give each monitor a name of its own`)
  }
}

const makesUntoldAlerts = (monitor: MonitorSettings | null): boolean =>
  monitor !== null && ('of' in monitor || ('queue' in monitor && monitor.parameters.Recipients.length === 0))

/** Alerts that nobody is told of are on record only. */
const reportUntoldAlerts = (monitors: readonly (MonitorSettings | null)[], path: Path, report: Report): void => {
  const tells = (monitor: MonitorSettings | null): boolean =>
    monitor === null ||
    monitor.artifact === 'Server.Monitor.Alerts' ||
    monitor.artifact === 'Server.Monitor.Alerts.UserMessage'
  if (monitors.some(tells)) return
  for (const [index, monitor] of monitors.entries())
    if (makesUntoldAlerts(monitor))
      report(
        [...path, index],
        'makes alerts of which nobody is told: add a monitor with artifact: Server.Monitor.Alerts, or Server.Monitor.Alerts.UserMessage',
        { level: 'warning' },
      )
}

const partKeys: Readonly<Record<string, string>> = { Recipients: 'to', ServerSecret: 'channel' }

const readOwn = ({ part, monitor }: OwnMonitor, reading: Reading, mail: Mail | null): MonitorSettings | null => {
  const report: Report = (path, message, options) => {
    const [, , parameter = ''] = path
    const key = partKeys[parameter]
    reading.report(key === undefined ? [part] : [part, key], message, options)
  }
  return readMonitor(monitor, { path: [part], reading: { ...reading, report }, mail })
}

/**
 * Reads `monitors:`, and after them those that other parts of the file make; those with an error are left out, and what is wrong with
 * each was reported.
 */
export const readMonitors = (
  value: unknown,
  path: Path,
  reading: Reading,
  mail: Mail | null,
  own: readonly OwnMonitor[] = [],
): readonly MonitorSettings[] => {
  const { report } = reading
  if (!Array.isArray(value)) {
    report(
      path,
      value === undefined
        ? 'is missing: list at least one monitor'
        : 'must be a list of monitors, each beginning with `- artifact:`',
    )
    return []
  }
  if (value.length === 0) report(path, 'is empty: nobody is told of anything', { level: 'warning' })
  reportRepeatedNames(value, own, path, report)
  const read = value.map((monitor: unknown, index) => readMonitor(monitor, { path: [...path, index], reading, mail }))
  reportUntoldAlerts(read, path, report)
  return [...read, ...own.map((one) => readOwn(one, reading, mail))].filter((monitor) => monitor !== null)
}
