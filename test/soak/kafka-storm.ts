import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import type { EventLog, NewRecord } from '../../connectors/log/event-log.ts'
import type { Broker } from '../broker/broker.ts'
import { startOwnBroker } from '../broker/start-broker.ts'
import { compactAlways, compacted, keptOf } from './kafka-storm-compaction.ts'
import { judge, settled, statesOf } from './kafka-storm-judge.ts'
import { bytes, open, type Place } from './kafka-storm-place.ts'
import type { Told } from './kafka-storm-worker.ts'

/**
 * Processes that share the tasks of two topologies are killed and frozen while records come, and so may be the brokers. At the end
 * every record must have been decided once, every key have been new once, the state must agree with the log, and no tick be missing.
 * `--jumps`: clocks of processes jump by an hour, forth and back. `--broker-freezes N`: the broker is frozen for 45 s, until consumers
 * die for good. `--compact`: the changelogs are compacted all the while, and in the end without marks of deletions, and a fresh process must remember
 * the same. `--without fence` and `--without seek` leave a safeguard out: then errors must show.
 */
const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '20000' },
    strikes: { type: 'string', default: '8' },
    nodes: { type: 'string', default: '1' },
    'broker-kills': { type: 'string', default: '0' },
    'broker-freezes': { type: 'string', default: '0' },
    'stops-only': { type: 'boolean', default: false },
    jumps: { type: 'boolean', default: false },
    compact: { type: 'boolean', default: false },
    without: { type: 'string', default: '' },
  },
})

const strikeEveryMs = 4500
const frozenMs = 3700
const brokerFrozenMs = 45_000
/** Brokers take no record from more than an hour ahead. */
const jumpsMs = [3_590_000, -3_600_000, 0]
const changelogs = ['storm.state.decide', 'storm.state.tally']
const longerThanAnyFreezeMs = 30_000

interface Worker {
  readonly child: ChildProcess
  report: unknown
}

const startWorker = (place: Place, number: number): Worker => {
  const stateDir = join(place.stateDir, `machine-${number}`)
  mkdirSync(stateDir, { recursive: true })
  const child = fork(join(import.meta.dirname, 'kafka-storm-worker.ts'), [JSON.stringify({ ...place, stateDir })], {
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

/** One blow against a process. */
const strike = (n: number, workers: Worker[], start: () => void): string => {
  const at = Math.floor(Math.random() * workers.length)
  const { child } = workers[at] as Worker
  if (values.jumps && n % 3 !== 2) {
    const aheadMs = jumpsMs[Math.floor(n / 2) % jumpsMs.length] ?? 0
    child.send({ aheadMs } satisfies Told)
    return `the clock of a process is ${aheadMs / 1000} s ahead from now on`
  }
  if (values['stops-only'] || n % 3 === 0) {
    child.kill('SIGSTOP')
    void setTimeout(frozenMs).then(() => child.kill('SIGCONT'))
    return `a process frozen for ${frozenMs} ms`
  }
  child.kill('SIGKILL')
  workers.splice(at, 1)
  start()
  return 'a process killed, another one started'
}

const strikeAll = async (broker: Broker, workers: Worker[], start: () => void): Promise<void> => {
  const kills = Number(values['broker-kills'])
  const freezes = Number(values['broker-freezes'])
  let brokersDown: Promise<void> = Promise.resolve()
  for (let n = 1; n <= Number(values.strikes); n++) {
    await setTimeout(strikeEveryMs)
    console.log(`strike ${n}: ${strike(n, workers, start)}`)
    if (n <= kills) {
      const id = ((n - 1) % broker.brokers.length) + 1
      await brokersDown
      await broker.kill(id)
      console.log(`strike ${n}: broker ${id} killed`)
      brokersDown = setTimeout(2000).then(() => broker.start(id))
    }
    if (n <= freezes) {
      broker.freeze()
      console.log(`strike ${n}: the broker is frozen for ${brokerFrozenMs} ms`)
      await setTimeout(brokerFrozenMs)
      broker.thaw()
    }
  }
  await brokersDown
}

/** What a fresh process remembers before and after a compaction without marks of deletions: how many entries differ. */
const compareCompacted = async (place: Place): Promise<Record<string, number>> => {
  const memory = async (machine: string): Promise<ReadonlyMap<string, string>> => {
    const log = await open({ ...place, stateDir: join(place.stateDir, machine) }, () => undefined)
    const decided = await statesOf(log, 'decide', 'in')
    await log.close()
    return new Map(decided.flatMap((state, p) => [...state].map(([key, value]) => [`${p} ${key}`, value] as const)))
  }
  const before = await keptOf(place.brokers, changelogs)
  const old = await memory('before')
  await compactAlways(place.brokers, changelogs, 100)
  let times = 0
  const after = await compacted(place.brokers, changelogs, before, () => memory(`between-${times++}`))
  const fresh = await memory('after')
  const differ = [...old].filter(([key, value]) => fresh.get(key) !== value).length
  return {
    'changelog records written': before.written,
    'kept before the last compaction': before.records,
    'of these deletions': before.deletions,
    'kept after it': after.records,
    'of these deletions then': after.deletions,
    'entries remembered': old.size,
    'entries that differ after compaction': differ + Math.abs(fresh.size - old.size),
  }
}

const storm = async (): Promise<number> => {
  const broker: Broker = await startOwnBroker({ nodes: values.nodes === '3' ? 3 : 1 })
  const stateDir = mkdtempSync(join(tmpdir(), 'kafka-storm-'))
  const place: Place = { brokers: broker.brokers, prefix: 'storm.', stateDir, without: values.without }
  const workers: Worker[] = []
  let machines = 0
  const start = (): void => void workers.push(startWorker(place, machines++))
  const seen = { fed: 0, refused: 0 }
  try {
    const log = await open({ ...place, stateDir: join(stateDir, 'judge') }, () => undefined)
    const feeding = feed(log, Number(values.records), seen)
    start()
    await setTimeout(3000)
    // The first process makes them.
    while (values.compact && !(await compactAlways(broker.brokers, changelogs, longerThanAnyFreezeMs)))
      await setTimeout(500)
    start()
    start()
    await strikeAll(broker, workers, start)
    await feeding
    await setTimeout(frozenMs)
    for (const { child } of workers.splice(1)) child.kill('SIGKILL')
    await settled(log)
    const [last] = workers
    if (last !== undefined && last.child.exitCode === null) {
      last.child.send('end' satisfies Told)
      await Promise.race([once(last.child, 'exit'), setTimeout(20_000)])
      console.log('the last process:', JSON.stringify(last.report))
    }
    const { errors, said } = await judge(log)
    await log.close()
    const kept = values.compact ? await compareCompacted(place) : {}
    const table = new Table({ style: { head: [], border: [] } })
    for (const [what, count] of Object.entries({ ...seen, ...said, ...kept })) table.push([what, count])
    console.log(`${process.argv.slice(2).join(' ')}\n${table.toString()}`)
    return errors + (kept['entries that differ after compaction'] ?? 0)
  } finally {
    for (const { child } of workers) child.kill('SIGKILL')
    await broker.stop()
    rmSync(stateDir, { recursive: true, force: true })
  }
}

const errors = await storm()
// With a safeguard left out the storm is a test of itself.
process.exit((errors === 0) === (values.without === '') ? 0 : 1)
