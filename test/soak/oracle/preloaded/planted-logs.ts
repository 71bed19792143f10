/** Stands in a relay in the place of the modules that open its logs. */
import { type EmbeddedLog, openEmbeddedLog as openSoundEmbeddedLog } from '../../../../connectors/log/embedded-log.ts'
import type { EventLog } from '../../../../connectors/log/event-log.ts'
import { openKafkaLog as openSoundKafkaLog } from '../../../../connectors/log/kafka-log.ts'
import { plantedBugs } from '../planted-bugs.ts'

export * from '../../../../connectors/log/kafka-log.ts'

const plant = plantedBugs[process.env['RELAY_SOAK_BUG'] ?? '']
if (plant === undefined) throw new Error('RELAY_SOAK_BUG names no planted bug')

export const openEmbeddedLog = async (...options: Parameters<typeof openSoundEmbeddedLog>): Promise<EmbeddedLog> => {
  const log = await openSoundEmbeddedLog(...options)
  return { ...log, ...plant(log) }
}

export const openKafkaLog = async (...options: Parameters<typeof openSoundKafkaLog>): Promise<EventLog> =>
  plant(await openSoundKafkaLog(...options))
