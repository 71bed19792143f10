import { setImmediate } from 'node:timers/promises'
import { Subscription } from 'rxjs'
import { openMemoryLog } from '../../connectors/log/memory-log.ts'
import { standInVelociraptor } from '../../connectors/velociraptor/stand-in/in-process.ts'
import { createWorld, type StandInWorld } from '../../connectors/velociraptor/stand-in/world.ts'
import { collect } from '../../pipeline/collect.ts'
import { enrich } from '../../pipeline/enrich.ts'
import { virtualClock } from '../../pipeline/runtime/virtual-clock.ts'
import { seededRandom } from '../../pipeline/scenarios/seeded-random.ts'
import { alerts, flowCompletions } from '../../pipeline/sources/queue-source.ts'
import { decode } from '../../schemas/codec.ts'
import type { Happening } from '../../schemas/happenings.ts'
import type { Clock } from '../../schemas/time.ts'
import { allTopics, topics } from '../../schemas/topics.ts'
import { of } from 'rxjs'

/** What came of one run: what the server emitted, and what the log has of it after enrich. */
export interface Simulated {
  readonly emitted: number
  /** Each with its seed's story: empty when all went well. */
  readonly lost: readonly string[]
  readonly invented: readonly string[]
  readonly repeated: readonly string[]
  /** What ended a stage by itself; null: nothing. */
  readonly failure: unknown
  /** What went wrong on purpose, in order. */
  readonly faults: readonly string[]
  readonly repaired: number
  readonly swept: number
}

const t0 = Date.UTC(2026, 3, 22, 14, 42, 27)
const minute = 60_000
const eventsEach = 40
/** Faults and events come in this time, then nothing but time passes. */
const busyMs = 8 * minute
/** Longer than a quarter of an hour and what a look takes, or than an hour when flows may have ended without an event. */
const quietMs = 17 * minute
const quietForSweepMs = 78 * minute
/** A server's clock goes wrong by less than what is read again at each reconnect. */
const mostStepMs = 2 * minute
/** Before any time that a clock set back may show: what lies before the first beginning is not asked for. */
const since = t0 - 10 * minute
const clients = ['C.1111111111111111', 'C.2222222222222222', 'C.3333333333333333']
const orgsAtFirst = ['root', 'O1']
const lateOrg = 'O2'

interface Deed {
  readonly at: number
  readonly what: string
  readonly run: () => void | Promise<void>
}

