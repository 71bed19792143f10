import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Turn } from '../../../connectors/log/event-log.ts'
import { openMemoryLog, type MemoryLog } from '../../../connectors/log/memory-log.ts'
import { virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'
import { bytes, listen, pass, quiet, range, readAll, record, texts, type Heard } from './log-world.ts'

const partitions = 2
const most = 3
const topology = { name: 'worker', inputs: ['in'], mostRecords: most }

const partition = fc.nat({ max: partitions - 1 })
const put = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'é', '\u{1F600}', '￿'), fc.option(fc.string())), {
  maxLength: 3,
})

const commands = fc.array(
  fc.oneof(
    fc.record({ deed: fc.constant('append' as const), partition, count: fc.integer({ min: 1, max: 5 }) }),
    fc.record({
      deed: fc.constant('commit' as const),
      partition,
      put,
      outputs: fc.nat({ max: 2 }),
      befalls: fc.constantFrom(
        undefined,
        undefined,
        undefined,
        'before' as const,
        'after' as const,
        'leave' as const,
        'close' as const,
      ),
    }),
    fc.record({ deed: fc.constant('wake' as const), partition, wait: fc.nat({ max: 50 }) }),
    fc.record({ deed: fc.constant('leave' as const) }),
    fc.record({ deed: fc.constant('close' as const) }),
    fc.record({ deed: fc.constant('pass' as const), ms: fc.nat({ max: 100 }) }),
  ),
  { maxLength: 40, size: 'max' },
)

type Command = (typeof commands extends fc.Arbitrary<infer C> ? C : never)[number]
type CommitCommand = Extract<Command, { deed: 'commit' }>

interface ModelPartition {
  readonly in: string[]
  readonly out: string[]
  readonly state: Map<string, string>
  position: number
}

const openWorld = () => {
  const clock = virtualClock(1_700_000_000_000)
  let fault: 'before' | 'after' | undefined
  const commitFault = (): 'before' | 'after' | undefined => {
    const present = fault
    fault = undefined
    return present
  }
  let log: MemoryLog = openMemoryLog({
    topics: [{ name: 'in' }, { name: 'out' }],
    partitions,
    clock,
    tell: () => undefined,
    commitFault,
  })
  let heard: Heard = listen(log, topology)
  const model = range(partitions).map((): ModelPartition => ({ in: [], out: [], state: new Map(), position: 0 }))
  const of = (index: number): ModelPartition => model[index] as ModelPartition
  const ended = new Set<Turn>()
  let written = 0

  const openTurn = (index: number): Turn | undefined => {
    const last = heard.turns.filter(({ task }) => task.partition === index && !task.lost.aborted).at(-1)?.turn
    return last === undefined || ended.has(last) ? undefined : last
  }
  const listenAgain = (): void => void (heard = listen(log, topology))
  const leave = (): void => {
    heard.subscription.unsubscribe()
    listenAgain()
  }
  const close = async (): Promise<void> => {
    await log.close()
    log = log.reopened()
    listenAgain()
  }

  const commit = async ({ partition: index, put: entries, outputs, befalls }: CommitCommand): Promise<void> => {
    const turn = openTurn(index)
    if (turn === undefined) return
    const { in: input, position, out, state } = of(index)
    expect(texts(turn.records)).toEqual(input.slice(position, position + turn.records.length))
    const made = range(outputs).map(() => `${written++}`)
    if (befalls === 'before' || befalls === 'after') fault = befalls
    const step = {
      append: made.map((text) => record('out', text, index)),
      put: entries.map(([key, value]) => [key, value === null ? null : bytes(value)] as const),
    }
    ended.add(turn)
    const committing = Promise.allSettled([turn.commit(step)])
    if (befalls === 'leave') leave()
    if (befalls === 'close') await close()
    const [{ status }] = await committing
    expect(status).toBe(befalls === 'before' || befalls === 'after' ? 'rejected' : 'fulfilled')
    if (befalls === 'before') return
    of(index).position += turn.records.length
    out.push(...made)
    for (const [key, value] of entries) {
      if (value === null) state.delete(key)
      else state.set(key, value)
    }
  }

  const run = async (command: Command): Promise<void> => {
    if (command.deed === 'append') {
      const made = range(command.count).map(() => `${written++}`)
      of(command.partition).in.push(...made)
      await log.append(made.map((text) => record('in', text, command.partition)))
    } else if (command.deed === 'commit') await commit(command)
    else if (command.deed === 'wake')
      heard.tasks
        .filter((task) => task.partition === command.partition)
        .at(-1)
        ?.wake(clock.now() + command.wait)
    else if (command.deed === 'leave') leave()
    else if (command.deed === 'close') await close()
    else await pass(clock, command.ms)
    await quiet()
  }

  const check = async (): Promise<void> => {
    // A task that failed is back within its first waits.
    if (heard.tasks.filter(({ lost }) => !lost.aborted).length < partitions) await pass(clock, 6000)
    const living = heard.tasks.filter(({ lost }) => !lost.aborted)
    expect(living.map(({ partition: index }) => index).toSorted((a, b) => a - b)).toEqual(range(partitions))
    for (const { partition: index, state } of living) {
      const { in: input, out, position, state: expected } = of(index)
      const entries = [...state.range('', '\u{10FFFF}')].map(([key, value]) => [key, new TextDecoder().decode(value)])
      const byBytes = [...expected].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      expect(entries).toEqual(byBytes)
      expect(texts(await readAll(log, { topic: 'out', partition: index }))).toEqual(out)
      expect(texts(await readAll(log, { topic: 'in', partition: index }))).toEqual(input)
      await quiet()
      if (position < input.length) expect(openTurn(index), 'a turn is open while records wait').toBeDefined()
      const records = openTurn(index)?.records ?? []
      expect(texts(records)).toEqual(input.slice(position, position + records.length))
      expect(records.length).toBeLessThanOrEqual(most)
    }
  }
  return { run, check, dispose: () => log.close() }
}

it('the log in memory does what arrays and maps would, whatever happens in whatever order', async () => {
  await fc.assert(
    fc.asyncProperty(commands, async (list) => {
      const world = openWorld()
      for (const command of list) {
        await world.run(command)
        await world.check()
      }
      await world.dispose()
    }),
    { numRuns: 120 },
  )
}, 60_000)
