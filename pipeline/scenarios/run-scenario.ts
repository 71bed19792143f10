import { openMemoryLog } from '../../connectors/log/memory-log.ts'
import type { OutgoingMail } from '../../connectors/mail/mail.ts'
import { openOutbox } from '../../connectors/mail/outbox.ts'
import { standInVelociraptor } from '../../connectors/velociraptor/stand-in/in-process.ts'
import { toJson } from '../../connectors/velociraptor/stand-in/vql/values.ts'
import { createWorld, type StandInMessage } from '../../connectors/velociraptor/stand-in/world.ts'
import type { Happening } from '../../schemas/happenings.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { allTopics } from '../../schemas/topics.ts'
import type { Configuration } from '../config/configuration.ts'
import { printProblem } from '../config/problem.ts'
import type { OpenChannel } from '../mailing/claim.ts'
import { readBecame } from './became.ts'
import { checkPlayed, checkProblems, type Played, relative, type SentMessage } from './check.ts'
import { beginFault } from './begin-fault.ts'
import { readMadeAlerts } from './made-alerts.ts'
import { playEntry } from './play-entry.ts'
import { rehearsedRelay } from './rehearsed-relay.ts'
import type { EventEntry, FaultEntry, Scenario, TimelineEntry } from './scenario.ts'
import { scenarioClock } from './scenario-clock.ts'
import { seededRandom } from './seeded-random.ts'
import { readBack } from './sent-mail.ts'
import { settling } from './settling.ts'

/** What a scenario came to. */
export interface ScenarioResult {
  /** Readable blocks, one for each expectation that was not met; none: it passed. */
  readonly failures: readonly string[]
  /** By how much the clock moved, ms. */
  readonly virtualMs: number
  /** What was sent, in order. */
  readonly letters: readonly OutgoingMail[]
  /** In-app messages, in order. */
  readonly messages: readonly SentMessage[]
}

/** Runs a scenario under a virtual clock, with the whole service on a world in memory, and compares what came of it. */
export const runScenario = async (scenario: Scenario): Promise<ScenarioResult> => {
  const { configuration, problems } = scenario.configuration
  const { expect } = scenario
  if (expect.configuration !== null)
    return { failures: checkProblems(expect.configuration, problems), virtualMs: 0, letters: [], messages: [] }
  if (configuration === null)
    return {
      failures: [['the configuration cannot be used', ...problems.map(printProblem)].join('\n  ')],
      virtualMs: 0,
      letters: [],
      messages: [],
    }
  const { played, ended, virtualMs, letters } = await play(scenario, configuration)
  const failures = [...ended, ...checkPlayed(expect, played, scenario.now)]
  return { failures, virtualMs, letters, messages: played.messages }
}

/**
 * Before anything happens the relay listens for so long: longer than it takes to come in sync. The odd ms puts the server's
 * gathering of rows, once a second, just behind the full seconds at which things happen in scenarios.
 */
const leadMs = 15_000 - 1
/** After an entry the relay listens for so long: longer than the server gathers rows. */
const lingerMs = 3000
const longestMs = 60 * 86_400_000
/** A mail server that stays away for good is watched for so long. */
const longestHopelessMs = 3_600_000
const mostSteps = 1_000_000
/** Where nothing but heartbeats happens for longer, so many of them are left out; a few stay on either side. */
const heartbeatMs = 2000
const leastLeftOutMs = 10_000
const keptHeartbeatsMs = 10_000
const seed = 1

interface Ended {
  readonly played: Played
  /** Why it ended before its time; none: it did not. */
  readonly ended: readonly string[]
  readonly virtualMs: number
  readonly letters: readonly OutgoingMail[]
}

