import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { seededRandom } from '../../../pipeline/scenarios/seeded-random.ts'
import { customQueue, type Emitted, faultNames, liveOnlyQueue } from './names.ts'
import { openServer, readEvents, relayYaml, type Server } from './place.ts'
import type { RelayProcess } from '../relay-process.ts'
import { type Line, openCollectRelay } from './relay.ts'

/** What came of one run: what the server emitted, and what the log has of it after enrich. */
export interface CollectRun {
  /** Of stored queues, each by its key: empty when all went well. */
  readonly lost: readonly string[]
  readonly invented: readonly string[]
  readonly repeated: readonly string[]
  /** Rows of the live-only queue that are missing although neither the relay said that it did not listen then, nor the server threw rows away. */
  readonly lostUnsaid: readonly string[]
  /** The relay ended by itself. */
  readonly failures: readonly string[]
  /** What went wrong on purpose, in order. */
  readonly deeds: readonly string[]
  readonly facts: Readonly<Record<string, number>>
}

export interface CollectRunOptions {
  readonly seed: number
  readonly events: number
  readonly troubleMs: number
  /** Time between two deeds, on average. */
  readonly deedEveryMs: number
  /** Whether the server may keep completions nowhere for a while: they are found more than five minutes later. */
  readonly mayStoreNothing: boolean
  /** How long it is waited for what may come twice. */
  readonly quietMs: number
  readonly say: (line: string) => void
}

const startPatienceMs = 180_000
/** Flows without an event are looked for five minutes after their end, at the next beginning of a stream. */
const sweepAfterMs = 330_000
const patienceMs = 150_000
const lookEveryMs = 2000

interface Unheard {
  readonly org: string
  readonly from: number
  readonly to: number
}

const serverFaults = faultNames.filter((name) => name !== 'organisation made' && name !== 'heal')
const relayDeeds = ['relay killed', 'relay stopped', 'relay frozen', 'log full'] as const

/** Faults of both sides, one after the other, by a seed. */
const disturb = async (
  relay: RelayProcess,
  server: Server,
  { seed, troubleMs, deedEveryMs, mayStoreNothing, say }: CollectRunOptions,
): Promise<readonly string[]> => {
  const random = seededRandom(seed + 1_000_000)
  const below = (most: number): number => Math.floor(random() * most)
  const done: string[] = []
  const begun = Date.now()
  const mean = troubleMs / deedEveryMs
  const doRelay: Readonly<Record<(typeof relayDeeds)[number], (ms: number) => Promise<unknown>>> = {
    'relay killed': () => relay.kill(),
    'relay stopped': () => relay.stop(),
    'relay frozen': (ms) => relay.freeze(ms),
    'log full': (ms) => relay.limitFiles(ms),
  }
  for (let n = 0; n < mean; n++) {
    await setTimeout(random() * 2 * deedEveryMs)
    if (Date.now() - begun > troubleMs) break
    const ms = 1000 + below(12_000)
    const isOurs = random() < 0.4
    const deed = isOurs ? relayDeeds[below(relayDeeds.length)] : serverFaults[below(serverFaults.length)]
    if (deed === undefined || (deed === 'stores nothing' && !mayStoreNothing)) continue
    done.push(deed)
    say(`${deed} ${ms} ms`)
    if (deed === 'relay killed' || deed === 'relay stopped' || deed === 'relay frozen' || deed === 'log full')
      await doRelay[deed](ms)
    else server.tell({ kind: 'fault', fault: deed, ms })
  }
  return done
}

