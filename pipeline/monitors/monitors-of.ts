import type { Configuration, MonitorSettings } from '../config/configuration.ts'
import { logsTogether, type QueueSource } from '../sources/queue-source.ts'
import { isLogs } from '../sources/readers.ts'
import { alertsMonitor } from './alerts.ts'
import { errorsMonitor } from './errors.ts'
import { flowCompletionMonitor } from './flow-completion.ts'
import { userMessageMonitor } from './user-message.ts'
import type { AlertMonitor, FlowMonitor, LogMonitor, Monitor, Monitors, QueueMonitor } from './monitor.ts'
import { queueLetters, queueMonitor } from './queue.ts'

type SomeMonitor = FlowMonitor | AlertMonitor | QueueMonitor | LogMonitor

const monitorsFrom = (settings: MonitorSettings, allowedDomains: readonly string[] | null): readonly SomeMonitor[] => {
  if ('queue' in settings) {
    const letters = queueLetters(settings, allowedDomains)
    return letters === null ? [queueMonitor(settings)] : [queueMonitor(settings), letters]
  }
  switch (settings.artifact) {
    case 'Server.Monitor.FlowCompletion':
      return [flowCompletionMonitor(settings, allowedDomains)]
    case 'Server.Monitor.Alerts':
      return [alertsMonitor(settings, allowedDomains)]
    case 'Server.Monitor.Alerts.UserMessage':
      return [userMessageMonitor(settings)]
    case 'Server.Monitor.Errors.Alert':
    case 'Server.Monitor.Client.Errors.Alert':
      return [errorsMonitor(settings)]
  }
}

/** The monitors of a configuration, ready to judge. */
export const monitorsOf = ({ monitors, channels }: Pick<Configuration, 'monitors' | 'channels'>): Monitors => {
  const all = monitors.flatMap((settings) =>
    monitorsFrom(settings, channels.find(({ name }) => name === settings.channel)?.allowedDomains ?? null),
  )
  return {
    FlowEvent: all.filter((monitor) => monitor.event === 'FlowEvent'),
    AlertEvent: all.filter((monitor) => monitor.event === 'AlertEvent'),
    QueueEvent: all.filter((monitor) => monitor.event === 'QueueEvent'),
    LogEvent: all.filter((monitor) => monitor.event === 'LogEvent'),
  }
}

/** The queues and logs that monitors need, each once, in the order of their names. */
export const sourcesOf = (monitors: Monitors): readonly QueueSource[] => {
  const sources = Object.values(monitors).flatMap((some: readonly Pick<Monitor<never>, 'sources'>[]) =>
    some.flatMap((monitor) => monitor.sources),
  )
  const queues = new Map(sources.filter((source) => !isLogs(source)).map((source) => [source.queue, source]))
  return [...queues.values(), ...logsTogether(sources.filter(isLogs))].toSorted((a, b) => (a.queue < b.queue ? -1 : 1))
}
