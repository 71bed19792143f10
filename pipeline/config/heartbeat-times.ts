import { Cron } from 'croner'
import type { EpochMs } from '../../schemas/time.ts'
import type { HeartbeatSettings } from './configuration.ts'

/** A pattern of cron with five parts, read; null: it is none, or there is no such time. Throws nothing. */
export const cronOf = (pattern: string, timezone: string | null): Cron | null => {
  try {
    const cron = new Cron(pattern, { mode: '5-part', ...(timezone === null ? {} : { timezone }) })
    return cron.nextRun() === null ? null : cron
  } catch {
    return null
  }
}

/** Whether there is a time zone of this name. */
export const isTimezone = (name: string): boolean => cronOf('* * * * *', name) !== null

/** When the sign of life after one that was given at this time is due. */
export const heartbeatTimes = (settings: HeartbeatSettings): ((last: EpochMs) => EpochMs) => {
  if ('everyMs' in settings) return (last) => last + settings.everyMs
  const cron = cronOf(settings.cron, settings.timezone)
  return (last) => cron?.nextRun(new Date(last))?.getTime() ?? Infinity
}
