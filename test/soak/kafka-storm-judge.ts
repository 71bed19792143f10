import { setTimeout } from 'node:timers/promises'
import type { EventLog, LogRecord } from '../../connectors/log/event-log.ts'
import { partitions, text } from './kafka-storm-place.ts'

const idleMs = 8000

const readTopic = async (log: EventLog, topic: string): Promise<LogRecord[]> => {
  const records: LogRecord[] = []
  for (let partition = 0; partition < partitions; partition++)
    for await (const page of log.read({ topic, partition })) records.push(...page)
  return records
}

/** Waits until nothing more is decided. */
export const settled = async (log: EventLog): Promise<void> => {
  const deadline = performance.now() + 180_000
  for (let last = -1, since = performance.now(); performance.now() < deadline;) {
    const length = (await readTopic(log, 'out')).length
    if (length !== last) [last, since] = [length, performance.now()]
    else if (performance.now() - since > idleMs) return
    await setTimeout(1000)
  }
}

/** All that each task remembers, by partition. */
export const statesOf = async (
  log: EventLog,
  name: string,
  input: string,
): Promise<readonly ReadonlyMap<string, string>[]> => {
  const found: Map<string, string>[] = []
  const subscription = log.tasks({ name, inputs: [input] }).subscribe(({ partition, state }) => {
    found[partition] = new Map([...state.range('', '\uffff')].map(([key, value]) => [key, text(value)]))
  })
  for (let waited = 0; Object.keys(found).length < partitions && waited < 60_000; waited += 100) await setTimeout(100)
  subscription.unsubscribe()
  return found
}

const stateOf = async (log: EventLog, name: string, input: string): Promise<{ count: number; tick: number }[]> =>
  (await statesOf(log, name, input)).map((state) => ({
    count: Number(state.get('count') ?? 0),
    tick: (JSON.parse(state.get('tick') ?? '{"number":0}') as { readonly number: number }).number,
  }))

/** What the records say of each other and of the state; every figure of `errors` must be 0. */
export const judge = async (log: EventLog): Promise<{ errors: number; said: Record<string, number> }> => {
  const [inputs, outputs, ticks] = [
    await readTopic(log, 'in'),
    await readTopic(log, 'out'),
    await readTopic(log, 'ticks'),
  ]
  const parsed = outputs.map(
    ({ value }) => JSON.parse(text(value)) as { partition: number; offset: number; key: string; isNew: boolean },
  )
  const times = new Map<string, number>()
  for (const { partition, offset } of parsed)
    times.set(`${partition}/${offset}`, (times.get(`${partition}/${offset}`) ?? 0) + 1)
  const news = new Map<string, number>()
  for (const { key, isNew } of parsed) if (isNew) news.set(key, (news.get(key) ?? 0) + 1)
  const keys = new Set(inputs.map(({ key }) => key))
  const decided = await stateOf(log, 'decide', 'in')
  const tallied = await stateOf(log, 'tally', 'out')
  const lengthOf = (records: LogRecord[], partition: number): number =>
    records.filter((each) => each.partition === partition).length
  const off = (states: { count: number }[], records: LogRecord[]): number =>
    Array.from({ length: partitions }, (_, p) => Math.abs((states[p]?.count ?? 0) - lengthOf(records, p))).reduce(
      (a, b) => a + b,
    )
  let gaps = 0
  let marks = 0
  const numbers = new Map<number, number[]>()
  for (const { value } of ticks) {
    const read = JSON.parse(text(value)) as { of?: number; tick?: number; marks?: number }
    if (read.marks !== undefined) marks++
    else numbers.set(read.of ?? 0, [...(numbers.get(read.of ?? 0) ?? []), read.tick ?? 0])
  }
  for (let p = 0; p < partitions; p++) {
    const of = numbers.get(p) ?? []
    gaps += of.filter((number, index) => number !== index + 1).length + Math.abs((decided[p]?.tick ?? 0) - of.length)
  }
  const said = {
    'input records': inputs.length,
    ticks: ticks.length,
    lost: inputs.filter(({ partition, offset }) => !times.has(`${partition}/${offset}`)).length,
    'decided twice': [...times.values()].filter((n) => n > 1).length,
    'keys never new': [...keys].filter((key) => !news.has(key)).length,
    'keys new twice': [...news.values()].filter((n) => n > 1).length,
    'counter off by': off(decided, inputs),
    'second topology off by': off(tallied, outputs),
    'tick gaps': gaps,
    'deleted state seen again': marks,
  }
  const { 'input records': _, ticks: __, ...errors } = said
  return { said, errors: Object.values(errors).reduce((a, b) => a + b) }
}
