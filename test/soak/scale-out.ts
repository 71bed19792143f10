/**
 * `npm run soak:scale-out [-- --seeds 5 --events 20000] [--joins]`: processes that share the stages on three brokers become 1, 3, 1, 2 under load, are
 * killed and frozen, and a broker is killed; what became of every event must equal an embedded run of the same events. Counts the
 * letters that the mail server got twice, and measures how long a partition is silent while a process joins.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { EventLog } from '../../connectors/log/event-log.ts'
import type { StageName } from '../../pipeline/service.ts'
import { openOwnSink } from '../bench/smtp-sink.ts'
import { seeded } from '../bench/flow-world.ts'
import type { Broker } from '../broker/broker.ts'
import { rawRecord } from '../bench/raw-record.ts'
import { startOwnBroker } from '../broker/start-broker.ts'
import { embeddedRun } from './scale-out-embedded.ts'
import { type Account, accountReader, differences, isComplete, longestSilence } from './scale-out-outcomes.ts'
import { connections, flowsOf, openPlace, type Place } from './scale-out-world.ts'

export interface Running {
  readonly name: string
  readonly child: ChildProcess
  readonly ready: Promise<void>
}

/** What a storm may do to a run. */
export interface Run {
  readonly place: Place
  start(name: string, stages?: readonly StageName[]): Running
  end(running: Running, signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
  /** A process joins: resolves some time after it has; the silence until then is measured, and that before it began. */
  joins(running: Running): Promise<void>
  /** Counts something that may double letters. */
  struck(): void
  readonly say: (line: string) => void
}

export interface Found {
  readonly wrong: readonly string[]
  readonly facts: Readonly<Record<string, number>>
}

const allStages = ['enrich', 'decide', 'deliver'] as const
/** A letter that is sent but not settled is one of these: under way, or its receipt is in the batch that is written. */
const doublesPerStrike = 2 * connections
const beforeJoinMs = 10_000
/** Until others have what a dead process had. */
const takenOverMs = 15_000
/** Until a process that begins alone is at work. */
const begunMs = 10_000
const afterJoinMs = 8000
const frozenMs = 13_000
export const mostSilentMs = 3000
const fedEveryMs = 50
const drainPatienceMs = 600_000
const progressEveryMs = 20_000

/** Feeds what is due, as often as the log takes it. */
const feed = async (log: EventLog, place: Place, feedMs: number, facts: Record<string, number>): Promise<void> => {
  const { events } = flowsOf(place)
  const begun = performance.now()
  for (let fed = 0; fed < events.length; await setTimeout(fedEveryMs)) {
    const due = Math.ceil(((performance.now() - begun) / feedMs) * events.length)
    const some = events.slice(fed, due)
    try {
      await log.append(some.map(rawRecord))
      fed += some.length
    } catch {
      // Some of them may stand: they come again, and are known by their keys.
      facts['feeds repeated'] = (facts['feeds repeated'] ?? 0) + 1
    }
  }
}

const messageIdOf = (message: Buffer): string =>
  /^message-id:\s*(\S+)/im.exec(message.toString('latin1', 0, 8192))?.[1] ?? ''

/** Feeds the events of a seed to a log on Kafka while a storm goes on, waits for the end, and compares. */
export const scaleOut = async (
  terms: Omit<Place, 'prefix' | 'stateDir' | 'smtpPort'> & { readonly feedMs: number; readonly say: Run['say'] },
  storm: (run: Run) => Promise<void>,
): Promise<Found> => {
  const { say, feedMs, ...given } = terms
  const dir = mkdtempSync(join(tmpdir(), 'scale-out-'))
  const accepted = new Map<string, number>()
  const sink = await openOwnSink((message) => {
    const id = messageIdOf(message)
    accepted.set(id, (accepted.get(id) ?? 0) + 1)
  })
  const place: Place = { ...given, prefix: `scale-${given.seed}-${given.begin}.`, stateDir: dir, smtpPort: sink.port }
  const children = new Set<ChildProcess>()
  const wrong: string[] = []
  const facts: Record<string, number> = {}
  const joins: { readonly name: string; readonly from: number; readonly to: number }[] = []
  let strikes = 0
  const run: Run = {
    place,
    say,
    start: (name, stages = allStages) => {
      const running = startRelay({ ...place, stateDir: join(dir, name) }, name, stages, wrong, facts)
      children.add(running.child)
      return running
    },
    end: async ({ child }, signal) => {
      if (signal === 'SIGKILL') strikes++
      const exited = once(child, 'exit')
      child.kill(signal)
      await exited
      children.delete(child)
    },
    joins: async ({ name, ready }) => {
      const from = Date.now()
      await ready
      await setTimeout(afterJoinMs)
      joins.push({ name, from, to: Date.now() })
    },
    struck: () => void strikes++,
  }
  const log = await openPlace({ ...place, stateDir: join(dir, 'judge') }, 'judge', () => undefined)
  try {
    const wanted = await embeddedRun(place)
    say(`embedded: ${wanted.verdicts.length} verdicts, ${wanted.deliveries.length} deliveries`)
    const begun = performance.now()
    await Promise.all([feed(log, place, feedMs, facts), storm(run)])
    say(`fed and struck after ${seconds(begun)} s`)
    const account = await drained(log, wanted, run)
    say(`done after ${seconds(begun)} s`)
    await Promise.all([...children].map((child) => run.end({ child, name: '', ready: Promise.resolve() }, 'SIGTERM')))
    wrong.push(...differences('verdicts', account.verdicts, wanted.verdicts))
    wrong.push(...differences('deliveries', account.deliveries, wanted.deliveries))
    wrong.push(...compareLetters(account, accepted))
    for (const { name, from, to } of joins) {
      const before = longestSilence(account, { from: from - beforeJoinMs, to: from }).ms
      const { ms, partition } = longestSilence(account, { from, to })
      facts[`silent before ${name} joins, ms`] = before
      facts[`silent while ${name} joins, ms`] = ms
      // Where partitions are as silent without a join, the machine is too busy to tell.
      if (before > mostSilentMs) say(`too busy a machine to tell how long a partition is silent while ${name} joins`)
      else if (ms > mostSilentMs) wrong.push(`partition ${partition} was silent for ${ms} ms while ${name} joined`)
    }
    const doubles = [...accepted.values()].reduce((sum, times) => sum + times - 1, 0)
    Object.assign(facts, { letters: accepted.size, doubles, 'doubles at most': strikes * doublesPerStrike })
    if (doubles > strikes * doublesPerStrike) wrong.push(`${doubles} letters came twice after ${strikes} strikes`)
    return { wrong, facts }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await log.close()
    await sink.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

const seconds = (since: number): string => ((performance.now() - since) / 1000).toFixed(0)

const startRelay = (
  place: Place,
  name: string,
  stages: readonly StageName[],
  wrong: string[],
  facts: Record<string, number>,
): Running => {
  const child = fork(join(import.meta.dirname, 'scale-out-relay.ts'), [JSON.stringify([place, stages])], {
    execArgv: ['--disable-warning=TimeoutNegativeWarning'],
  })
  const ready = new Promise<void>((resolve) => {
    child.on('message', (message: Readonly<Record<string, unknown>>) => {
      if (message['ready'] === true) return resolve()
      if (typeof message['failure'] === 'string') return void wrong.push(`${name} failed: ${message['failure']}`)
      const said = String(message['name'])
      facts[said] = (facts[said] ?? 0) + 1
    })
    child.once('exit', () => resolve())
  })
  return { name, child, ready }
}

const drained = async (log: EventLog, wanted: Account, { place: { events }, say }: Run): Promise<Account> => {
  const reader = accountReader(log)
  let due = performance.now()
  for (const begun = performance.now(); performance.now() - begun < drainPatienceMs; await setTimeout(1000))
    if (isComplete(await reader.readOn(), events)) break
    else if (performance.now() > due) {
      due += progressEveryMs
      say(`${reader.account.events} events decided, ${reader.account.deliveries.length} notices settled`)
    }
  // What comes too often has time to.
  await setTimeout(3000)
  const account = await reader.readOn()
  if (account.deliveries.length < wanted.deliveries.length) await setTimeout(10_000)
  return reader.readOn()
}

/** What the log says was told, the mail server has, and nothing else. */
const compareLetters = ({ letters }: Account, accepted: ReadonlyMap<string, number>): readonly string[] => {
  const lost = [...letters].filter((id) => !accepted.has(id))
  const unsettled = [...accepted.keys()].filter((id) => !letters.has(id))
  return [
    ...(lost.length === 0 ? [] : [`${lost.length} letters are settled as told that the mail server never got`]),
    ...(unsettled.length === 0 ? [] : [`${unsettled.length} letters that the mail server got are not settled`]),
  ]
}

/** The waits between the strikes differ with the seed. */
const fullStorm =
  (broker: Broker, seed: number) =>
  async (run: Run): Promise<void> => {
    const random = seeded(seed)
    const begun = performance.now()
    const wait = (fromMs: number, upToMs = fromMs): Promise<void> => setTimeout(fromMs + random() * (upToMs - fromMs))
    const say = (line: string): void => run.say(`${seconds(begun)} s: ${line}`)
    const join = async (name: string): Promise<Running> => {
      const running = run.start(name)
      await run.joins(running)
      say(`${name} has joined`)
      return running
    }
    await run.start('A').ready
    say('A runs')
    // Its own beginning is not taken for a silence before the first join.
    await wait(beforeJoinMs + begunMs)
    const second = await join('B')
    const third = await join('C')
    await wait(0, 3000)
    say('B is killed')
    await run.end(second, 'SIGKILL')
    await wait(12_000, 15_000)
    third.child.kill('SIGSTOP')
    run.struck()
    say('C is frozen')
    const frozen = setTimeout(frozenMs)
    await wait(2000, 7000)
    const node = 1 + Math.floor(random() * 3)
    run.struck()
    say(`broker ${node} is killed`)
    await broker.kill(node)
    await wait(4000)
    await broker.start(node)
    say(`broker ${node} is back`)
    await frozen
    third.child.kill('SIGCONT')
    say('C wakes')
    await wait(8000, 12_000)
    say('C is killed')
    await run.end(third, 'SIGKILL')
    await wait(takenOverMs + beforeJoinMs, takenOverMs + beforeJoinMs + 3000)
    await join('D')
  }

/** Only joins, on a quiet log: how long is a partition silent? */
const joinsOnly = async (run: Run): Promise<void> => {
  await run.start('A').ready
  // Its own beginning is not taken for a silence before the first join.
  await setTimeout(beforeJoinMs + begunMs)
  for (const name of ['B', 'C']) await run.joins(run.start(name))
}

interface Seeds {
  readonly seeds: number
  readonly first: number
  readonly events: number
  readonly joinsAlone: boolean
}

const runSeeds = async ({ seeds, first, events, joinsAlone }: Seeds): Promise<number> => {
  const feedMs = joinsAlone ? 50_000 : 150_000
  let failures = 0
  for (let seed = first; seed < first + seeds; seed++) {
    const broker = await startOwnBroker({ nodes: joinsAlone ? 1 : 3 })
    try {
      const { wrong, facts } = await scaleOut(
        {
          brokers: broker.brokers,
          partitions: 12,
          seed,
          events,
          begin: Math.floor(Date.now() / 1000) * 1000 - 3_600_000,
          feedMs,
          say: (line) => console.log(`seed ${seed}: ${line}`),
        },
        joinsAlone ? joinsOnly : fullStorm(broker, seed),
      )
      for (const line of wrong) console.log(`seed ${seed}: WRONG: ${line}`)
      console.log(`seed ${seed}: ${wrong.length === 0 ? 'exact' : 'NOT EXACT'} ${JSON.stringify(facts)}`)
      if (wrong.length > 0) failures++
    } finally {
      await broker.stop()
    }
  }
  return failures
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '5' },
      first: { type: 'string', default: '1' },
      events: { type: 'string', default: '20000' },
      /** Only joins, on one broker. */
      joins: { type: 'boolean', default: false },
    },
  })
  const [seeds, first, events] = [values.seeds, values.first, values.events].map(Number) as [number, number, number]
  const failures = await runSeeds({ seeds, first, events, joinsAlone: values.joins })
  console.log(failures === 0 ? 'every seed equals its embedded run' : `${failures} seeds differ`)
  process.exit(failures === 0 ? 0 : 1)
}
