import { firstValueFrom } from 'rxjs'
import { describe, expect, it } from 'vitest'
import type { Task, Turn } from '../../../connectors/log/event-log.ts'
import { type Lane, type LogWatch, watchLog } from '../../../pipeline/observing/watch-log.ts'
import { topics } from '../../../schemas/topics.ts'
import { openStageWorld, type StageWorld } from '../runtime/stage-world.ts'

const topic = topics.notices.name
const inputs = [topic]
const nothing = { append: [], put: [] }

interface Watched {
  readonly world: StageWorld
  readonly watch: LogWatch
  readonly done: (readonly [Lane, number])[]
  readonly lost: string[]
}
const open = (): Watched => {
  const world = openStageWorld()
  const done: (readonly [Lane, number])[] = []
  const lost: string[] = []
  const watch = watchLog({
    log: world.log,
    clock: world.clock,
    onDone: (lane, records) => done.push([lane, records]),
    onLost: (stage, partition) => lost.push(`${stage} ${partition}`),
  })
  return { world, watch, done, lost }
}
const append = (world: StageWorld, count: number): Promise<unknown> =>
  world.log.append(Array.from({ length: count }, () => ({ topic, key: 'k', value: new Uint8Array(1) })))

/** A reader whose turns the test ends. */
const read = ({ watch }: Watched): { readonly turns: Turn[]; leave(): void } => {
  const turns: Turn[] = []
  const subscription = watch.log
    .tasks({ name: 'reader', inputs, mostRecords: 2 })
    .subscribe((task: Task) => task.turns.subscribe((turn) => turns.push(turn)))
  return { turns, leave: () => subscription.unsubscribe() }
}

describe('a watched log', () => {
  it('says how long the oldest record in hand has waited, until its turn is committed', async () => {
    const watched = open()
    const { world, watch, done } = watched
    const { turns } = read(watched)
    const lag = (): number | undefined => watch.lags()[0]?.lagMs
    await world.settle()
    expect(watch.lags()).toEqual([{ stage: 'reader', topic, partition: 0, lagMs: 0 }])
    await append(world, 3)
    await world.pass(90_000)
    expect(lag()).toBe(90_000)
    await turns[0]?.commit(nothing)
    expect(done.map(([{ stage, partition }, records]) => [stage, partition, records])).toEqual([['reader', 0, 2]])
    // Between its turns it is no less behind.
    expect(lag()).toBe(90_000)
    await world.settle()
    await turns[1]?.commit(nothing)
    await world.pass(2000)
    expect(lag()).toBe(0)
  })

  it('knows which tasks are held, and forgets those that are lost', async () => {
    const watched = open()
    const { world, watch, lost } = watched
    const reader = read(watched)
    await world.settle()
    expect([...watch.held()]).toEqual([['reader', 1]])
    reader.leave()
    expect([[...watch.held()], watch.lags(), lost]).toEqual([[], [], ['reader 0']])
  })

  it('is the same log to whom uses it', async () => {
    const { world, watch } = open()
    await append(world, 1)
    const records: unknown[] = []
    for await (const page of watch.log.read({ topic, partition: 0 })) records.push(...page)
    expect([records.length, watch.log.partitions]).toEqual([1, 1])
    const task = await firstValueFrom(watch.log.tasks({ name: 'waker', inputs: [], slots: 1 }))
    expect([task.topology, task.partition, task.lost.aborted, task.state.get('x')]).toEqual([
      'waker',
      0,
      true,
      undefined,
    ])
    await watch.log.close()
    await expect(watch.log.append([])).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
