import { z } from 'zod'
import { parseMailboxes } from '../../schemas/addresses.ts'
import type { TroubleSettings } from './configuration.ts'
import { durationMs } from './duration.ts'
import type { Path, Report } from './problem.ts'
import { readRecord } from './record.ts'
import { heartbeatShape, troubleShape } from './relay-shape.ts'

/** What was read, and the monitor that sends its letters, as it would be written; null: nobody gets any. */
export interface Told<T> {
  readonly settings: T
  readonly monitor: object | null
}

const usualAfter = '5m'

/** Those that are addresses; reports the others. */
const addresses = (to: readonly string[], path: Path, report: Report): readonly string[] =>
  to.filter((written, index) => {
    const { mailboxes, problems } = parseMailboxes(written)
    const isGood = mailboxes.length === 1 && problems.length === 0
    if (!isGood) report([...path, index], 'must be one mail address')
    return isGood
  })

const monitorFor = (name: string, pattern: string, to: readonly string[], channel: string | undefined): object => ({
  name,
  artifact: 'Server.Monitor.Alerts',
  parameters: {
    Recipients: to,
    AlertMsgInclude: pattern,
    ...(channel === undefined ? {} : { ServerSecret: channel }),
  },
})

/** Reads `trouble:`; left out, trouble is an alert that nobody but monitors of alerts tells. */
export const readTrouble = (value: unknown, path: Path, report: Report): Told<TroubleSettings | null> => {
  if (value === 'off') return { settings: null, monitor: null }
  const read = value === undefined ? {} : readRecord(troubleShape.shape, value, path, report)
  const { to = [], users = [], channel, after = usualAfter } = read ?? {}
  const good = addresses(to, [...path, 'to'], report)
  const settings = { afterMs: durationMs(after) ?? 0, users: [...new Set(users)] }
  return { settings, monitor: good.length === 0 ? null : monitorFor('relay-trouble', '^raptor-relay: ', good, channel) }
}

/** Reads `heartbeat:`. */
export const readHeartbeat = (value: unknown, path: Path, report: Report): Told<number | null> => {
  if (value === undefined) return { settings: null, monitor: null }
  const read = readRecord({ ...heartbeatShape.shape, to: z.array(z.string()).min(1) }, value, path, report)
  if (read?.every === undefined || read.to === undefined) return { settings: null, monitor: null }
  const good = addresses(read.to, [...path, 'to'], report)
  const monitor =
    good.length === 0 ? null : monitorFor('relay-heartbeat', '^raptor-relay heartbeat$', good, read.channel)
  return { settings: durationMs(read.every), monitor }
}
