import type { EventLog } from '../../connectors/log/event-log.ts'
import { decode } from '../../schemas/codec.ts'
import type { AlertEvent } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'

/** The alerts that monitors made, as rows of the server's own queue of alerts, with the monitor's name; in order of time. */
export const readMadeAlerts = async (log: EventLog): Promise<readonly unknown[]> => {
  const made: AlertEvent[] = []
  for (let partition = 0; partition < log.partitions; partition++)
    for await (const batch of log.read({ topic: topics.alertEvents.name, partition }))
      for (const { value } of batch) {
        const alert = decode('AlertEvent', value)
        if (alert.derived_from !== null) made.push(alert)
      }
  return made
    .toSorted((a, b) => a.received_at - b.received_at)
    .map(({ org, name, client, artifact, artifact_type, event_data, derived_from }) => ({
      org,
      name,
      client_id: client.id,
      artifact,
      artifact_type,
      event_data: JSON.parse(event_data) as unknown,
      monitor: derived_from?.monitor,
    }))
}
