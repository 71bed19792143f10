import { beforeEach, describe, expect, it } from 'vitest'
import { standInVelociraptor } from '../../../../connectors/velociraptor/stand-in/in-process.ts'
import { createWorld, type StandInWorld } from '../../../../connectors/velociraptor/stand-in/world.ts'
import { serverHistoryQuery } from '../../../../connectors/velociraptor/history-query.ts'
import type { QueryMessage, Velociraptor } from '../../../../connectors/velociraptor/velociraptor.ts'
import { watchQuery } from '../../../../connectors/velociraptor/watch-query.ts'
import { type VirtualClock, virtualClock } from '../../../../pipeline/runtime/virtual-clock.ts'

const t0 = Date.UTC(2026, 3, 22)
const queue = 'Server.Internal.Alerts'

let clock: VirtualClock
let world: StandInWorld
let velociraptor: Velociraptor
beforeEach(() => {
  clock = virtualClock(t0)
  world = createWorld({ now: t0 })
  velociraptor = standInVelociraptor(world, { clock })
})

interface Watching {
  readonly names: readonly string[]
  readonly beats: () => number
  readonly texts: readonly string[]
  readonly failure: () => unknown
}

const watch = (): Watching => {
  const [names, texts]: [string[], string[]] = [[], []]
  let beats = 0
  let failure: unknown
  const take = (message: QueryMessage): void => {
    if (message.kind === 'log') return
    for (const text of message.rows) {
      const row = JSON.parse(text) as { name?: string; _Beat?: number }
      if (row._Beat !== undefined) beats++
      if (row.name === undefined) continue
      names.push(row.name)
      texts.push(text)
    }
  }
  velociraptor
    .query({ org: 'root', ...watchQuery([queue]) })
    .subscribe({ next: take, error: (cause: unknown) => (failure = cause) })
  clock.advanceTo(clock.now() + 10)
  return { names, texts, beats: () => beats, failure: () => failure }
}
const emit = (...names: readonly string[]): void => {
  for (const name of names) world.emit('root', queue, { name, timestamp: '2026-04-22T00:00:00.100+02:00' }, clock.now())
  clock.advanceTo(clock.now() + 1500)
}
const stored = (of = queue, column = 'name'): readonly string[] => {
  const names: string[] = []
  const query = serverHistoryQuery({ queue: of, fromMs: t0 - 1000 })
  velociraptor.query({ org: 'root', ...query, timeoutS: 60 }).subscribe((message) => {
    if (message.kind === 'rows')
      names.push(...message.rows.map((text) => String((JSON.parse(text) as Record<string, unknown>)[column])))
  })
  clock.advanceTo(clock.now() + 10)
  return names
}

describe('a fault of the stand-in server', () => {
  it('overflow: live rows are missing without a word, and stored', () => {
    const watching = watch()
    world.faults.overflow({ times: 1 })
    emit('a', 'b')
    expect([watching.names, stored(), watching.failure()]).toEqual([['b'], ['a', 'b'], undefined])
  })

  it('store nothing: completions come live and cannot be read back, other rows can', () => {
    const completions = 'System.Flow.Completion'
    const watching = watch()
    world.faults.storeNothing({ untilMs: t0 + 1000 })
    world.emit('root', completions, { ClientId: 'server', FlowId: 'F.1' }, clock.now())
    emit('a')
    world.emit('root', completions, { ClientId: 'server', FlowId: 'F.2' }, clock.now())
    expect([watching.names, stored()]).toEqual([['a'], ['a']])
    expect(stored(completions, 'FlowId')).toEqual(['F.2'])
  })

  it('the older layout: completions of clients are stored under the server, and rows have no source', () => {
    const completions = 'System.Flow.Completion'
    world.keepsUnderServer = true
    world.emit('root', completions, { ClientId: 'C.1', FlowId: 'F.1' }, clock.now())
    expect(stored(completions, 'FlowId')).toEqual(['F.1'])
    expect(stored(completions, '_Source')).toEqual(['undefined'])
    world.keepsUnderServer = false
    world.emit('root', completions, { ClientId: 'C.1', FlowId: 'F.2' }, clock.now())
    expect(stored(completions, 'FlowId')).toEqual(['F.1'])
  })

  it('repeat: a live row comes twice, and is stored once', () => {
    const watching = watch()
    world.faults.repeat({ times: 1 })
    emit('a', 'b')
    expect([watching.names, stored()]).toEqual([
      ['a', 'a', 'b'],
      ['a', 'b'],
    ])
  })

  it('reorder: a live row is overtaken by the next, and the last one comes when all is well', () => {
    const watching = watch()
    world.faults.reorder()
    emit('a', 'b', 'c')
    expect(watching.names).toEqual(['b', 'a'])
    world.faults.heal()
    clock.advanceTo(clock.now() + 1500)
    expect([watching.names, stored()]).toEqual([
      ['b', 'a', 'c'],
      ['a', 'b', 'c'],
    ])
  })

  it('spill: what looks like a time comes in UTC', () => {
    const watching = watch()
    emit('a')
    world.faults.spill()
    emit('b')
    expect(watching.texts.map((text) => (JSON.parse(text) as { timestamp: string }).timestamp)).toEqual([
      '2026-04-22T00:00:00.100+02:00',
      '2026-04-21T22:00:00.1Z',
    ])
  })

  it('event table changed: server event artifacts see nothing for a span; streams of clients, and what others do, go on', () => {
    const custom = 'Custom.Server.Watch'
    world.set({ artifacts: [{ name: custom, type: 'SERVER_EVENT' }] })
    const watching = watch()
    const alert = (name: string, artifact_type: string): void =>
      world.emit('root', queue, { name, artifact_type, client_id: 'server' }, clock.now())
    world.faults.eventTableChanged({ untilMs: clock.now() + 5000 })
    alert('missed', 'SERVER_MONITORING')
    world.emit('root', custom, { N: 1 }, clock.now())
    alert('of a client', 'CLIENT_EVENT')
    clock.advanceTo(clock.now() + 5000)
    alert('again', 'SERVER_MONITORING')
    world.emit('root', custom, { N: 2 }, clock.now())
    clock.advanceTo(clock.now() + 1500)
    expect([watching.names, stored(), stored(custom, 'N'), watching.failure()]).toEqual([
      ['of a client', 'again'],
      ['of a client', 'again'],
      ['2'],
      undefined,
    ])
  })

  it('half-open: a stream says nothing any more and does not end, another lives', () => {
    const dead = watch()
    emit('a')
    world.faults.halfOpen()
    const before = dead.beats()
    const alive = watch()
    emit('b')
    clock.advanceTo(clock.now() + 60_000)
    expect([dead.names, dead.beats() - before, dead.failure()]).toEqual([['a'], 0, undefined])
    expect(alive.names).toEqual(['b'])
  })

  it('restart: streams break off, what waited for its place is lost, and for a span nobody is served', () => {
    const watching = watch()
    world.faults.reorder({ times: 1 })
    emit('a')
    world.faults.restart({ untilMs: clock.now() + 5000 })
    clock.advanceTo(clock.now() + 10)
    expect(watching.failure()).toMatchObject({ code: 'VELOCIRAPTOR_UNAVAILABLE' })
    expect(watch().failure()).toMatchObject({ code: 'VELOCIRAPTOR_UNAVAILABLE' })
    clock.advanceTo(clock.now() + 5000)
    const again = watch()
    emit('b')
    expect([watching.names, again.names, stored()]).toEqual([[], ['b'], ['a', 'b']])
  })
})
