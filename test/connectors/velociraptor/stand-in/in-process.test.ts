import { describe, expect, it } from 'vitest'
import { standInVelociraptor } from '../../../../connectors/velociraptor/stand-in/in-process.ts'
import { createWorld } from '../../../../connectors/velociraptor/stand-in/world.ts'
import { virtualClock } from '../../../../pipeline/runtime/virtual-clock.ts'
import { contractWorld, velociraptorContract } from '../../../contracts/velociraptor.contract.ts'

const t0 = Date.UTC(2026, 3, 22, 14, 42, 27)

velociraptorContract('the stand-in in the same process', () => {
  const world = createWorld(contractWorld)
  const clock = virtualClock(t0)
  const velociraptor = standInVelociraptor(world, { clock })
  return Promise.resolve({ velociraptor, world, clock, dispose: () => velociraptor.close() })
})

describe('the stand-in on a virtual clock', () => {
  it('sends nothing while it is subscribed to, and is busy only with what has an end', () => {
    const clock = virtualClock(t0)
    const velociraptor = standInVelociraptor(createWorld(contractWorld), { clock })
    const told: string[] = []
    velociraptor.query({ org: 'root', vql: 'SELECT 1 AS A FROM scope()' }).subscribe({
      next: (message) => told.push(message.kind),
      complete: () => told.push('complete'),
    })
    expect([told, velociraptor.isIdle()]).toEqual([[], false])
    clock.advanceTo(t0)
    expect([told, velociraptor.isIdle()]).toEqual([['log', 'log', 'rows', 'complete'], true])
    const stream = velociraptor.query({ org: 'root', vql: 'SELECT * FROM clock(period=2)' }).subscribe()
    expect(velociraptor.isIdle()).toBe(false)
    clock.advanceTo(t0)
    expect(velociraptor.isIdle()).toBe(true)
    stream.unsubscribe()
    expect(clock.next()).toBeUndefined()
  })

  it('is busy while a slow lookup is out', () => {
    const clock = virtualClock(t0)
    const world = createWorld(contractWorld)
    const velociraptor = standInVelociraptor(world, { clock })
    world.faults.lookupsSlow(40_000)
    let ended = false
    velociraptor.query({ org: 'root', vql: 'SELECT * FROM orgs()' }).subscribe({ complete: () => (ended = true) })
    clock.advanceTo(t0 + 39_999)
    expect([ended, velociraptor.isIdle()]).toEqual([false, false])
    clock.advanceTo(t0 + 40_000)
    expect([ended, velociraptor.isIdle()]).toEqual([true, true])
  })

  it('gives a lookup up when a frozen server lets it wait beyond its time', () => {
    const clock = virtualClock(t0)
    const world = createWorld(contractWorld)
    const velociraptor = standInVelociraptor(world, { clock })
    world.faults.freeze()
    const ends: unknown[] = []
    velociraptor
      .query({ org: 'root', vql: 'SELECT * FROM orgs()', timeoutS: 30 })
      .subscribe({ error: (error: { code: string }) => ends.push(error.code) })
    clock.advanceTo(t0 + 44_999)
    expect([ends, velociraptor.isIdle()]).toEqual([[], false])
    clock.advanceTo(t0 + 45_000)
    expect([ends, velociraptor.isIdle()]).toEqual([['VELOCIRAPTOR_UNAVAILABLE'], true])
    expect(clock.next()).toBeUndefined()
  })

  it('leaves nothing waiting on the clock when an idle stream has no rows held', () => {
    const clock = virtualClock(t0)
    const world = createWorld(contractWorld)
    const velociraptor = standInVelociraptor(world, { clock })
    velociraptor
      .query({ org: 'root', vql: "SELECT * FROM watch_monitoring(artifact='System.Flow.Completion')" })
      .subscribe()
    clock.advanceTo(t0)
    expect(clock.next()).toBeUndefined()
    world.emit('root', 'System.Flow.Completion', { ClientId: 'server' }, t0)
    expect(clock.next()).toBe(t0 + 1000)
  })
})