/** One run of collect and enrich against the stand-in, with faults on both sides; the same seed gives the same run. */
export const simulateCollect = async (seed: number): Promise<Simulated> => {
  const random = seededRandom(seed)
  const below = (most: number): number => Math.floor(random() * most)
  const clock = virtualClock(t0)
  const told: Happening[] = []
  const tell = (happening: Happening): void => void told.push(happening)
  const mayStoreNothing = random() < 0.2
  let step = 0
  const serverClock: Clock = { now: () => clock.now() + step, at: (at, call) => clock.at(at - step, call) }
  const world = worldOf()
  world.readDelayMs = below(5) * 1000
  world.keepsUnderServer = random() < 0.3
  let isCommitting = true
  const commitFault = (): 'before' | 'after' | undefined =>
    isCommitting || random() >= 0.02 ? undefined : random() < 0.5 ? 'before' : 'after'
  let log = openMemoryLog({ topics: allTopics, partitions: 2, clock, tell, commitFault })
  const velociraptor = standInVelociraptor(world, { clock: serverClock })
  let failure: unknown = null
  let running = new Subscription()
  let isFirst = true
  const start = (): void => {
    running = new Subscription()
    const common = { log, velociraptor, clock, random, tell, orgs: ['*'] }
    const sources = of([alerts, flowCompletions])
    const error = (cause: unknown): void => {
      failure ??= cause
    }
    running.add(collect({ ...common, sources, since: isFirst ? since : null }).subscribe({ error }))
    isFirst = false
    running.add(enrich(common).subscribe({ error }))
  }
  const settle = async (): Promise<void> => {
    for (let round = 0, idle = 0; round < 60 && idle < 3; round++) {
      await setImmediate()
      idle = log.isIdle() ? idle + 1 : 0
    }
  }
  const passTo = async (end: number): Promise<void> => {
    for (let next = clock.next(); next !== undefined && next <= end; next = clock.next()) {
      clock.advanceTo(next)
      await settle()
    }
    clock.advanceTo(end)
    await settle()
  }

  const orgs = [...orgsAtFirst]
  const emitted = new Map<string, string>()
  const emit = (n: number): void => {
    const org = orgs[below(orgs.length)] as string
    const client = [...clients, 'server'][below(clients.length + 1)] as string
    const at = serverClock.now()
    const second = Math.floor(at / 1000)
    if (random() < 0.5) {
      const name = `alert ${n}`
      emitted.set(`alert ${org} ${name}`, name)
      const row = { client_id: client, name, timestamp: moment(at, n), event_data: { n } }
      world.emit(org, alerts.queue, JSON.stringify({ ...row, _ts: second }), at)
      return
    }
    const flow = `F.${seed}N${n}`
    emitted.set(`flow ${org} ${client} ${flow}`, flow)
    const times = { create_time: (at - minute) * 1000, start_time: (at - minute) * 1000, active_time: at * 1000 }
    world.set({ flows: [{ org, client_id: client, session_id: flow, ...times, request: { artifacts: ['A'] } }] })
    if (client !== 'server') world.set({ clients: [{ org, client_id: client, last_seen_at: at * 1000 }] })
    world.emit(org, flowCompletions.queue, { ClientId: client, FlowId: flow, Timestamp: second }, at)
  }

  const makeOrg = (): void => {
    world.set({ orgs: [{ id: lateOrg, name: 'Late' }] })
    orgs.push(lateOrg)
  }

  const faults: string[] = []
  const restart = async (): Promise<void> => {
    running.unsubscribe()
    await log.close()
    log = log.reopened()
  }
  const until = (): { untilMs: number } => ({ untilMs: serverClock.now() + below(90_000) })
  const kinds: Readonly<Record<string, () => void | Promise<void>>> = {
    cut: () => world.faults.cut(),
    freeze: () => {
      world.faults.freeze()
      clock.at(clock.now() + below(30_000), () => world.faults.thaw())
    },
    'half-open': () => world.faults.halfOpen(),
    refuse: () => world.faults.refuse(until()),
    restart: () => world.faults.restart(),
    'spill overflow': () => world.faults.overflow(until()),
    spill: () => world.faults.spill(until()),
    reorder: () => world.faults.reorder(until()),
    repeat: () => world.faults.repeat(until()),
    'lookups fail': () => world.faults.lookupsFail(until()),
    'lookups slow': () => world.faults.lookupsSlow(below(20_000), until()),
    'clock step': () => {
      step = Math.max(-mostStepMs, Math.min(mostStepMs, step + below(120_000) - 60_000))
      world.faults.cut()
    },
    'relay killed': async () => {
      const downMs = below(90_000)
      if (running.closed) return
      await restart()
      clock.at(clock.now() + downMs, start)
    },
    ...(mayStoreNothing ? { 'stores nothing': () => world.faults.storeNothing(until()) } : {}),
  }
  const names = Object.keys(kinds)

  start()
  await passTo(t0 + 20_000)
  isCommitting = false
  const begin = clock.now()
  const deeds: Deed[] = Array.from({ length: eventsEach }, (_, n) => ({
    at: begin + below(busyMs),
    what: '',
    run: () => emit(n),
  }))
  deeds.push({ at: begin + below(busyMs), what: 'organisation made', run: makeOrg })
  for (let n = 0; n < 6; n++) {
    const what = names[below(names.length)] as string
    deeds.push({ at: begin + below(busyMs), what, run: kinds[what] as () => void })
  }
  for (const { at, what, run } of deeds.toSorted((a, b) => a.at - b.at)) {
    await passTo(at)
    if (what !== '') faults.push(`${Math.round((at - begin) / 1000)}s ${what}`)
    await run()
  }
  await passTo(begin + busyMs + 2 * minute)
  isCommitting = true
  world.faults.heal()
  const isMute = faults.some((fault) => fault.endsWith('stores nothing'))
  await passTo(clock.now() + (isMute ? quietForSweepMs : quietMs))

  const found = new Map<string, number>()
  for (let partition = 0; partition < 2; partition++) {
    for await (const records of log.read({ topic: topics.flowEvents.name, partition }))
      for (const { value } of records) {
        const { org, client, flow } = decode('FlowEvent', value)
        count(found, `flow ${org} ${client.id} ${flow.id}`)
      }
    for await (const records of log.read({ topic: topics.alertEvents.name, partition }))
      for (const { value } of records) {
        const { org, name } = decode('AlertEvent', value)
        count(found, `alert ${org} ${name}`)
      }
  }
  running.unsubscribe()
  await log.close()
  await velociraptor.close()
  const sum = (name: Happening['name']): number =>
    told.filter((happening) => happening.name === name).reduce((rows, one) => rows + Number(one['rows']), 0)
  return {
    emitted: emitted.size,
    lost: [...emitted.keys()].filter((key) => !found.has(key)),
    invented: [...found.keys()].filter((key) => !emitted.has(key)),
    repeated: [...found].filter(([, times]) => times > 1).map(([key, times]) => `${key} ×${times}`),
    failure,
    faults,
    repaired: sum('gap repaired'),
    swept: sum('flows without event'),
  }
}

const count = (map: Map<string, number>, key: string): void => void map.set(key, (map.get(key) ?? 0) + 1)

/** A time to the nanosecond, as the server writes them: no two alike. */
const moment = (at: number, n: number): string =>
  new Date(at).toISOString().replace('Z', `${String(1 + n).padStart(6, '0')}Z`)

const worldOf = (): StandInWorld =>
  createWorld({
    now: t0,
    orgs: [{ id: 'O1', name: 'Lab' }],
    clients: orgsAtFirst.flatMap((org) => clients.map((client_id) => ({ org, client_id }))),
  })