const play = async (scenario: Scenario, configuration: Configuration): Promise<Ended> => {
  const { timeline, until } = scenario
  const first = Math.min(scenario.now, timeline[0]?.at ?? scenario.now)
  const last = Math.max(scenario.now, timeline.at(-1)?.at ?? scenario.now)
  let latestEntry = first
  const time = scenarioClock(first - leadMs)
  const clocks = { service: time.view(), log: time.view(), server: time.view(), timeline: time.view() }
  const world = createWorld({ ...scenario.world, now: scenario.now })
  const velociraptor = standInVelociraptor(world, { clock: clocks.server })
  const outbox = openOutbox({ clock: time.view() })
  const happenings: Happening[] = []
  const relay = rehearsedRelay({
    configuration,
    log: openMemoryLog({
      topics: allTopics,
      partitions: configuration.log.embedded.partitions,
      clock: clocks.log,
      tell: (happening) => happenings.push(happening),
    }),
    world: {
      velociraptor,
      channels: new Map(
        configuration.channels.map(({ name, from, connections, limits, giveUpAfterMs }): [string, OpenChannel] => [
          name,
          { name, from, limits, giveUpAfterMs, sink: { ...outbox, connections } },
        ]),
      ),
      clock: clocks.service,
      random: seededRandom(seed),
      tell: (happening) => happenings.push(happening),
    },
  })
  const settle = settling({
    isIdle: () => relay.isIdle() && outbox.isIdle(),
    uses: () => clocks.service.uses() + clocks.log.uses(),
  })
  // Entered before everything else: at one moment the world changes first, then the relay looks.
  for (const entry of timeline)
    clocks.timeline.at(entry.at, () => {
      latestEntry = entry.at
      if (entry.kind === 'fault') beginFault(entry, { world, outbox, relay, clock: clocks.timeline })
      else if (entry.kind === 'dead') relay.command(entry)
      else playEntry(world, entry)
    })

  /** Nothing is under way that needs time, but for polls: who waits then waits for a task's time, or the timeline. */
  const onlyPolls = (): boolean =>
    time.now() >= latestEntry + lingerMs &&
    relay.isIdle() &&
    outbox.isIdle() &&
    velociraptor.isIdle() &&
    relay.isInSync(latestEntry)
  const nextDeed = (): EpochMs => Math.min(clocks.log.next(), clocks.timeline.next(), until ?? Infinity)
  const isOver = (): boolean => time.now() >= last + lingerMs && onlyPolls() && nextDeed() === Infinity
  const leaveOutHeartbeats = (): void => {
    const left = nextDeed() - time.now() - keptHeartbeatsMs
    if (!Number.isFinite(left) || left < leastLeftOutMs || !onlyPolls()) return
    const ms = Math.floor(left / heartbeatMs) * heartbeatMs
    for (const view of [clocks.service, clocks.server]) view.putOff(ms)
    time.advanceTo(time.now() + ms)
  }

  const begun = time.now()
  const hopeless = timeline.some(isHopeless)
  const latest = last + (hopeless ? longestHopelessMs : longestMs)
  const ended: string[] = []
  relay.start()
  for (let steps = 0; ; steps++) {
    await settle()
    const failure = relay.failure()
    if (failure !== null) {
      ended.push(`the relay ended at ${relative(time.now(), scenario.now)}: ${failure}`)
      break
    }
    if (until === null ? isOver() : time.now() >= until) break
    if (steps > mostSteps || time.now() > latest) {
      if (!hopeless) ended.push(endless(scenario, time.now()))
      break
    }
    leaveOutHeartbeats()
    time.advanceTo(Math.min(time.next() ?? Infinity, until ?? latest + 1))
  }

  const virtualMs = time.now() - begun
  const delivered = [...outbox.delivered]
  const messages = world.messages.map(({ at, to, message }) => ({ at, to, body: bodyOf(message) }))
  const said = [...happenings]
  const became = await readBecame(relay.log(), timeline.filter(isEvent))
  const alerts = await readMadeAlerts(relay.log())
  await Promise.all([relay.end(), outbox.close(), velociraptor.close()])
  const mails = await Promise.all(delivered.map(readBack))
  return {
    ended,
    virtualMs,
    letters: delivered.map(({ mail }) => mail),
    played: { mails, messages, became, alerts, happenings: said },
  }
}

/** A message's text; of anything else its JSON text. */
const bodyOf = (message: StandInMessage['message']): string => {
  const json = toJson(message)
  const value: unknown = JSON.parse(json)
  return typeof value === 'string' ? value : json
}

const isEvent = (entry: TimelineEntry): entry is EventEntry => entry.kind === 'event'

/** Its letters wait for ever. */
const isHopeless = (entry: TimelineEntry): boolean =>
  entry.kind === 'fault' &&
  entry.until === null &&
  entry.times === null &&
  (entry.fault === 'smtp-down' || entry.code === 421)

const endless = ({ timeline, now }: Scenario, at: EpochMs): string => {
  const unbounded = timeline.filter(
    (entry): entry is FaultEntry => entry.kind === 'fault' && entry.until === null && entry.times === null,
  )
  const hints = unbounded.map(
    (entry) =>
      `${entry.fault} at ${relative(entry.at, now)} has no end: give it \`for\` or \`times\`, or the scenario an \`until\``,
  )
  return [`something still waits at ${relative(at, now)}: the scenario was ended there`, ...hints].join('\n  ')
}
