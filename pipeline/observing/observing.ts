import { statfs } from 'node:fs/promises'
import type { EventLog } from '../../connectors/log/event-log.ts'
import { type HttpServer, listen } from '../../connectors/http/listen.ts'
import { ConnectorError } from '../../connectors/errors.ts'
import type { Tell } from '../../schemas/happenings.ts'
import type { Clock } from '../../schemas/time.ts'
import type { Configuration, HttpSettings } from '../config/configuration.ts'
import { everyOrg } from '../sources/known-orgs.ts'
import { lookForTrouble } from '../trouble/look.ts'
import type { Trouble } from '../trouble/troubles.ts'
import { endpoints } from './endpoints.ts'
import { openHealth } from './health.ts'
import { openMetrics } from './metrics.ts'
import { openSyncState } from './sync-state.ts'
import { type LogWatch, watchLog } from './watch-log.ts'

/** What a process lets others see of itself while it runs. */
export interface Observing {
  /** Writes the log line, and counts what it says. */
  readonly tell: Tell
  /** The same log, its tasks watched. Once. */
  readonly watched: (log: EventLog) => EventLog
  /** Rejects with ConnectorError HTTP_DENIED where nobody can listen, unless nobody chose the place: then it says so and goes on. */
  listen(where: HttpSettings | null): Promise<void>
  /** Looks for trouble that nobody says of itself. */
  readonly look: () => Promise<readonly Trouble[]>
  close(): Promise<void>
}

export interface ObservingOptions {
  readonly configuration: Pick<Configuration, 'velociraptor' | 'channels' | 'log'>
  readonly clock: Clock
  /** Writes the log lines. */
  readonly log: Tell
  readonly version: string
}

const freeIn = async (dir: string): Promise<number | null> => {
  try {
    const { bavail, bsize } = await statfs(dir)
    return bavail * bsize
  } catch {
    return null
  }
}

/** Opens metrics and health of a process that runs this configuration. */
export const openObserving = ({ configuration, clock, log, version }: ObservingOptions): Observing => {
  const { velociraptor, channels, log: where } = configuration
  let watch: LogWatch | null = null
  let server: HttpServer | null = null
  const dir = where.kafka?.stateDir ?? where.embedded.dir
  const health = openHealth()
  const sync = openSyncState(clock)
  const metrics = openMetrics({
    clock,
    version,
    orgs: velociraptor.orgs.filter((org) => org !== everyOrg),
    channels: channels.map(({ name }) => name),
    watch: () => watch,
    diskFree: () => freeIn(dir),
  })
  const tell: Tell = (happening) => {
    log(happening)
    metrics.count(happening)
    health.note(happening)
    sync.note(happening)
  }
  return {
    tell,
    watched(of) {
      watch = watchLog({ log: of, clock, onDone: metrics.recordsDone, onLost: metrics.taskLost })
      return watch.log
    },
    look: () => lookForTrouble(dir, () => watch?.lags() ?? []),
    async listen(address) {
      if (address === null) return
      try {
        const { fetch } = endpoints(metrics, health, sync)
        server = await listen(address, (request) => fetch(request))
        tell({ name: 'http listening', address: server.address })
      } catch (cause) {
        if (address.isChosen || !(cause instanceof ConnectorError)) throw cause
        tell({
          name: 'http not listening',
          reason: `${cause.message}; it goes on without /metrics and health: say where with http: { listen: } or --listen, or http: off`,
        })
      }
    },
    close: async () => server?.close(),
  }
}
