import { clientEventTable, serverEventTable } from '../../connectors/velociraptor/event-tables.ts'
import { heardClientsQuery, serverLogsQuery } from '../../connectors/velociraptor/logs-query.ts'
import { askRows } from '../../connectors/velociraptor/lookups.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import { logTargets } from '../sources/log-targets.ts'
import type { LogSource } from '../sources/queue-source.ts'

/** What reading logs comes to now. */
export interface LogsFinding {
  /** What is read, and what that asks of the server. */
  readonly text: string
  readonly warnings: readonly string[]
}

/** Asks for logs as the service will. Rejects with ConnectorError, also when a permission is missing. */
export const checkLogs = async (
  velociraptor: Velociraptor,
  org: string,
  { queue, logs }: LogSource,
): Promise<LogsFinding> => {
  const isOfServer = logs.of === 'server'
  const table = await (isOfServer ? serverEventTable : clientEventTable)(velociraptor, org)
  const { entries, unknown } = await logTargets(velociraptor, org, table, { ...logs, before: [] })
  await askRows(velociraptor, { org, ...serverLogsQuery({ entries, fromMs: table.now, levels: null }) })
  const artifacts = `${queue} of ${entries.length} ${logs.of} event artifact(s) and sources are read each ${logs.periodMs / 1000} s`
  const warnings = [
    ...unknown.map((name) => `${name} is in the table of ${logs.of} event artifacts, but the server does not know it`),
    ...(entries.length === 0
      ? [`no ${logs.of} event artifact runs whose ${queue} a monitor looks for: its tables name none of them`]
      : []),
  ]
  if (isOfServer) return { text: `${artifacts}, in 3 queries`, warnings }
  const clients = (await askRows(velociraptor, { org, ...heardClientsQuery({ fromMs: table.now }) })).length
  return {
    text: `${artifacts}, in 3 queries that look at about ${clients * entries.length} logs of ${clients} client(s) heard of lately`,
    warnings,
  }
}
