import { ConnectorError } from '../../../connectors/errors.ts'
import type { EventLog, NewRecord } from '../../../connectors/log/event-log.ts'
import type { Configuration } from '../../../pipeline/config/configuration.ts'
import type { OpenChannel } from '../../../pipeline/mailing/claim.ts'
import type { Random } from '../../../pipeline/runtime/backoff.ts'
import { type Service, startService } from '../../../pipeline/service.ts'
import { decode } from '../../../schemas/codec.ts'
import type { Happening } from '../../../schemas/happenings.ts'
import type { Clock, EpochMs } from '../../../schemas/time.ts'
import { topics } from '../../../schemas/topics.ts'
import { type EmittedFlow, knowingServer } from './emission.ts'
import { openGate } from './gate.ts'
import type { Member, PartitionOwners } from './partition-owners.ts'
import type { PlantedBug } from './planted-bugs.ts'
import type { SimulatedMailServer } from './simulated-mail-server.ts'
import type { Weather } from './weather.ts'

/** From when to when a process could do nothing; `to` Infinity: it was killed. */
export interface Strike {
  readonly process: string
  readonly from: EpochMs
  readonly to: EpochMs
}

/** What every process of a seed lives in. */
export interface SimulatedWorld {
  readonly log: EventLog
  readonly owners: PartitionOwners
  readonly clock: Clock
  readonly sleep: (ms: number) => Promise<void>
  readonly random: Random
  /** null: the trouble is over. */
  readonly weather: () => Weather | null
  readonly mailServer: SimulatedMailServer
  readonly flows: ReadonlyMap<string, EmittedFlow>
  readonly say: (line: string) => void
  readonly strikes: Strike[]
  readonly isAlone: boolean
  readonly bug: PlantedBug | null
  /** A process has ended; another one may begin. */
  readonly ended: (name: string) => void
  /** What no weather explains. */
  readonly broken: (what: string) => void
}

export interface SimulatedProcess {
  readonly name: string
  isGone(): boolean
  kill(): void
  freeze(ms: number): void
  thaw(): void
  /** As at SIGTERM: what is still under way after nine seconds is cut. */
  stop(): void
  reload(configuration: Configuration): void
  /** Sets its wall clock by so many ms. */
  stepClock(ms: number): void
}

const longestFreezeMs = 150_000
const longestSlowMs = 3000
const longestStopMs = 9000
const longestUnheardMs = 10_000
const longestUnawareMs = 5000
/** Of a process that is not struck: a name and a few numbers. */
const told = ({ name, channel, attempts, letter }: Happening): string =>
  [name, channel, letter === undefined ? undefined : String(letter).slice(0, 8), attempts]
    .filter((part) => part !== undefined)
    .join(' ')

const receiptText = (bytes: Uint8Array): string => {
  const { letter, attempt, kind } = decode('Receipt', bytes)
  return `${kind} of ${letter.slice(0, 8)}, attempt ${attempt}`
}

