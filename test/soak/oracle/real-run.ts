import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import type { EventLog } from '../../../connectors/log/event-log.ts'
import { openKafkaLog } from '../../../connectors/log/kafka-log.ts'
import { startStandIn } from '../../../connectors/velociraptor/stand-in/server.ts'
import { createWorld, type StandInWorld } from '../../../connectors/velociraptor/stand-in/world.ts'
import type { Random } from '../../../pipeline/runtime/backoff.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { seededRandom } from '../../../pipeline/scenarios/seeded-random.ts'
import { allTopics } from '../../../schemas/topics.ts'
import { mostDoubledBy, readLogAccount } from './account.ts'
import { checkAccount, type Findings } from './check-account.ts'
import { checkDoubles, doublesIn } from './check-doubles.ts'
import { type EmittedEvent, type EmittedFlow, flowRecordOf, lateMs, openEmitter } from './emission.ts'
import { type Deeds, disturb, openDeeds, some } from './real-deeds.ts'
import { openRealMailServer, type RealMailServer } from './real-mail-server.ts'
import { withMishaps } from './real-mishaps.ts'
import { openRealRelay, type RealRelay, type RealStrike } from './real-relay.ts'
import { channelConnections, rulesByHash, type RulesPlace, rulesYaml, versions } from './rules.ts'
import { mountSmallDisk } from './small-disk.ts'

/** What came of a seed. */
export interface RealRun {
  readonly findings: Findings
  readonly facts: Readonly<Record<string, number>>
}

export interface RealRunOptions {
  readonly seed: number
  /** Brokers that processes share; null: one process on an embedded log. */
  readonly brokers: readonly string[] | null
  readonly troubleMs: number
  /** Name of a planted bug that the processes have; null: none. */
  readonly bug: string | null
  /** Which deeds are done, and how often; null: all. */
  readonly deeds: readonly string[] | null
  readonly deedEveryMs: number
  /** Which faults the mail server has; null: all. */
  readonly faults: readonly string[] | null
  /** A batch's quiet time, seconds. */
  readonly quietS: number
  readonly say: (line: string) => void
}

const partitions = 4
const emitEveryMs = 900
const startPatienceMs = 180_000
const patienceMs = 400_000
const lookEveryMs = 3000
const relay = fileURLToPath(new URL('../../../pipeline/cli/relay.js', import.meta.url))

/** Everything that one seed opens, and closes again. */
interface Run extends RealRunOptions {
  readonly random: () => number
  readonly dir: string
  readonly world: StandInWorld
  readonly mailServer: RealMailServer
  readonly relays: readonly RealRelay[]
  readonly log: EventLog
  readonly strikes: readonly RealStrike[]
  readonly emitted: EmittedEvent[]
  readonly place: RulesPlace
  readonly begun: number
}

const openLog = (dir: string, brokers: RealRunOptions['brokers'], prefix: string): Promise<EventLog> => {
  const common = { topics: allTopics, partitions, clock: systemClock(), tell: () => undefined }
  return brokers === null
    ? openEmbeddedLog({ ...common, dir: join(dir, 'log') })
    : openKafkaLog({ ...common, brokers, prefix, clientId: 'oracle', stateDir: join(dir, 'judge') })
}

