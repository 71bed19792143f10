import { setImmediate } from 'node:timers/promises'
import { openMemoryLog } from '../../../connectors/log/memory-log.ts'
import { commandLetters } from '../../../pipeline/dead/command-letters.ts'
import { readDeadLetters } from '../../../pipeline/dead/read-dead-letters.ts'
import { virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'
import { seededRandom } from '../../../pipeline/scenarios/seeded-random.ts'
import type { EpochMs } from '../../../schemas/time.ts'
import { allTopics, topics } from '../../../schemas/topics.ts'
import { cutReply, type LogAccount, messageKeyOf, mostDoubledBy, readLogAccount, type TakenLetter } from './account.ts'
import { checkAccount, type Findings } from './check-account.ts'
import { doublesIn } from './check-doubles.ts'
import { type EmittedEvent, type EmittedFlow, openEmitter, rawRecordOf } from './emission.ts'
import { openPartitionOwners } from './partition-owners.ts'
import type { PlantedBug } from './planted-bugs.ts'
import { channelConnections, configurationOf, rulesByHash, type RulesPlace, rulesYaml, versions } from './rules.ts'
import { openSimulatedMailServer, type TakenFrom } from './simulated-mail-server.ts'
import { type SimulatedProcess, type SimulatedWorld, startSimulatedProcess, type Strike } from './simulated-process.ts'
import { type Weather, weatherOf } from './weather.ts'

/** What came of a seed. */
export interface Simulated {
  readonly findings: Findings
  /** What happened, a line each; empty unless asked for. */
  readonly story: readonly string[]
  readonly facts: Readonly<Record<'events' | 'letters' | 'doubles' | 'strikes', number>>
}

export interface SimulateOptions {
  readonly bug?: PlantedBug
  /** In place of what the seed has. */
  readonly weather?: Partial<Weather>
  readonly hasStory?: boolean
}

const minute = 60_000
const day = 86_400_000
const start = Date.UTC(2026, 3, 22, 14, 42, 27)
const partitions = 2
const troubleMs = 12 * minute
const longestMs = 20 * day
const mostSteps = 50_000
/** Rounds of the event loop that nothing here outlasts without waiting for time. */
const mostRounds = 10
/** Where nothing waits for time any more, everything comes to its end. */
const mostLastRounds = 1000
const place: RulesPlace = {
  apiConfig: './api.config.yaml',
  smtp: 'smtp://mail.example.org',
  channel: 'tls: required',
  log: `{ embedded: { partitions: ${partitions} } }`,
  quietS: 30,
}
const configurations = versions.map((version) => configurationOf(rulesYaml(version, place)))
const [firstConfiguration] = configurations
const byHash = rulesByHash(place)
const addresses = ['ann@a.example.org', 'team@a.example.org', 'chosen@a.example.org', 'soc@b.example.org'] as const

/** Runs whole stages under everything that a seed has for them, until all is told, and checks what came of it. */
export const simulate = async (
  seed: number,
  { bug, weather = {}, hasStory = false }: SimulateOptions = {},
): Promise<Simulated> => {
  const real = performance.now
  const clock = virtualClock(start)
  // One time in the world: deadlines are monotonic.
  performance.now = () => clock.now() - start
  try {
    return await play(seed, clock, { bug: bug ?? null, weather, hasStory })
  } finally {
    performance.now = real
  }
}

const play = async (
  seed: number,
  clock: ReturnType<typeof virtualClock>,
  { bug, weather: forced, hasStory }: { readonly bug: PlantedBug | null } & Required<Omit<SimulateOptions, 'bug'>>,
): Promise<Simulated> => {
  const random = seededRandom(seed)
  const weather: Weather = { ...weatherOf(random), ...forced }
  let isTrouble = true
  const story: string[] = []
  const say = (line: string): void => {
    if (hasStory) story.push(`${((clock.now() - start) / 1000).toFixed(3).padStart(10)} ${line}`)
  }
  const inTrouble = (): Weather | null => (isTrouble ? weather : null)
  const sleep = (ms: number): Promise<void> =>
    ms === 0 ? Promise.resolve() : new Promise((resolve) => void clock.at(clock.now() + ms, resolve))
  const log = openMemoryLog({
    topics: allTopics,
    partitions,
    clock,
    tell: (happening) => say(`log: ${happening.name}`),
    commitFault: () => {
      const now = inTrouble()
      const dice = random()
      if (now === null || dice >= now.refuse + now.forget) return undefined
      return dice < now.refuse ? 'before' : 'after'
    },
  })
  const mailServer = openSimulatedMailServer({ now: clock.now, sleep, random, weather: inTrouble, say })
  const broken: string[] = []
  const strikes: Strike[] = []
  const flows = new Map<string, EmittedFlow>()
  const processes: SimulatedProcess[] = []
  const world: SimulatedWorld = {
    log,
    owners: openPartitionOwners(log, random, weather.isAlone),
    clock,
    sleep,
    random,
    weather: inTrouble,
    mailServer,
    flows,
    say,
    strikes,
    isAlone: weather.isAlone,
    bug,
    ended: () => {
      const wait = isTrouble ? Math.floor(random() * 30_000) : 1000
      clock.at(clock.now() + wait, begin)
    },
    broken: (what) => broken.push(what),
  }
  let configuration = firstConfiguration as (typeof configurations)[number]
  const alive = (): readonly SimulatedProcess[] => processes.filter((one) => !one.isGone())
  const begin = (): void => {
    if (weather.isAlone && alive().length > 0) return
    processes.push(startSimulatedProcess(world, { name: `p${processes.length + 1}`, configuration }))
  }
  const someProcess = (): SimulatedProcess | undefined => {
    const candidates = alive()
    return candidates[Math.floor(random() * candidates.length)]
  }

  const emitted: EmittedEvent[] = []
  const unreadable = new Set<string>()
  const emitter = openEmitter(random)
  const emit = async (event: EmittedEvent): Promise<void> => {
    say(`server: ${event.kind === 'flow' ? `${event.flow} of ${event.client}, ${event.record}` : event.name}`)
    emitted.push(event)
    if (event.kind === 'flow') flows.set(event.flow, event)
    // Now and then collect reads a row twice.
    const copies = random() < 0.1 ? 2 : 1
    await log.append(Array.from({ length: copies }, () => rawRecordOf(event)))
  }
  const emitJunk = async (): Promise<void> => {
    const topic = topics.rawFlowCompletions.name
    const [at] = await log.append([{ topic, key: 'junk', value: Buffer.from('no event') }])
    if (at !== undefined) unreadable.add(`${at.topic}/${at.partition}/${at.offset}`)
  }
  const emitSome = (): void => {
    const dice = random()
    const earlier = emitted.findLast(
      (event): event is EmittedFlow =>
        event.kind === 'flow' && event.record === 'sound' && clock.now() > event.receivedAt + 2000,
    )
    if (dice < 0.05) void emitJunk()
    else if (dice < 0.12 && earlier !== undefined && flows.get(earlier.flow) === earlier)
      void emit(emitter.again(earlier, clock.now()))
    else if (dice < 0.3) for (let n = 1 + Math.floor(random() * 4); n > 0; n--) void emit(emitter.alert(clock.now()))
    else void emit(emitter.flow(clock.now()))
  }

  let asking = 0
  const askForDead = async (kind: 'redrive' | 'drop'): Promise<void> => {
    asking++
    const letters = await readDeadLetters(log, start)
    say(`somebody asks to ${kind} ${letters.length} dead letters`)
    const everyMs = random() < 0.5 ? 0 : 1000
    const chosen = letters.filter(() => random() < 0.8)
    await commandLetters(log, chosen, { kind, now: clock.now(), everyMs })
    // Somebody is impatient.
    if (random() < 0.3) await commandLetters(log, chosen, { kind, now: clock.now(), everyMs })
    asking--
  }
  const deeds: readonly (() => void)[] = [
    () => mailServer.goAway(clock.now() + Math.floor(random() * 3 * minute)),
    () =>
      mailServer.shun(
        addresses[Math.floor(random() * addresses.length)] as string,
        random() < 0.5 ? 'refused' : 'deferred',
        random() < 0.3 ? clock.now() + 7 * day : clock.now() + Math.floor(random() * 5 * minute),
      ),
    () => someProcess()?.kill(),
    () => someProcess()?.freeze(Math.floor(random() * 150_000)),
    () => someProcess()?.stop(),
    () => (weather.isAlone ? undefined : world.owners.move()),
    () => void askForDead('redrive'),
    () => void askForDead('redrive'),
    () => void askForDead('drop'),
    () => {
      configuration = configurations[Math.floor(random() * configurations.length)] as typeof configuration
      say('the configuration is reloaded')
      for (const process of alive()) process.reload(configuration)
    },
    () => {
      const steps = weather.isAlone ? [3_600_000, -3_600_000, 1500, -1500] : [700, -700]
      someProcess()?.stepClock(steps[Math.floor(random() * steps.length)] as number)
    },
  ]

  for (let n = 0; n < (weather.isAlone ? 1 : weather.processes); n++) begin()
  for (let n = 0; n < weather.events; n++) clock.at(start + Math.floor(random() * troubleMs), emitSome)
  for (let n = 0; n < weather.deeds; n++)
    clock.at(start + Math.floor(random() * troubleMs), () => deeds[Math.floor(random() * deeds.length)]?.())
  clock.at(start + troubleMs, () => {
    say('the trouble is over')
    isTrouble = false
    mailServer.heal()
    for (const process of alive()) process.thaw()
  })

  const settle = async (): Promise<void> => {
    // A turn that waits for time is open meanwhile.
    const most = clock.next() === undefined ? mostLastRounds : mostRounds
    for (let quiet = 0, rounds = 0; quiet < 3 && rounds < most; rounds++) {
      await setImmediate()
      quiet = log.isIdle() && asking === 0 ? quiet + 1 : 0
    }
  }
  let steps = 0
  await settle()
  for (let next = clock.next(); next !== undefined; next = clock.next()) {
    if (broken.length > 0 || ++steps > mostSteps || next > start + longestMs) break
    clock.advanceTo(next)
    await settle()
  }
  if (clock.next() !== undefined && broken.length === 0) broken.push(`something waits for ever, after ${steps} steps`)

  const account = await readLogAccount(log)
  const findings = [
    ...broken,
    ...checkAccount({
      emitted,
      unreadable,
      configurations: byHash,
      taken: mailServer.taken.map((letter) => withMishap(letter, account, strikes)),
      mostDoubled: mostDoubledBy(channelConnections),
      wasRefused: (to, messageId) => mailServer.refused.has(`${to} ${messageId}`),
      log: account,
      leftOver: world.owners
        .statesOf('deliver')
        .flatMap((state) => [...keysIn(state, 'letter/'), ...keysIn(state, 'notice/'), ...keysIn(state, 'due/')]),
    }),
  ]
  await log.close()
  return {
    findings,
    story,
    facts: {
      events: emitted.length,
      letters: mailServer.taken.length,
      doubles: doublesIn(mailServer.taken),
      strikes: strikes.length,
    },
  }
}

const keysIn = (state: { range(from: string, to: string): Iterable<readonly [string, unknown]> }, prefix: string) =>
  [...state.range(prefix, `${prefix}\uFFFF`)].map(([key]) => key)

/** A process that stood still for less keeps its claims. */
const leastFreezeMs = 15_000

const withMishap = (letter: TakenFrom, { receipts }: LogAccount, strikes: readonly Strike[]): TakenLetter => {
  const { sender, isCut, messageId, at, ...rest } = letter
  const written = receipts.find(
    ({ value, timestamp }) =>
      value.kind === 'accepted' && timestamp >= at && messageId.includes(messageKeyOf(value.letter)),
  )
  const known: EpochMs = written?.timestamp ?? Infinity
  const during = strikes.filter(({ process, from, to }) => process === sender && from <= known && to >= at)
  const frozenMs = during.reduce((sum, { from, to }) => sum + (to - from), 0)
  const struck = frozenMs >= leastFreezeMs ? `${sender} was struck at ${during[0]?.from}` : null
  const mishap = isCut ? cutReply : struck
  return { ...rest, messageId, at, mishap }
}