/** Starts the stages enrich, decide and deliver in a process to which anything may happen at each of its ports. */
export const startSimulatedProcess = (
  world: SimulatedWorld,
  { name, configuration }: { readonly name: string; readonly configuration: Configuration },
): SimulatedProcess => {
  const { clock, random, sleep, weather, owners, say, strikes, isAlone, bug } = world
  const gate = openGate()
  let skew = 0
  let isGone = false
  let service: Service | undefined

  const chance = (of: keyof Weather): boolean => random() < Number(weather()?.[of] ?? 0)

  const leave = (): void => {
    isGone = true
    owners.expel(member)
    world.ended(name)
  }
  const kill = (why = 'killed'): void => {
    if (gate.isDead()) return
    say(`${name} ${why}`)
    gate.kill()
    strikes.push({ process: name, from: clock.now(), to: Infinity })
    leave()
  }
  let thawing: () => void = () => undefined
  const thaw = (): void => thawing()
  const freeze = (ms: number): void => {
    if (gate.isDead() || gate.isFrozen()) return
    say(`${name} frozen for ${ms} ms`)
    gate.freeze()
    const from = clock.now()
    let isOver = false
    thawing = () => {
      if (isOver) return
      isOver = true
      strikes.push({ process: name, from, to: clock.now() })
      gate.thaw()
      if (!gate.isDead()) owners.readmit(member)
    }
    clock.at(from + ms, thawing)
    if (!isAlone)
      clock.at(from + longestUnheardMs, () => {
        if (!isOver && !gate.isDead()) owners.expel(member)
      })
  }
  /** A port is crossed: it may take a while, and it may be the last thing. */
  const cross = async (what: string): Promise<void> => {
    if (chance('slow')) await sleep(Math.floor(random() * longestSlowMs))
    await gate.pass()
    if (chance('kill')) kill(`killed at ${what}`)
    if (!isAlone && chance('fence')) owners.move()
    if (chance('freeze')) freeze(Math.floor(random() * longestFreezeMs))
    await gate.pass()
  }
  const member: Member = {
    name,
    gate,
    skew: () => skew,
    cross,
    learnLater(call) {
      const learn = (): void => gate.run(call)
      // Who is alone learns at once.
      if (isAlone || random() < 0.5) learn()
      else clock.at(clock.now() + Math.floor(random() * longestUnawareMs), learn)
    },
  }

  const append = async (records: readonly NewRecord[]): ReturnType<EventLog['append']> => {
    await cross('append')
    if (chance('refuse')) throw new ConnectorError('LOG_UNAVAILABLE', 'the append was refused by the weather')
    const positions = await world.log.append(records)
    for (const { topic, value } of records)
      if (topic === topics.receipts.name) say(`${name} wrote ${receiptText(value)}`)
    const isForgotten = chance('forget')
    await cross('append answered')
    if (isForgotten) throw new ConnectorError('LOG_UNAVAILABLE', 'the answer was lost by the weather')
    return positions
  }
  const log: EventLog = {
    partitions: world.log.partitions,
    append,
    tasks: (topology) => owners.tasksFor(member, topology),
    read: (range) => world.log.read(range),
    close: () => Promise.resolve(),
  }
  const askVelociraptor = async (): Promise<void> => {
    await cross('question')
    if (chance('deaf')) throw new ConnectorError('VELOCIRAPTOR_UNAVAILABLE', 'no answer, by the weather')
  }
  const channels = configuration.channels.map(({ name: channel, from, limits, connections }): [string, OpenChannel] => [
    channel,
    { name: channel, from, limits, sink: world.mailServer.sinkFor({ name, cross }, connections) },
  ])

  const begin = async (): Promise<void> => {
    service = await startService(
      {
        log: bug === null ? log : bug(log),
        velociraptor: knowingServer(world.flows, clock.now, askVelociraptor),
        channels: new Map(channels),
        clock: { now: () => clock.now() + skew, at: (at, call) => clock.at(at - skew, () => gate.run(call)) },
        random,
        tell: (happening) => say(`${name}: ${told(happening)}`),
      },
      { configuration, stages: ['enrich', 'decide', 'deliver'], since: null },
    )
    await service.failed
  }
  say(`${name} starts`)
  begin().catch((cause: unknown) => {
    if (gate.isDead()) return
    // A log that takes nothing ends a process that has only just begun; its manager starts it again.
    if (!(cause instanceof ConnectorError && cause.code === 'LOG_UNAVAILABLE'))
      world.broken(`${name} failed: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`)
    kill('ended by its failure')
  })

  return {
    name,
    isGone: () => isGone,
    kill,
    freeze,
    thaw,
    stop() {
      if (service === undefined || gate.isDead()) return
      say(`${name} is told to stop`)
      const running = service
      gate.run(() => {
        void running.stop().then(() => {
          if (!gate.isDead()) {
            say(`${name} has stopped`)
            gate.kill()
            leave()
          }
        })
        clock.at(clock.now() + longestStopMs, () => kill('cut: it did not stop in time'))
      })
    },
    reload: (changed) => gate.run(() => service?.reload({ ...changed, channels: configuration.channels })),
    stepClock(ms) {
      say(`${name}'s clock steps by ${ms} ms`)
      skew += ms
    },
  }
}
