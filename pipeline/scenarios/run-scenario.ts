import { setImmediate as nextRound } from 'node:timers/promises'
import { openMemoryLog } from '../../connectors/log/memory-log.ts'
import { openOutbox, replyOfCode, SERVER_DOWN } from '../../connectors/mail/outbox.ts'
import { standInVelociraptor } from '../../connectors/velociraptor/stand-in/in-process.ts'
import { createWorld } from '../../connectors/velociraptor/stand-in/world.ts'
import type { Happening } from '../../schemas/happenings.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { allTopics } from '../../schemas/topics.ts'
import type { Configuration } from '../config/configuration.ts'
import { printProblem } from '../config/problem.ts'
import type { OpenChannel } from '../mailing/claim.ts'
import { type Service, stageNames, startService } from '../service.ts'
import { readBecame } from './became.ts'
import { checkPlayed, checkProblems, type Played, relative } from './check.ts'
import { playEntry } from './play-entry.ts'
import type { EventEntry, FaultEntry, Scenario, TimelineEntry } from './scenario.ts'
import { scenarioClock } from './scenario-clock.ts'
import { seededRandom } from './seeded-random.ts'
import { readBack } from './sent-mail.ts'

/** What a scenario came to. */
export interface ScenarioResult {
  /** Readable blocks, one for each expectation that was not met; none: it passed. */
  readonly failures: readonly string[]
  /** By how much the clock moved, ms. */
  readonly virtualMs: number
}

/** Runs a scenario under a virtual clock, with the whole service on a world in memory, and compares what came of it. */
export const runScenario = async (scenario: Scenario): Promise<ScenarioResult> => {
  const { configuration, problems } = scenario.configuration
  const { expect } = scenario
  if (expect.configuration !== null) return { failures: checkProblems(expect.configuration, problems), virtualMs: 0 }
  if (configuration === null)
    return { failures: ['the configuration cannot be used', ...problems.map(printProblem)], virtualMs: 0 }
  const { played, ended, virtualMs } = await play(scenario, configuration)
  return { failures: [...ended, ...checkPlayed(expect, played, scenario.now)], virtualMs }
}

/**
 * Before anything happens the relay listens for so long: longer than it takes to come in sync. The odd ms puts the server's
 * gathering of rows, once a second, just behind the full seconds at which things happen in scenarios.
 */
const leadMs = 15_000 - 1
/** After the last entry the relay listens for so long: longer than the server gathers rows. */
const lingerMs = 3000
/** The answer of a slow lookup, ms: late, yet within the time that a lookup is given. */
const slowLookupMs = 20_000
const longestMs = 60 * 86_400_000
const mostSteps = 5_000_000
/** Rounds of the event loop without any sign of work before a turn counts as waiting for the clock. */
const quietRounds = 8
const seed = 1

interface Ended {
  readonly played: Played
  /** Why it ended before its time; none: it did not. */
  readonly ended: readonly string[]
  readonly virtualMs: number
}

