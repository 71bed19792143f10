import { ConnectorError } from '../errors.ts'

/** A query's text and the variables it reads. */
export interface PreparedQuery {
  readonly vql: string
  readonly env: Readonly<Record<string, string>>
}

const queueName = /^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*(\/[A-Za-z0-9_]([A-Za-z0-9_. -]*[A-Za-z0-9_])?)?$/

/** Whether a text may name an event queue: `Artifact.Name`, or `Artifact.Name/Source`. */
export const isQueueName = (name: string): boolean => name.length <= 250 && queueName.test(name)

/** Refuses what cannot name a queue: a name reaches the server's files and logs. */
export const checkedQueueName = (name: string): string => {
  if (isQueueName(name)) return name
  throw new ConnectorError(
    'VELOCIRAPTOR_REFUSED',
    `${JSON.stringify(name)} cannot name an event queue: write Artifact.Name, or Artifact.Name/Source for a named source`,
  )
}

/**
 * One stream that merges queues: rows carry `_Queue` as last key, a heartbeat is a row with `_Queue` '' and `_Beat`
 * (server time, s) each `heartbeatS`. Throws ConnectorError VELOCIRAPTOR_REFUSED for a name that names no queue.
 */
export const watchQuery = (queues: readonly string[], heartbeatS = 2): PreparedQuery => {
  const names = [...new Set(queues)].map(checkedQueueName)
  const members = names.map((_, n) => `q${n}={SELECT *, Q${n} AS _Queue FROM watch_monitoring(artifact=Q${n})}`)
  const heart = `hb={SELECT '' AS _Queue, now() AS _Beat FROM clock(period=${Math.max(1, Math.round(heartbeatS))})}`
  return {
    vql: `SELECT * FROM chain(async=TRUE, ${[...members, heart].join(', ')})`,
    env: Object.fromEntries(names.map((name, n) => [`Q${n}`, name])),
  }
}
