import { z } from 'zod'
import { inAppChannel } from '../monitors/in-app-channel.ts'
import { defaultSecret } from '../monitors/mail-parameters.ts'
import { alone, type BatchRule } from '../../operators/batch.ts'
import type { DedupSettings, MonitorSettings, SettingsOf } from './configuration.ts'
import { durationMs } from './duration.ts'
import { instead, nearest } from './did-you-mean.ts'
import { isRecord } from './is-record.ts'
import {
  alertsArtifact,
  flowCompletionArtifact,
  type MonitorArtifact,
  userMessageArtifact,
} from './monitor-artifacts.ts'
import type { Reading } from './parameters.ts'
import type { Path, Report } from './problem.ts'
import { shown } from './problem.ts'
import type { Mail } from './read-mail.ts'
import { readRecord } from './record.ts'
import { batchShape, dedupShape, nameShape } from './relay-shape.ts'

/** Artifacts of the family that a later version does. */
const laterArtifacts = ['Server.Monitor.Errors.Alert', 'Server.Monitor.Client.Errors.Alert']

/** Keys of a monitor that a later version reads. */
const laterKeys = {
  queue: 'monitors of any queue are not in this version: remove this one',
  alert: 'monitors of any queue are not in this version: remove this one',
}

const channelOf = (
  secret: string,
  isWritten: boolean,
  path: Path,
  { names, isSingle }: Mail,
  report: Report,
): string => {
  const [only] = names
  if (names.includes(secret) || only === undefined) return secret
  if (isSingle || (names.length === 1 && !isWritten)) return only
  const near = nearest(secret, names)
  const help = near === undefined ? `there are ${names.map(shown).join(', ')}` : `did you mean ${near}?`
  const message = isWritten
    ? `there is no mail channel of this name: ${help}`
    : `is missing: name one of the mail channels ${names.map(shown).join(', ')}`
  report(path, message)
  return secret
}

interface Place {
  readonly path: Path
  readonly reading: Reading
  /** null: there is no usable one. */
  readonly mail: Mail | null
}
type Reader<S> = (value: unknown, place: Place) => S | null

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
    const read = readRecord(shape, value, path, report, laterKeys)
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
    const batch = batchRule(read.batch ?? definition.batch, parameters.SendInterval)
    return { name: read.name ?? artifact, artifact, channel, parameters, dedup, batch }
  }

const readers = {
  'Server.Monitor.FlowCompletion': readerOf(flowCompletionArtifact),
  'Server.Monitor.Alerts': readerOf(alertsArtifact),
  'Server.Monitor.Alerts.UserMessage': readerOf(userMessageArtifact),
} satisfies Readonly<Record<MonitorSettings['artifact'], Reader<MonitorSettings>>>

const isKnown = (artifact: string): artifact is keyof typeof readers => Object.hasOwn(readers, artifact)

/** A monitor whose artifact is missing or unknown may have any parameters: what is wrong with them is said once it is known. */
const readUnknown: Reader<never> = (value, { path, reading: { report } }) => {
  const isOfQueue = isRecord(value) && Object.hasOwn(value, 'queue')
  const shape = {
    name: nameShape.optional(),
    artifact: isOfQueue ? z.unknown() : z.unknown().refine(isGiven),
    parameters: z.unknown(),
    dedup: z.unknown(),
    batch: isOfQueue ? z.unknown() : batchShape.optional(),
  }
  const read = readRecord(shape, value, path, report, laterKeys)
  if (read !== null && !isOfQueue && read.artifact !== undefined)
    reportArtifact(read.artifact, [...path, 'artifact'], report)
  return null
}

const reportArtifact = (artifact: unknown, path: Path, report: Report): void => {
  if (typeof artifact !== 'string') return report(path, 'must be the name of an artifact, as text')
  if (laterArtifacts.includes(artifact))
    return report(path, `${artifact} is not in this version: leave it on in Velociraptor, and remove this monitor`)
  const every = [...Object.keys(readers), ...laterArtifacts]
  report(path, `${shown(artifact)} is no artifact that the relay knows: ${instead(artifact, every)}`)
}

const readMonitor: Reader<MonitorSettings> = (value, place) => {
  const artifact = isRecord(value) && !Object.hasOwn(value, 'queue') ? value['artifact'] : undefined
  const read = typeof artifact === 'string' && isKnown(artifact) ? readers[artifact] : readUnknown
  return read(value, place)
}

/** What an event must remember lies in one partition, so what makes events alike must contain the partition's key. */
const readDedup = <F extends string>(
  { alikeBy, alikeNeeds, others }: Pick<MonitorArtifact<string, never, F>, 'alikeBy' | 'alikeNeeds' | 'others'>,
  { window, by = alikeBy }: { readonly window: string; readonly by?: readonly F[] | undefined },
  path: Path,
  report: Report,
): DedupSettings<F> => {
  if (!by.includes(alikeNeeds))
    report([...path, 'dedup', 'by'], `must contain ${alikeNeeds}: ${others} are gathered by batch instead`)
  return { windowMs: durationMs(window) as number, window, by }
}

/** Events in one letter at most where only the spacing of letters gathers them. */
const mostWaiting = 500

/** `batch:` and `SendInterval` together say when letters of the monitor go out to one recipient. */
const batchRule = (written: z.output<typeof batchShape> | undefined, sendInterval: number): BatchRule => {
  const spacingMs = Math.max(0, sendInterval) * 1000
  if (written === undefined) return { ...alone, spacingMs, most: spacingMs === 0 ? 1 : mostWaiting }
  const { quiet = '30s', longest = '10m', most = 50, first = 'gathered' } = written
  return {
    quietMs: durationMs(quiet) as number,
    longestMs: durationMs(longest) as number,
    most,
    firstAtOnce: first === 'now',
    spacingMs,
  }
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null

const nameOf = (monitor: unknown): unknown => (isRecord(monitor) ? (monitor['name'] ?? monitor['artifact']) : undefined)

const reportRepeatedNames = (monitors: readonly unknown[], path: Path, report: Report): void => {
  const seen = new Map<string, number>()
  for (const [index, monitor] of monitors.entries()) {
    const name = nameOf(monitor)
    if (typeof name !== 'string') continue
    const first = seen.get(name)
    if (first === undefined) seen.set(name, index)
    else
      report(
        [...path, index, 'name'],
        `monitors[${first}] is called ${shown(name)} too: give each monitor a name of its own`,
      )
  }
}

/** Reads `monitors:`; those with an error are left out, and what is wrong with each was reported. */
export const readMonitors = (
  value: unknown,
  path: Path,
  reading: Reading,
  mail: Mail | null,
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
  reportRepeatedNames(value, path, report)
  return value
    .map((monitor: unknown, index) => readMonitor(monitor, { path: [...path, index], reading, mail }))
    .filter((monitor) => monitor !== null)
}
