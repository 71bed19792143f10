/** A process of the storm: runs the tasks of two topologies until it is told to end; its clock jumps when it is told so. */
import { setTimeout } from 'node:timers/promises'
import { concatMap, mergeMap, type Observable } from 'rxjs'
import type { EventLog, NewRecord, Task, Turn } from '../../connectors/log/event-log.ts'
import { bytes, open, partitions, type Place, text } from './kafka-storm-place.ts'

/** What the storm tells a process. */
export type Told = 'end' | { readonly aheadMs: number }

const tickMs = 500

/** Decides whether each key is new; ticks twice a second; keeps, moves and deletes state on the way. */
const decide = async (task: Task, turn: Turn): Promise<void> => {
  const dice = Math.random()
  if (dice < 0.05) await setTimeout(3000)
  else if (dice < 0.5) await setTimeout(Math.random() * 40)
  const { state, partition } = task
  const put = new Map<string, Uint8Array | null>()
  const append: NewRecord[] = []
  for (const { key, offset } of turn.records) {
    const isNew = state.get(`key ${key}`) === undefined && !put.has(`key ${key}`)
    put.set(`key ${key}`, bytes(1))
    append.push({ topic: 'out', key, partition, value: bytes({ partition, offset, key, isNew }) })
  }
  const count = Number(text(state.get('count'))) + turn.records.length
  put.set('count', bytes(count))
  // A mark that is deleted by the next turn: what comes back by mistake is seen there.
  const marks = [...state.range('mark ', 'mark!')].map(([key]) => key)
  if (marks.length > 1)
    append.push({ topic: 'ticks', key: 'marks', partition, value: bytes({ marks: marks.length, partition }) })
  for (const mark of marks) put.set(mark, null)
  put.set(`mark ${count} ${turn.now}`, bytes(1))
  const last = JSON.parse(text(state.get('tick')) || '{"number":0,"at":0}') as { number: number; at: number }
  if (turn.now >= last.at + tickMs) {
    const tick = { number: last.number + 1, at: turn.now }
    put.set('tick', bytes(tick))
    append.push({
      topic: 'ticks',
      key: 'tick',
      partition: (partition + 1) % partitions,
      value: bytes({ of: partition, tick: tick.number }),
    })
  }
  task.wake(turn.now + tickMs)
  await turn.commit({ append, put: [...put] })
}

const tally = async ({ state }: Task, turn: Turn): Promise<void> => {
  const count = Number(text(state.get('count'))) + turn.records.length
  await turn.commit({ append: [], put: [['count', bytes(count)]] })
}

const running = (
  log: EventLog,
  name: string,
  input: string,
  work: (task: Task, turn: Turn) => Promise<void>,
  seen: { cut: number },
): Observable<void> =>
  log.tasks({ name, inputs: [input], mostRecords: 100 }).pipe(
    mergeMap((task) => {
      task.wake(Date.now())
      return task.turns.pipe(
        concatMap(async (turn) => {
          try {
            await work(task, turn)
          } catch (cause) {
            seen.cut++
            if (!task.lost.aborted) throw cause
          }
        }),
      )
    }),
  )

const runWorker = async (place: Place): Promise<void> => {
  const seen = { cut: 0 }
  const reasons: Record<string, number> = {}
  const log = await open(place, ({ name, reason }) => {
    const said = `${name}${typeof reason === 'string' ? ` ${reason.slice(0, 160)}` : ''}`
    reasons[said] = (reasons[said] ?? 0) + 1
  })
  const fail = (cause: unknown): void => {
    process.send?.({ failure: String(cause) })
    process.exit(1)
  }
  running(log, 'decide', 'in', decide, seen).subscribe({ error: fail })
  running(log, 'tally', 'out', tally, seen).subscribe({ error: fail })
  const { now } = Date
  process.on('message', (told: Told) => {
    if (told !== 'end') {
      // Everything in this process reads the clock so: the log, the client, the tasks.
      Date.now = () => now() + told.aheadMs
      return
    }
    void log.close().then(() => {
      process.send?.({ ...seen, reasons })
      process.disconnect()
    })
  })
}

// Its parent is gone, or has heard its last word.
process.on('disconnect', () => process.exit())
await runWorker(JSON.parse(process.argv[2] ?? '') as Place)
