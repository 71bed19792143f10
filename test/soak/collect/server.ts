/**
 * A process of `soak:collect-processes`, forked with a directory and a seed: the stand-in server over gRPC. It emits when it is told to, its
 * faults come by command, and it says what it emitted.
 */
import { startStandIn } from '../../../connectors/velociraptor/stand-in/server.ts'
import { createWorld } from '../../../connectors/velociraptor/stand-in/world.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { seededRandom } from '../../../pipeline/scenarios/seeded-random.ts'
import { alerts, flowCompletions } from '../../../pipeline/sources/queue-source.ts'
import type { Clock } from '../../../schemas/time.ts'
import { customQueue, type Emitted, type FaultName, liveOnlyQueue, type Said, type Told } from './names.ts'

/** The organisation that is made while the relay runs. */
const lateOrg = 'O2'

const minute = 60_000
const clients = ['C.1111111111111111', 'C.2222222222222222', 'C.3333333333333333', 'server']
const orgs = ['root', 'O1']

const [dir = '', seed = '1'] = process.argv.slice(2)
const random = seededRandom(Number(seed))
const below = (most: number): number => Math.floor(random() * most)
const some = <T>(list: readonly T[]): T => list[below(list.length)] as T
const machine = systemClock()
let ahead = 0
const clock: Clock = { now: () => machine.now() + ahead, at: (at, call) => machine.at(at - ahead, call) }

const custom = (org: string) => ({ org, name: customQueue, type: 'CLIENT_EVENT', sources: [{ name: '' }] })
const clientsOf = (org: string) =>
  clients.filter((id) => id !== 'server').map((client_id) => ({ org, client_id, last_seen_at: clock.now() * 1000 }))
const world = createWorld({
  now: clock.now(),
  orgs: [{ id: 'O1', name: 'Lab' }],
  clients: orgs.flatMap(clientsOf),
  artifacts: orgs.map(custom),
})
world.readDelayMs = below(3) * 1000
world.keepsUnderServer = random() < 0.3
const server = await startStandIn({ world, clock, dir, port: 0 })
const emitted: Emitted[] = []
const mishapEnds = new Map<FaultName, number>()

const span = (ms: number): { readonly untilMs: number } => ({ untilMs: clock.now() + ms })
const faults: Readonly<Record<FaultName, (ms: number) => void>> = {
  cut: () => world.faults.cut(),
  freeze: (ms) => {
    world.faults.freeze()
    machine.at(machine.now() + ms, () => world.faults.thaw())
  },
  'half-open': () => world.faults.halfOpen(),
  restart: (ms) => world.faults.restart(span(ms)),
  overflow: (ms) => world.faults.overflow(span(ms)),
  spill: (ms) => world.faults.spill(span(ms)),
  reorder: (ms) => world.faults.reorder(span(ms)),
  repeat: (ms) => world.faults.repeat(span(ms)),
  'lookups fail': (ms) => world.faults.lookupsFail(span(ms)),
  'lookups slow': (ms) => world.faults.lookupsSlow(ms / 5, span(ms)),
  'stores nothing': (ms) => world.faults.storeNothing(span(ms)),
  'clock steps': (ms) => {
    ahead += ms
    world.faults.cut()
  },
  'event table changed': (ms) => world.faults.eventTableChanged(span(ms)),
  'permission revoked': (ms) => {
    const org = some(orgs)
    world.faults.revoke(org, 'ANY_QUERY')
    machine.at(machine.now() + ms, () => world.faults.grant(org, 'ANY_QUERY'))
  },
  'artifact deleted': (ms) => {
    const org = some(orgs)
    world.faults.deleteArtifact(org, customQueue)
    machine.at(machine.now() + ms, () => world.set({ artifacts: [custom(org)] }))
  },
  'organisation made': () => {
    world.set({ orgs: [{ id: lateOrg, name: 'Late' }], artifacts: [custom(lateOrg)], clients: clientsOf(lateOrg) })
    if (!orgs.includes(lateOrg)) orgs.push(lateOrg)
  },
  heal: () => world.faults.heal(),
}

const emit = (n: number): void => {
  const org = some(orgs)
  const client = some(clients)
  const at = clock.now()
  const second = Math.floor(at / 1000)
  const mishaps = [...mishapEnds].flatMap(([name, end]) => (machine.now() <= end ? [name] : []))
  const note = (queue: string, key: string): void => void emitted.push({ queue, key, at, mishaps })
  const kind = random()
  if (client !== 'server') world.set({ clients: [{ org, client_id: client, last_seen_at: at * 1000 }] })
  if (kind < 0.3) {
    const name = `alert ${n}`
    note(alerts.queue, `alert ${org} ${name}`)
    const timestamp = new Date(at).toISOString().replace('Z', `${String(1 + (n % 999_000)).padStart(6, '0')}Z`)
    world.emit(org, alerts.queue, JSON.stringify({ client_id: client, name, timestamp, event_data: { n } }), at)
  } else if (kind < 0.7) {
    const flow = `F.N${n}`
    note(flowCompletions.queue, `flow ${org} ${client} ${flow}`)
    const times = { create_time: (at - minute) * 1000, start_time: (at - minute) * 1000, active_time: at * 1000 }
    world.set({ flows: [{ org, client_id: client, session_id: flow, ...times, request: { artifacts: ['A'] } }] })
    world.emit(org, flowCompletions.queue, { ClientId: client, FlowId: flow, Timestamp: second }, at)
  } else {
    const queue = kind < 0.9 ? customQueue : liveOnlyQueue
    note(queue, `row ${org} ${queue} ${n}`)
    world.emit(org, queue, { ClientId: client, N: n, When: new Date(at).toISOString() }, at)
  }
}

const emitAll = ({ events, overMs }: { readonly events: number; readonly overMs: number }): void => {
  const begun = machine.now()
  for (let n = 0; n < events; n++)
    machine.at(begun + random() * overMs, () => {
      emit(n)
      if (emitted.length === events) say({ kind: 'emitted', events: emitted })
    })
}

const say = (said: Said): void => void process.send?.(said)
process.on('message', (told: Told) => {
  if (told.kind === 'emit') return emitAll(told)
  mishapEnds.set(told.fault, machine.now() + told.ms)
  faults[told.fault](told.ms)
})
process.on('disconnect', () => void server.close().then(() => process.exit()))
say({ kind: 'open', apiConfig: server.apiConfig })
