import { z } from 'zod'
import { parseMailboxes } from '../../schemas/addresses.ts'
import type { HeartbeatSettings, MonitorSettings, TroubleSettings } from './configuration.ts'
import { durationMs } from './duration.ts'
import { cronOf, isTimezone } from './heartbeat-times.ts'
import { isRecord } from './is-record.ts'
import type { Path, Report } from './problem.ts'
import type { OwnMonitor } from './read-monitors.ts'
import { readRecord } from './record.ts'
import { heartbeatShape, troubleShape } from './relay-shape.ts'

/** What was read, and the monitor that sends its letters, as it would be written; null: nobody gets any. */
export interface Told<T> {
  readonly settings: T
  readonly monitor: OwnMonitor['monitor'] | null
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

const abouts = { 'relay-trouble': 'trouble', 'relay-heartbeat': 'heartbeat' } as const

const monitorFor = (
  name: keyof typeof abouts,
  to: readonly string[],
  channel: string | undefined,
): OwnMonitor['monitor'] => ({
  name,
  artifact: 'Server.Monitor.Alerts',
  parameters: {
    Recipients: to,
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
  return { settings, monitor: good.length === 0 ? null : monitorFor('relay-trouble', good, channel) }
}

/** The monitors of what is told so, bound to what the relay itself says: no alert of others that borrows a name comes to them. */
export const boundToOwn = (
  monitors: readonly MonitorSettings[],
  own: readonly OwnMonitor[],
): readonly MonitorSettings[] => {
  const names = new Set(own.map(({ monitor: { name } }) => name))
  return monitors.map((monitor) =>
    monitor.artifact === 'Server.Monitor.Alerts' && names.has(monitor.name)
      ? { ...monitor, about: abouts[monitor.name as keyof typeof abouts] }
      : monitor,
  )
}

interface WrittenTimes {
  readonly every?: string | undefined
  readonly cron?: string | undefined
  readonly timezone?: string | undefined
}

const readTimes = (
  { every, cron, timezone }: WrittenTimes,
  isEveryWritten: boolean,
  path: Path,
  report: Report,
): HeartbeatSettings | null => {
  if (cron === undefined) {
    if (timezone !== undefined) report([...path, 'timezone'], 'does nothing without cron: remove it')
    if (every !== undefined) return { everyMs: durationMs(every) as number }
    if (!isEveryWritten) report([...path, 'every'], 'is missing: such as 1d; or write cron: 0 8 * * 1-5')
    return null
  }
  if (isEveryWritten) report([...path, 'cron'], 'stands beside `every:`: remove one of the two')
  if (timezone !== undefined && !isTimezone(timezone))
    return (report([...path, 'timezone'], 'is no time zone: write one such as Europe/Berlin or UTC'), null)
  if (cronOf(cron, timezone ?? null) !== null) return { cron, timezone: timezone ?? null }
  report([...path, 'cron'], 'must be minute, hour, day, month and weekday, such as 0 8 * * 1-5')
  return null
}

/** Reads `heartbeat:`. */
export const readHeartbeat = (value: unknown, path: Path, report: Report): Told<HeartbeatSettings | null> => {
  if (value === undefined) return { settings: null, monitor: null }
  const read = readRecord({ ...heartbeatShape.shape, to: z.array(z.string()).min(1) }, value, path, report)
  if (read === null) return { settings: null, monitor: null }
  const settings = readTimes(read, isRecord(value) && Object.hasOwn(value, 'every'), path, report)
  if (settings === null || read.to === undefined) return { settings: null, monitor: null }
  const good = addresses(read.to, [...path, 'to'], report)
  return { settings, monitor: good.length === 0 ? null : monitorFor('relay-heartbeat', good, read.channel) }
}