/** `relay run` against a server in a process of its own, with faults on both sides, until all that can come has come. */
export const runCollectProcesses = async (options: CollectRunOptions): Promise<CollectRun> => {
  const { seed, events, troubleMs, say } = options
  const dir = mkdtempSync(join(tmpdir(), 'relay-collect-'))
  const unheard: Unheard[] = []
  const failures: string[] = []
  const said: Record<string, number> = {}
  const inSync = Promise.withResolvers<void>()
  const syncing = new Set<string>()
  const hear = (line: Line): void => {
    const { msg, org = '', queue = '', queues = '', from, to, reason = '' } = line
    said[msg] = (said[msg] ?? 0) + 1
    if (msg === 'source in sync') syncing.add(JSON.stringify([org, queues]))
    if (syncing.size >= streamsAtFirst) inSync.resolve()
    if (msg === 'live rows may be lost') unheard.push({ org, from: Date.parse(from ?? ''), to: Date.parse(to ?? '') })
    say(`relay: ${msg} ${org} ${queue} ${reason}`)
  }
  const server = await openServer(dir, seed)
  const file = join(dir, 'relay.yaml')
  writeFileSync(file, relayYaml(server.apiConfig, dir))
  // Without room its log cannot be opened, and without its permission nothing be asked: who starts it again does so until it can.
  const mayEndIt = ['no room left', 'permission ANY_QUERY is missing']
  const onFailure = (what: string): void => void (mayEndIt.some((text) => what.includes(text)) || failures.push(what))
  const relay = openCollectRelay({ file, hear, onFailure })
  try {
    await Promise.race([
      inSync.promise,
      setTimeout(startPatienceMs).then(() => {
        throw new Error(`the relay did not come in sync: ${failures.join('; ')}`)
      }),
    ])
    server.tell({ kind: 'emit', events, overMs: troubleMs })
    const late = setTimeout(troubleMs / 3).then(() => server.tell({ kind: 'fault', fault: 'organisation made', ms: 0 }))
    const deeds = await disturb(relay, server, options)
    await late
    const emitted = await server.emitted
    server.tell({ kind: 'fault', fault: 'heal', ms: 0 })
    server.tell({ kind: 'fault', fault: 'cut', ms: 0 })
    say('the trouble is over')
    const stored = emitted.filter(({ queue }) => queue !== liveOnlyQueue).map(({ key }) => key)
    const missing = async (): Promise<readonly string[]> => {
      const found = await readEvents(dir)
      return stored.filter((key) => !found.has(key))
    }
    const settle = async (): Promise<boolean> => {
      for (const end = Date.now() + patienceMs; Date.now() < end; await setTimeout(lookEveryMs)) {
        const left = (await missing()).length
        if (left === 0) return true
        say(`${left} events are still to come`)
      }
      return false
    }
    if (!(await settle()) && deeds.includes('stores nothing')) {
      await setTimeout(sweepAfterMs)
      server.tell({ kind: 'fault', fault: 'cut', ms: 0 })
      await settle()
    }
    // What comes twice may come late.
    await setTimeout(options.quietMs)
    await relay.end()
    return judged(emitted, await readEvents(dir), { unheard, failures, deeds, said })
  } finally {
    await relay.end()
    await server.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Of two organisations: completions and alerts, which may share a stream, and each other queue in one of its own. */
const streamsAtFirst = 6

interface Seen {
  readonly unheard: readonly Unheard[]
  readonly failures: readonly string[]
  readonly deeds: readonly string[]
  readonly said: Readonly<Record<string, number>>
}

const judged = (
  emitted: readonly Emitted[],
  found: ReadonlyMap<string, number>,
  { unheard, failures, deeds, said }: Seen,
): CollectRun => {
  const byKey = new Map(emitted.map((one) => [one.key, one]))
  const absent = emitted.filter(({ key }) => !found.has(key))
  const isThrownAway = ({ mishaps }: Emitted): boolean => mishaps.includes('overflow') || mishaps.includes('reorder')
  const isSaid = ({ key, at }: Emitted): boolean =>
    unheard.some(({ org, from, to }) => key.startsWith(`row ${org} `) && from <= at && at <= to)
  const isLiveOnly = ({ queue }: Emitted): boolean => queue === liveOnlyQueue
  // Rows without a natural key that the server sends twice cannot be told from two that are equal.
  const mayRepeat = ({ queue, mishaps }: Emitted): boolean =>
    (queue === customQueue || queue === liveOnlyQueue) && mishaps.includes('repeat')
  const lostLive = absent.filter(isLiveOnly)
  const unheardMs = unheard.reduce((sum, { from, to }) => sum + to - from, 0)
  return {
    lost: absent.filter((one) => !isLiveOnly(one)).map(({ key }) => key),
    invented: [...found.keys()].filter((key) => !byKey.has(key)),
    repeated: [...found].flatMap(([key, times]) => {
      const one = byKey.get(key)
      return times > 1 && one !== undefined && !mayRepeat(one) ? [`${key} ×${times}`] : []
    }),
    lostUnsaid: lostLive
      .filter((one) => !isSaid(one) && !isThrownAway(one))
      .map(({ key, at }) => `${key} at ${new Date(at).toISOString()}`),
    failures,
    deeds,
    facts: {
      emitted: emitted.length,
      stored: emitted.filter((one) => !isLiveOnly(one)).length,
      liveOnly: emitted.filter(isLiveOnly).length,
      liveOnlyLost: lostLive.length,
      unheardS: Math.round(unheardMs / 1000),
      away: said['source away'] ?? 0,
      repaired: said['gap repaired'] ?? 0,
      flowsWithoutEvent: said['flows without event'] ?? 0,
    },
  }
}
