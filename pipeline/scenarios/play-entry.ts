import type { StandInWorld } from '../../connectors/velociraptor/stand-in/world.ts'
import type { EventEntry, LogEntry, SetEntry } from './scenario.ts'

/** Lets the world have what an entry of the timeline says, at the entry's time. */
export const playEntry = (world: StandInWorld, entry: EventEntry | LogEntry | SetEntry): void => {
  switch (entry.kind) {
    case 'event':
      return world.emit(entry.org, entry.queue, entry.row, entry.at)
    case 'log': {
      const { level, message, clientTime } = entry
      return world.log(
        entry.org,
        entry.client,
        entry.artifact,
        { level, message, ...(clientTime === undefined ? {} : { client_time: clientTime }) },
        entry.at,
      )
    }
    case 'set':
      return world.set(entry.change)
  }
}
