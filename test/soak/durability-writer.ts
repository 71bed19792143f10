/**
 * A relay in small, to be killed: appends to `in`, and by a real topology writes each record to `out` and counts it.
 * Says on standard output, only after the promise resolved: `A <partition> <records appended>`, `C <partition> <records counted>`.
 * With --stops n it says `P <number>` now and then, n times, and stands still until a line comes in; then it closes.
 */
import { readSync, writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { concatMap, mergeMap } from 'rxjs'
import type { Task, Turn } from '../../connectors/log/event-log.ts'
import { openEmbeddedLog } from '../../connectors/log/embedded-log.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'
import { soakTopics, soakTopology } from './durability-check.ts'

const { values: given } = parseArgs({
  options: {
    dir: { type: 'string', default: '' },
    stops: { type: 'string', default: '0' },
    pragma: { type: 'string', multiple: true, default: [] },
  },
})
const stops = Number(given.stops)
const recordsTogether = 20
const commitsBetweenStops = 25

const log = await openEmbeddedLog({
  dir: given.dir,
  topics: soakTopics,
  clock: systemClock(),
  tell: () => undefined,
  unsafeStatements: () => given.pragma.map((pragma) => `PRAGMA ${pragma}`),
})

const say = (line: string): void => void writeSync(1, `${line}\n`)

let commits = 0
let stopped = 0
let isStopDue = false
let underWay = 0
let held: (() => void)[] = []

/** Nothing is written while it stands still: what is under way ends first, and nothing new begins. */
const writing = async <T>(write: () => Promise<T>, done: (result: T) => void): Promise<void> => {
  if (isStopDue) await new Promise<void>((resolve) => held.push(resolve))
  underWay++
  done(await write())
  underWay--
  if (stops > 0 && ++commits % commitsBetweenStops === 0 && stopped < stops) isStopDue = true
  if (!isStopDue || underWay > 0) return
  say(`P ${stopped++}`)
  readSync(0, new Uint8Array(1))
  isStopDue = false
  for (const goOn of held) goOn()
  held = []
}

const count = async ({ state, partition }: Task, { records, commit }: Turn): Promise<void> => {
  const before = Number(new TextDecoder().decode(state.get('count') ?? new Uint8Array()))
  const after = before + records.length
  await writing(
    () =>
      commit({
        append: records.map(({ key, value }) => ({ topic: 'out', key, value, partition })),
        put: [['count', new TextEncoder().encode(`${after}`)]],
      }),
    () => say(`C ${partition} ${after}`),
  )
}

log
  .tasks(soakTopology)
  .pipe(mergeMap((task) => task.turns.pipe(concatMap((turn) => count(task, turn)))))
  .subscribe()

const isDone = (): boolean => stops > 0 && stopped === stops

/** Feeds one partition. */
const feed = async (partition: number): Promise<void> => {
  for (let round = 0; !isDone(); round++) {
    const value = Buffer.alloc(100 + ((round * 37) % 900), `${partition}.${round} `)
    await writing(
      () =>
        log.append(
          Array.from({ length: recordsTogether }, (_, n) => ({ topic: 'in', key: `${round}.${n}`, value, partition })),
        ),
      (positions) => say(`A ${partition} ${(positions.at(-1)?.offset ?? 0) + 1}`),
    )
  }
}
await Promise.all(Array.from({ length: log.partitions }, (_, partition) => feed(partition)))
await log.close()
