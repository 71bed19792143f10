import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { concatMap, mergeMap, type Observable } from 'rxjs'
import type { EventLog, LogRecord, NewRecord, Task, Turn } from '../../connectors/log/event-log.ts'
import { openKafkaLog, type KafkaLogOptions } from '../../connectors/log/kafka-log.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'
import type { Happening } from '../../schemas/happenings.ts'
import type { Broker } from '../broker/broker.ts'
import { startOwnBroker } from '../broker/start-broker.ts'

/**
 * Processes that share the tasks of two topologies are killed and frozen while records come, and so may be the brokers. At the end
 * every record must have been decided once, every key have been new once, the state must agree with the log, and no tick be missing.
 * `--without fence` and `--without seek` leave a safeguard out: then errors must show.
 */
const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '20000' },
    strikes: { type: 'string', default: '8' },
    nodes: { type: 'string', default: '1' },
    'broker-kills': { type: 'string', default: '0' },
    'stops-only': { type: 'boolean', default: false },
    without: { type: 'string', default: '' },
    /** Of a process that runs tasks. */
    worker: { type: 'string' },
  },
})

const partitions = 6
const topics = ['in', 'out', 'ticks'].map((name) => ({ name }))
const tickMs = 500
const session = 2000
const timings = { session, heartbeat: 300, rebalance: 3000, poll: 100, metadata: 5000 }
const strikeEveryMs = 4500
const frozenMs = 3700
const idleMs = 8000

interface Place {
  readonly brokers: readonly string[]
  readonly prefix: string
  readonly stateDir: string
  readonly without: string
}

const open = (
  { brokers, prefix, stateDir, without }: Place,
  tell: (happening: Happening) => void,
): Promise<EventLog> => {
  const options: KafkaLogOptions = {
    brokers,
    prefix,
    stateDir,
    tell,
    partitions,
    topics,
    timings,
    clientId: 'storm',
    clock: systemClock(),
    unsafe: { withoutFence: without === 'fence', withoutSeek: without === 'seek' },
  }
  return openKafkaLog(options)
}

const text = (value: Uint8Array | undefined): string => (value === undefined ? '' : Buffer.from(value).toString())
const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))

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
  process.on('message', () => {
    void log.close().then(() => {
      process.send?.({ ...seen, reasons })
      process.disconnect()
    })
  })
}

interface Worker {
  readonly child: ChildProcess
  report: unknown
}

const startWorker = (place: Place, number: number): Worker => {
  const stateDir = join(place.stateDir, `machine-${number}`)
  mkdirSync(stateDir, { recursive: true })
  const worker = JSON.stringify({ ...place, stateDir })
  const child = fork(import.meta.filename, ['--worker', worker], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: ['--disable-warning=TimeoutNegativeWarning'],
  })
  const started: Worker = { child, report: undefined }
  child.on('message', (message) => void (started.report = message))
  return started
}

const feed = async (log: EventLog, count: number, done: { fed: number; refused: number }): Promise<void> => {
  const keys = Array.from({ length: count }, (_, n) => `key-${n % Math.ceil(count / 2)}`)
  for (let at = 0; at < count; at += 50) {
    const records = keys.slice(at, at + 50).map((key): NewRecord => ({ topic: 'in', key, value: bytes(at) }))
    await log.append(records).then(
      () => void (done.fed += records.length),
      () => void (done.refused += records.length),
    )
    await setTimeout(90)
  }
}

const readTopic = async (log: EventLog, topic: string): Promise<LogRecord[]> => {
  const records: LogRecord[] = []
  for (let partition = 0; partition < partitions; partition++)
    for await (const page of log.read({ topic, partition })) records.push(...page)
  return records
}

/** Waits until nothing more is decided. */
const settled = async (log: EventLog): Promise<void> => {
  const deadline = performance.now() + 180_000
  for (let last = -1, since = performance.now(); performance.now() < deadline;) {
    const length = (await readTopic(log, 'out')).length
    if (length !== last) [last, since] = [length, performance.now()]
    else if (performance.now() - since > idleMs) return
    await setTimeout(1000)
  }
}

const stateOf = async (log: EventLog, name: string, input: string): Promise<{ count: number; tick: number }[]> => {
  const found: { count: number; tick: number }[] = []
  const subscription = log.tasks({ name, inputs: [input] }).subscribe(({ partition, state }) => {
    const tick = JSON.parse(text(state.get('tick')) || '{"number":0}') as { number: number }
    found[partition] = { count: Number(text(state.get('count'))), tick: tick.number }
  })
  for (let waited = 0; Object.keys(found).length < partitions && waited < 60_000; waited += 100) await setTimeout(100)
  subscription.unsubscribe()
  return found
}

const judge = async (log: EventLog): Promise<{ errors: number; said: Record<string, number> }> => {
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

const storm = async (): Promise<number> => {
  const nodes = values.nodes === '3' ? 3 : 1
  const broker: Broker = await startOwnBroker({ nodes })
  const stateDir = mkdtempSync(join(tmpdir(), 'kafka-storm-'))
  const place: Place = { brokers: broker.brokers, prefix: 'storm.', stateDir, without: values.without }
  const workers: Worker[] = []
  let machines = 0
  const start = (): void => void workers.push(startWorker(place, machines++))
  const seen = { fed: 0, refused: 0 }
  try {
    const log = await open({ ...place, stateDir: join(stateDir, 'judge') }, () => undefined)
    const count = Number(values.records)
    const feeding = feed(log, count, seen)
    start()
    await setTimeout(3000)
    start()
    start()
    const strikes = Number(values.strikes)
    const kills = Number(values['broker-kills'])
    const brokersDown: Promise<void>[] = []
    for (let n = 1; n <= strikes; n++) {
      await setTimeout(strikeEveryMs)
      const at = Math.floor(Math.random() * workers.length)
      const { child } = workers[at] as Worker
      if (values['stops-only'] || n % 3 === 0) {
        child.kill('SIGSTOP')
        void setTimeout(frozenMs).then(() => child.kill('SIGCONT'))
        console.log(`strike ${n}: a process frozen for ${frozenMs} ms`)
      } else {
        child.kill('SIGKILL')
        workers.splice(at, 1)
        start()
        console.log(`strike ${n}: a process killed, another one started`)
      }
      if (n <= kills) {
        const id = ((n - 1) % nodes) + 1
        await Promise.all(brokersDown)
        await broker.kill(id)
        console.log(`strike ${n}: broker ${id} killed`)
        brokersDown.push(setTimeout(2000).then(() => broker.start(id)))
      }
    }
    await feeding
    await Promise.all(brokersDown)
    await setTimeout(frozenMs)
    for (const { child } of workers.splice(1)) child.kill('SIGKILL')
    await settled(log)
    const [last] = workers
    if (last !== undefined && last.child.exitCode === null) {
      last.child.send('end')
      await Promise.race([once(last.child, 'exit'), setTimeout(20_000)])
      console.log('the last process:', JSON.stringify(last.report))
    }
    const { errors, said } = await judge(log)
    console.log(JSON.stringify({ ...values, ...seen, ...said, errors }))
    await log.close()
    return errors
  } finally {
    for (const { child } of workers) child.kill('SIGKILL')
    await broker.stop()
    rmSync(stateDir, { recursive: true, force: true })
  }
}

if (values.worker === undefined) {
  const errors = await storm()
  // With a safeguard left out the storm is a test of itself.
  process.exit((errors === 0) === (values.without === '') ? 0 : 1)
} else await runWorker(JSON.parse(values.worker) as Place)
