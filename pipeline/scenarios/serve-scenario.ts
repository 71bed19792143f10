import { startStandIn } from '../../connectors/velociraptor/stand-in/server.ts'
import { createWorld, type StandInWorld } from '../../connectors/velociraptor/stand-in/world.ts'
import type { Clock } from '../../schemas/time.ts'
import { beginServerFault } from './server-fault.ts'
import { playEntry } from './play-entry.ts'
import type { Scenario, TimelineEntry } from './scenario.ts'

export interface ServeOptions {
  readonly clock: Clock
  /** 0: any that is free. */
  readonly port: number
  /** Address of this machine that it listens on; default 127.0.0.1. */
  readonly listen?: string
  /** Name or address for `api.config.yaml`; default: what it listens on. */
  readonly advertise?: string
  /** Where `api.config.yaml` is written. */
  readonly dir: string
  /** Called as each entry of the timeline is played; false: it cannot be played by a Velociraptor server. */
  readonly onEntry?: (entry: TimelineEntry, isPlayed: boolean) => void
}

/** A scenario's world, served over gRPC. */
export interface ServedScenario {
  /** host:port. */
  readonly address: string
  /** The `api.config.yaml` written. */
  readonly apiConfig: string
  /** Resolves when the timeline has been played; the world goes on answering. */
  readonly played: Promise<void>
  close(): Promise<void>
}

const playOnServer = (world: StandInWorld, entry: TimelineEntry): boolean => {
  if (entry.kind === 'dead') return false
  return entry.kind === 'fault' ? beginServerFault(world, entry) : (playEntry(world, entry), true)
}

/** Serves a scenario's world as a Velociraptor server would, and plays its timeline by the clock. */
export const serveScenario = async (
  scenario: Scenario,
  { onEntry, ...options }: ServeOptions,
): Promise<ServedScenario> => {
  const world = createWorld({ ...scenario.world, now: scenario.now })
  for (const entry of scenario.timeline) if (entry.kind === 'event') world.knowQueue(entry.org, entry.queue)
  const { address, apiConfig, close } = await startStandIn({ world, ...options })
  const cancels: (() => void)[] = []
  const playAt = (entry: TimelineEntry): Promise<void> =>
    new Promise((resolve) => {
      cancels.push(
        options.clock.at(entry.at, () => {
          const isPlayed = playOnServer(world, entry)
          onEntry?.(entry, isPlayed)
          resolve()
        }),
      )
    })
  return {
    address,
    apiConfig,
    played: Promise.all(scenario.timeline.map(playAt)).then(() => undefined),
    async close() {
      for (const cancel of cancels) cancel()
      await close()
    },
  }
}
