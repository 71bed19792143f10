import type { Configuration, MonitorSettings } from '../config/configuration.ts'
import type { QueueSource } from '../sources/queue-source.ts'
import { alertsMonitor } from './alerts.ts'
import { flowCompletionMonitor } from './flow-completion.ts'
import { userMessageMonitor } from './user-message.ts'
import type { AlertMonitor, Monitor, FlowMonitor, Monitors, QueueMonitor } from './monitor.ts'
import { queueLetters, queueMonitor } from './queue.ts'

type SomeMonitor = FlowMonitor | AlertMonitor | QueueMonitor

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
  }
}

/** The queues that monitors need, each once, in the order of their names. */
export const sourcesOf = (monitors: Monitors): readonly QueueSource[] => {
  const sources = Object.values(monitors).flatMap((some: readonly Pick<Monitor<never>, 'sources'>[]) =>
    some.flatMap((monitor) => monitor.sources),
  )
  return [...new Map(sources.map((source) => [source.queue, source])).values()].toSorted((a, b) =>
    a.queue < b.queue ? -1 : 1,
  )
}
