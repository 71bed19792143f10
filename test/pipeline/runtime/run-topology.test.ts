import { NEVER, of, throwError } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { ConnectorError } from '../../../connectors/errors.ts'
import type { Task, Turn } from '../../../connectors/log/event-log.ts'
import { runTopology, type TaskWork, type TurnResult } from '../../../pipeline/runtime/run-topology.ts'
import { topics } from '../../../schemas/topics.ts'
import { openStageWorld, type Running, type StageWorld } from './stage-world.ts'

const input = topics.notices
const output = topics.receipts
const bytes = (text: string): Uint8Array => Buffer.from(text)
const put = (world: StageWorld, ...texts: readonly string[]): Promise<unknown> =>
  world.log.append(texts.map((text) => ({ topic: input.name, key: 'k', value: bytes(text) })))
const textOf = ({ value }: { value: Uint8Array }): string => Buffer.from(value).toString()
const copied = async (world: StageWorld): Promise<readonly string[]> => (await world.records(output)).map(textOf)

const copy = (turn: Turn, more: Partial<TurnResult> = {}): TurnResult => ({
  append: turn.records.map(({ key, value }) => ({ topic: output.name, key, value })),
  put: [],
  ...more,
})
const run = (world: StageWorld, work: Partial<TaskWork> = {}): Running & { readonly opened: () => number } => {
  let opened = 0
  const running = world.run(
    runTopology(world.log, { name: 'copy', inputs: [input.name] }, () => {
      opened += 1
      return { turn: (turn) => of(copy(turn)), ...work }
    }),
  )
  return { ...running, opened: () => opened }
}

describe('a running topology', () => {
  it('passes over a task that is lost while it is opened, and ends with any other failure', async () => {
    const world = openStageWorld()
    const failed = (isLost: boolean): unknown => {
      const controller = new AbortController()
      const task = { lost: controller.signal } as Task
      let failure: unknown
      runTopology({ ...world.log, tasks: () => of(task) }, { name: 'copy', inputs: [input.name] }, () => {
        if (isLost) controller.abort()
        throw new Error('its state cannot be read')
      }).subscribe({ error: (cause: unknown) => void (failure = cause) })
      return failure
    }
    expect(failed(true)).toBeUndefined()
    expect(failed(false)).toEqual(new Error('its state cannot be read'))
    await world.settle()
  })

  it('commits what each turn comes to, in order', async () => {
    const world = openStageWorld()
    run(world)
    await put(world, 'a', 'b')
    await world.settle()
    await put(world, 'c')
    await world.settle()
    expect(await copied(world)).toEqual(['a', 'b', 'c'])
  })

  it.each(['before', 'after'] as const)(
    'goes on with a new task when a commit is refused %s it stands, and does nothing twice',
    async (when) => {
      const world = openStageWorld()
      world.failCommits('copy', when)
      const running = run(world)
      await put(world, 'a')
      await world.settle()
      expect(running.opened()).toBe(1)
      await world.pass(10_000)
      await put(world, 'b')
      await world.pass(10_000)
      expect([await copied(world), running.opened(), running.failure()]).toEqual([['a', 'b'], 2, undefined])
      expect(world.saidOf('task reopened')).toHaveLength(1)
    },
  )

  it('calls afterwards when the commit stands, and otherwise when it does not', async () => {
    const world = openStageWorld()
    world.failCommits('copy', 'before')
    const called: string[] = []
    run(world, {
      turn: (turn) =>
        of(copy(turn, { afterwards: () => called.push('afterwards'), otherwise: () => called.push('otherwise') })),
    })
    await put(world, 'a')
    await world.settle()
    expect(called).toEqual(['otherwise'])
    await world.pass(10_000)
    expect(called).toEqual(['otherwise', 'afterwards'])
  })

  it('calls afterwards also when it was stopped while the commit was under way', async () => {
    const world = openStageWorld()
    const called: string[] = []
    const running = run(world, {
      turn: (turn) => {
        // The commit is asked for in the microtasks to come, and written in the next turn of the event loop.
        void stopAfterMicrotasks(20)
        return of(
          copy(turn, { afterwards: () => called.push('afterwards'), otherwise: () => called.push('otherwise') }),
        )
      },
    })
    const stopAfterMicrotasks = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n++) await Promise.resolve()
      running.stop()
    }
    await put(world, 'a')
    await world.settle()
    expect([called, await copied(world)]).toEqual([['afterwards'], ['a']])
  })

  it('calls otherwise when it was stopped while the turn thought', async () => {
    const world = openStageWorld()
    const thought = Promise.withResolvers<void>()
    const called: string[] = []
    const running = run(world, {
      turn: async (turn) => {
        await thought.promise
        return copy(turn, { afterwards: () => called.push('afterwards'), otherwise: () => called.push('otherwise') })
      },
    })
    await put(world, 'a')
    await world.settle()
    running.stop()
    thought.resolve()
    await world.settle()
    expect([called, await copied(world)]).toEqual([['otherwise'], []])
  })

  it('ends with a defect of a turn, and the log still has the record', async () => {
    const world = openStageWorld()
    const running = run(world, { turn: () => throwError(() => new Error('a defect')) })
    await put(world, 'a')
    await world.settle()
    expect(running.failure()).toEqual(new Error('a defect'))
    run(world)
    await world.settle()
    expect(await copied(world)).toEqual(['a'])
  })

  it('ends with what a connector denied beside the turns', async () => {
    const world = openStageWorld()
    const running = run(world, { beside: throwError(() => new ConnectorError('VELOCIRAPTOR_DENIED', 'no')) })
    await world.settle()
    expect(running.failure()).toMatchObject({ code: 'VELOCIRAPTOR_DENIED' })
  })

  it('ends with a defect that opening a task shows', async () => {
    const world = openStageWorld()
    const stage = runTopology(world.log, { name: 'copy', inputs: [input.name] }, () => {
      throw new Error('a defect')
    })
    const running = world.run(stage)
    await world.settle()
    expect(running.failure()).toEqual(new Error('a defect'))
  })

  it('passes over what a lost task could not finish', async () => {
    const world = openStageWorld()
    const thought = Promise.withResolvers<never>()
    const running = run(world, { turn: () => thought.promise, beside: NEVER })
    await put(world, 'a')
    await world.settle()
    await world.log.close()
    thought.reject(new Error('void with its task'))
    await world.settle()
    expect(running.failure()).toBeUndefined()
  })

  it('refuses a second run of the same tasks', async () => {
    const world = openStageWorld()
    run(world)
    const second = run(world)
    await world.settle()
    expect(second.failure()).toMatchObject({ code: 'LOG_DENIED' })
  })
})
