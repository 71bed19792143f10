import { z } from 'zod'
import type { Configuration } from './configuration.ts'
import { isRecord } from './is-record.ts'
import type { Problem, Report } from './problem.ts'
import { byPosition, pathText } from './problem.ts'
import { readHttp } from './read-http.ts'
import { checkShares } from './read-limits.ts'
import { readLog } from './read-log.ts'
import { readMail } from './read-mail.ts'
import { type OwnMonitor, readMonitors } from './read-monitors.ts'
import { readVelociraptor } from './read-velociraptor.ts'
import { boundToOwn, readHeartbeat, readTrouble } from './read-trouble.ts'
import { readRecord } from './record.ts'
import { logLevelShape, relayShape } from './relay-shape.ts'
import type { Surroundings } from './surroundings.ts'
import { openYaml } from './yaml-source.ts'
import type { Source } from './yaml-source.ts'

/** `configuration` is null exactly when a problem is an error. Problems are in the order of the file. */
export interface ReadConfiguration {
  readonly configuration: Configuration | null
  readonly problems: readonly Problem[]
}

const sections = {
  ...Object.fromEntries(Object.keys(relayShape.shape).map((key) => [key, z.unknown()])),
  log_level: logLevelShape.optional(),
}

/**
 * Reads a configuration from a value and the places where its parts were written; all problems at once. For what is kept inside
 * another file, such as a scenario; see `readConfiguration`.
 */
export const readConfigurationOf = (source: Source, surroundings: Surroundings): ReadConfiguration => {
  const problems: Problem[] = []
  const report: Report = (path, message, { level = 'error', at = 'value', unnamed = false } = {}) => {
    const named = pathText(unnamed ? path.slice(0, -1) : path)
    problems.push({ file: surroundings.file, ...source.positionOf(path, at), path: named, message, level })
  }
  const { value } = source
  const read = readRecord(sections, value ?? {}, [], report)
  const part = (key: string): unknown => (isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined)
  if (read === null) return { configuration: null, problems }

  const velociraptor = readVelociraptor(part('velociraptor'), ['velociraptor'], report, surroundings)
  const mail = readMail(part('mail'), ['mail'], report, surroundings)
  const log = readLog(part('log'), ['log'], report, surroundings)
  const http = readHttp(part('http'), ['http'], report)
  for (const { name, limits } of mail?.channels ?? [])
    checkShares(
      limits,
      log.kafka?.partitions ?? log.embedded.partitions,
      ['mail', ...(mail?.isSingle === true ? [] : ['channels', name]), 'limits'],
      report,
    )
  const trouble = readTrouble(part('trouble'), ['trouble'], report)
  const heartbeat = readHeartbeat(part('heartbeat'), ['heartbeat'], report)
  const own = [
    { part: 'trouble', monitor: trouble.monitor },
    { part: 'heartbeat', monitor: heartbeat.monitor },
  ].filter((made): made is OwnMonitor => made.monitor !== null)
  const reading = { report, writtenAt: source.writtenAt }
  const monitors = boundToOwn(readMonitors(part('monitors'), ['monitors'], reading, mail, own), own)
  const isUsable = !problems.some(({ level }) => level === 'error') && velociraptor !== null && mail !== null
  return {
    configuration: isUsable
      ? {
          velociraptor,
          channels: mail.channels,
          log,
          monitors,
          http,
          trouble: trouble.settings,
          heartbeat: heartbeat.settings,
          logLevel: read.log_level ?? 'info',
        }
      : null,
    problems: problems.toSorted(byPosition),
  }
}

/**
 * Reads relay.yaml. Never throws: all problems are reported at once, each with its place and what to do, and none shows a secret.
 * Files that it names for secrets and certificates are read; nothing is opened.
 */
export const readConfiguration = (text: string, surroundings: Surroundings): ReadConfiguration => {
  const { source, problems } = openYaml(text)
  const syntax = problems.map((problem): Problem => ({ file: surroundings.file, path: '', level: 'error', ...problem }))
  if (source === null) return { configuration: null, problems: syntax.toSorted(byPosition) }
  const read = readConfigurationOf(source, surroundings)
  if (syntax.length === 0) return read
  return { configuration: null, problems: [...syntax, ...read.problems].toSorted(byPosition) }
}