const play = async (scenario: Scenario, configuration: Configuration): Promise<Ended> => {
  const first = Math.min(scenario.now, scenario.timeline[0]?.at ?? scenario.now)
  const last = Math.max(scenario.now, scenario.timeline.at(-1)?.at ?? scenario.now)
  const time = scenarioClock(first - leadMs)
  const clocks = { service: time.view(), log: time.view() }
  const world = createWorld({ ...scenario.world, now: scenario.now })
  const velociraptor = standInVelociraptor(world, { clock: time.clock })
  const outbox = openOutbox({ clock: time.clock })
  const happenings: Happening[] = []
  const inSync = new Set<string>()
  const random = seededRandom(seed)

  const tell = (happening: Happening): void => {
    happenings.push(happening)
    const { name, org } = happening
    if (name === 'source in sync') inSync.add(String(org))
    if (name === 'source away') inSync.delete(String(org))
  }
  const channels = new Map(
    configuration.channels.map(({ name, from, connections }): [string, OpenChannel] => [name, { name, from, sink: { ...outbox, connections } }]),
  )
  let log = openMemoryLog({ topics: allTopics, partitions: configuration.log.embedded.partitions, clock: clocks.log, tell })
  let service: Service | undefined
  let failure: unknown
  /** What is being done about the service itself, one after the other. */
  let changing: Promise<void> = Promise.resolve()
  let isChanging = false
  let openFaults = 0

  const start = async (): Promise<void> => {
    inSync.clear()
    service = await startService(
      { log, velociraptor, channels, clock: clocks.service, random, tell },
      { configuration, stages: stageNames, since: null },
    )
    service.failed.catch((cause: unknown) => (failure ??= cause))
  }
  const stop = async (): Promise<void> => {
    const stopping = service?.stop()
    service = undefined
    await stopping
    await log.close()
    log = log.reopened()
  }
  const change = (what: () => Promise<void>): void => {
    isChanging = true
    const mine = changing.then(what, what).catch((cause: unknown) => void (failure ??= cause))
    changing = mine.then(() => {
      isChanging = changing !== settledChange
    })
    const settledChange = changing
  }

  const endsAt = (until: EpochMs | null, call: () => void): void => {
    if (until === null) return
    openFaults++
    time.clock.at(until, () => {
      openFaults--
      call()
    })
  }
  const begin = ({ fault, until, times, to, code }: FaultEntry): void => {
    const span = { ...(until === null ? {} : { untilMs: until }), ...(times === null ? {} : { times }) }
    const limits = { ...(until === null ? {} : { until }), ...(times === null ? {} : { times }) }
    endsAt(until, () => {
      if (fault === 'relay-down') change(start)
    })
    switch (fault) {
      case 'smtp-down':
        return outbox.inject({ reply: SERVER_DOWN, ...limits })
      case 'smtp-reply':
        return outbox.inject({ reply: replyOfCode(code), ...(to === null ? {} : { to }), ...limits })
      case 'lookup-empty':
        return world.faults.lookupsEmpty(span)
      case 'lookup-slow':
        return world.faults.lookupsSlow(slowLookupMs, span)
      case 'grpc-cut':
        if (until !== null || times !== null) world.faults.refuse(span)
        return world.faults.cut()
      case 'relay-down':
        return change(stop)
    }
  }
  // Registered before everything else: at one moment the world changes first, then the relay looks.
  let left = scenario.timeline.length
  for (const entry of scenario.timeline)
    time.clock.at(entry.at, () => {
      left--
      if (entry.kind === 'fault') begin(entry)
      else playEntry(world, entry)
    })

  const isIdle = (): boolean => log.isIdle() && outbox.isIdle()
  /** Lets everything happen that needs no time. */
  const settle = async (): Promise<void> => {
    for (let quiet = 0, before = -1; quiet < (isIdle() && !isChanging ? 2 : quietRounds);) {
      await nextRound()
      const uses = clocks.service.uses() + clocks.log.uses()
      quiet = uses === before ? quiet + 1 : 0
      before = uses
    }
  }
  /** Nothing waits but polls: no entry, no fault's end, no task, no lookup; and history has been read. */
  const isOver = (): boolean => {
    if (left > 0 || openFaults > 0 || isChanging || !isIdle() || time.clock.now() < last + lingerMs) return false
    if (service === undefined) return true
    return velociraptor.isIdle() && clocks.log.pending() === 0 && configuration.velociraptor.orgs.every((org) => inSync.has(org))
  }

  const begun = time.clock.now()
  const mostMs = Math.max(longestMs, last - begun + longestMs)
  const ended: string[] = []
  change(start)
  for (let steps = 0; ; steps++) {
    await settle()
    if (failure !== undefined) {
      ended.push(`the relay ended at ${relative(time.clock.now(), scenario.now)}: ${failure instanceof Error ? failure.message : String(failure)}`)
      break
    }
    const next = time.next()
    if (scenario.until !== null && (next === undefined || next > scenario.until)) {
      time.advanceTo(scenario.until)
      await settle()
      break
    }
    if (scenario.until === null && (isOver() || next === undefined)) break
    if (steps > mostSteps || time.clock.now() - begun > mostMs) {
      ended.push(endless(scenario, time.clock.now()))
      break
    }
    time.advanceTo(next as EpochMs)
  }

  const virtualMs = time.clock.now() - begun
  const delivered = [...outbox.delivered]
  const messages = world.messages.map(({ at, to, message }) => ({ at, to, body: typeof message === 'string' ? message : JSON.stringify(message) }))
  const said = [...happenings]
  const became = await readBecame(log, scenario.timeline.filter(isEvent))
  const leaving = service as Service | undefined
  void leaving?.stop()
  await Promise.all([outbox.close(), velociraptor.close()])
  await settle()
  await log.close()
  return {
    ended,
    virtualMs,
    played: { mails: await Promise.all(delivered.map(readBack)), messages, became, alerts: [], happenings: said },
  }
}

const isEvent = (entry: TimelineEntry): entry is EventEntry => entry.kind === 'event'

const endless = ({ timeline, now }: Scenario, at: EpochMs): string => {
  const unbounded = timeline.filter((entry): entry is FaultEntry => entry.kind === 'fault' && entry.until === null && entry.times === null)
  const hint = unbounded.map((entry) => `${entry.fault} at ${relative(entry.at, now)} has no end: give it \`for\` or \`times\`, or the scenario an \`until\``)
  return [`something still waits at ${relative(at, now)}, and the scenario is ended`, ...hint].join('\n')
}
