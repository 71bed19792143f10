import type { Subscription } from 'rxjs'
import { setImmediate } from 'node:timers/promises'
import { expect } from 'vitest'
import type { EventLog, LogRecord, NewRecord, Range, Task, Topology, Turn } from '../../../connectors/log/event-log.ts'
import type { VirtualClock } from '../../../pipeline/runtime/virtual-clock.ts'

/** Waits for something to become true, looking each turn of the event loop. */
export const until = async <T>(find: () => T | undefined | false, what: string, patience = 5000): Promise<T> => {
  const deadline = performance.now() + patience
  for (;;) {
    const found = find()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`missing after ${patience} ms: ${what}`)
    await setImmediate()
  }
}

/** Some turns of the event loop, in which what is ready happens. */
export const quiet = async (): Promise<void> => {
  for (let round = 0; round < 5; round++) await setImmediate()
}

/** Moves a clock step by step, and lets happen what becomes due. */
export const pass = async (clock: VirtualClock, ms: number): Promise<void> => {
  const end = clock.now() + ms
  await quiet()
  for (let next = clock.next(); next !== undefined && next <= end; next = clock.next()) {
    clock.advanceTo(next)
    await quiet()
  }
  clock.advanceTo(end)
  await quiet()
}

export interface Heard {
  readonly tasks: Task[]
  readonly turns: { readonly task: Task; readonly turn: Turn }[]
  error: unknown
  readonly subscription: Subscription
}

/** Takes every task and turn of a topology and commits nothing by itself. */
export const listen = (log: EventLog, topology: Topology): Heard => {
  const tasks: Task[] = []
  const turns: { task: Task; turn: Turn }[] = []
  const heard = { tasks, turns, error: undefined as unknown }
  const subscription = log.tasks(topology).subscribe({
    next: (task) => {
      tasks.push(task)
      task.turns.subscribe((turn) => void turns.push({ task, turn }))
    },
    error: (error: unknown) => void (heard.error = error),
  })
  return Object.assign(heard, { subscription })
}

export const nothing = { append: [], put: [] } as const

export const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export const texts = (records: readonly LogRecord[]): string[] =>
  records.map(({ value }) => new TextDecoder().decode(value))

export const record = (topic: string, text: string, partition = 0): NewRecord => ({
  topic,
  key: text,
  value: bytes(text),
  partition,
})

export const readAll = async (log: EventLog, of: Range): Promise<LogRecord[]> => {
  const records: LogRecord[] = []
  for await (const page of log.read(of)) records.push(...page)
  return records
}

/** The promise rejects with a connector's error of this code; answers with its text. */
export const refusalOf = async (promise: Promise<unknown>, code: string): Promise<string> => {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  expect(error).toMatchObject({ name: 'ConnectorError', code })
  return (error as Error).message
}