/** Real processes under everything that a seed has for them, until all is told; then what came of it is checked. */
export const runReally = async (options: RealRunOptions): Promise<RealRun> => {
  const { seed, brokers, bug, say } = options
  // Each has its own: which of them asks first is the machine's.
  const [random, emitRandom, mailRandom] = [0, 1, 2].map((n) => seededRandom(3 * seed + n)) as [Random, Random, Random]
  const dir = mkdtempSync(join(tmpdir(), 'relay-oracle-'))
  const clock = systemClock()
  const world = createWorld({ now: clock.now() })
  const server = await startStandIn({ world, clock, dir, port: 0 })
  const mailServer = await openRealMailServer(mailRandom, options.faults)
  writeFileSync(join(dir, 'mail-ca.pem'), mailServer.ca)
  const prefix = `oracle-${seed}-${clock.now()}.`
  const stateOf = (name: string): string => join(dir, brokers === null ? 'log' : name)
  const place = (name: string): RulesPlace => ({
    apiConfig: server.apiConfig,
    smtp: `smtp://127.0.0.1:${mailServer.port}`,
    channel: `tls: required, ca_file: ${join(dir, 'mail-ca.pem')}`,
    log:
      brokers === null
        ? `{ embedded: { dir: ${stateOf(name)}, partitions: ${partitions} } }`
        : `{ kafka: { brokers: [${brokers.map((each) => `'${each}'`).join()}], prefix: ${prefix}, partitions: ${partitions}, state_dir: ${stateOf(name)} } }`,
    quietS: options.quietS,
  })
  const disk = mountSmallDisk(stateOf('p1'))
  const strikes: RealStrike[] = []
  const failures: string[] = []
  let deeds: Deeds | undefined
  const log = await openLog(dir, brokers, prefix)
  const relays = (brokers === null ? ['p1'] : ['p1', 'p2']).map((name) => {
    const own = join(dir, `${name}-home`)
    mkdirSync(own)
    return openRealRelay({
      name,
      dir: own,
      yaml: rulesYaml(versions[0], place(name)),
      strikes,
      bug,
      say,
      onFailure: ({ code, isReady, what }) => {
        // Who cannot even open the log says so and ends, as who is turned away by the mail server for good.
        const isMeant = deeds?.isMeant(code) === true || (code === 'LOG_UNAVAILABLE' && !isReady)
        if (!isMeant) failures.push(what)
      },
    })
  })
  const reload = (): void => {
    const version = some(versions, random)
    for (const each of relays) each.reload(rulesYaml(version, place(each.name)))
  }
  deeds = openDeeds({ random, relays, mailServer, log, disk, isShared: brokers !== null, reload })
  const run: Run = {
    ...options,
    random: emitRandom,
    dir,
    world,
    mailServer,
    relays,
    log,
    strikes,
    emitted: [],
    place: place('p1'),
    begun: clock.now(),
  }
  const done: Record<string, number> = {}
  try {
    await Promise.race([
      // Where several share the log one of them reads the events, and the others stand by.
      Promise.any(relays.map(({ inSync }) => inSync)),
      setTimeout(startPatienceMs).then(() => {
        throw new Error(`the relays did not come in sync: ${failures.join('; ')}`)
      }),
    ])
    say('in sync')
    const { deeds: names, deedEveryMs: everyMs, troubleMs } = options
    await Promise.all([emitAll(run), disturb({ random, relays, deeds, names, everyMs, troubleMs, done, say })])
    mailServer.heal()
    say('the trouble is over')
    const findings = [...(await settled(run)), ...failures]
    await Promise.all(relays.map((each) => each.end()))
    const audited = brokers === null && bug === null ? await audit(join(dir, 'p1-home', 'relay.yaml')) : []
    const taken = await mailServer.taken()
    return {
      findings: [...findings, ...audited],
      facts: {
        events: run.emitted.length,
        letters: taken.length,
        doubles: doublesIn(taken),
        ...done,
        ...mailServer.faults,
      },
    }
  } finally {
    await Promise.all(relays.map((each) => each.end()))
    await log.close()
    await Promise.all([server.close(), mailServer.close()])
    disk?.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

const clientOf = (flow: EmittedFlow) => ({ clients: [{ client_id: flow.client, os_info: { fqdn: flow.client } }] })
const recordsOf = (flow: EmittedFlow) => ({
  flows: [flowRecordOf(flow, Infinity)]
    .filter((record) => record !== null)
    .map((record) => ({ org: 'root', ...record })),
})

/** A server that emits something now and then, and comes to know of some flows later. */
const emitAll = async ({ random, world, emitted, troubleMs, begun, say }: Run): Promise<void> => {
  const emitter = openEmitter(random)
  const later: Promise<unknown>[] = []
  for (const end = Date.now() + troubleMs; Date.now() < end; await setTimeout(random() * 2 * emitEveryMs)) {
    const now = Date.now()
    const event = random() < 0.25 ? emitter.alert(now) : emitter.flow(now)
    emitted.push(event)
    say(`server: ${event.kind === 'flow' ? event.flow : event.name} after ${now - begun} ms`)
    if (event.kind === 'flow') {
      world.set(clientOf(event))
      if (event.record === 'late') later.push(setTimeout(lateMs).then(() => world.set(recordsOf(event))))
      else world.set(recordsOf(event))
      world.emit('root', 'System.Flow.Completion', event.row, now)
    } else world.emit('root', 'Server.Internal.Alerts', event.row, now)
  }
  await Promise.all(later)
}

/** Looks until everything is as it must be, or nothing more is to be hoped for. */
const settled = async (run: Run): Promise<Findings> => {
  const { log, mailServer, strikes, relays, emitted, place, say } = run
  const clocks = relays.map(({ clock }) => clock)
  const mostDoubled = mostDoubledBy(channelConnections)
  let findings: Findings = []
  for (const end = Date.now() + patienceMs; ; await setTimeout(lookEveryMs)) {
    let forGood: Findings = []
    try {
      const account = await readLogAccount(log)
      const taken = withMishaps(await mailServer.taken(), { receipts: account.receipts, strikes, clocks })
      findings = checkAccount({
        emitted,
        unreadable: new Set(),
        configurations: rulesByHash(place),
        taken,
        mostDoubled,
        wasRefused: mailServer.wasRefused,
        log: account,
        leftOver: [],
      })
      forGood = checkDoubles({ taken, mostDoubled })
    } catch (cause) {
      findings = [`the log cannot be read: ${String(cause)}`]
    }
    if (findings.length === 0 || forGood.length > 0 || Date.now() > end) return findings
    say(`${findings.length} things are not yet as they must be: ${findings[0]}`)
  }
}

/** What the relay's own proof says. */
const audit = (file: string): Promise<Findings> =>
  new Promise((resolve) => {
    execFile(process.execPath, [relay, 'audit', '-c', file, '--from-log'], (error, stdout, stderr) =>
      resolve(error === null ? [] : [`relay audit: ${stdout}${stderr}`]),
    )
  })
