import Sqlite from 'better-sqlite3'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { openEmbeddedLog } from '../../connectors/log/embedded-log.ts'
import type { EventLog, NewRecord } from '../../connectors/log/event-log.ts'
import { why } from '../../pipeline/cli/why-command.ts'
import { auditLog } from '../../pipeline/index/audit.ts'
import { index } from '../../pipeline/index/index-stage.ts'
import { openIndexReading } from '../../pipeline/index/index-reading.ts'
import { indexFileIn, openIndexForReading } from '../../pipeline/index/outcome-index.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'
import { encode } from '../../schemas/codec.ts'
import type { Delivery, Outcome, Verdict } from '../../schemas/generated.ts'
import { allTopics, topics } from '../../schemas/topics.ts'
import { inTemporaryDir } from '../bench/temporary-dir.ts'

// How fast the index is kept, and how fast `why` and `audit` answer from it: `node test/soak/index-speed.ts [EVENTS]`.
// The log is generated: two monitors, every second event told to one of a hundred people.

const events = Number(process.argv[2] ?? 1_000_000)
const partitions = 4
const leastPerSecond = 10_000
const mostAnswerMs = 1000
const clock = systemClock()
const tell = (): void => undefined

const clientOf = (n: number): string => `C.${(n % 5000).toString(16).padStart(16, '0')}`
const flowOf = (n: number): string => `F.${n.toString(36).toUpperCase().padStart(13, '0')}${n % 3 === 0 ? '.H' : ''}`
const noticeOf = (n: number): string => `${n.toString(36).padStart(10, '0')}notice00000a`
const recipientOf = (n: number): string => `person${n % 100}@example.org`

const verdict = (monitor: string, more: Partial<Verdict>): Verdict => ({
  monitor,
  artifact: 'Server.Monitor.FlowCompletion',
  outcome: 'objected',
  objections: [],
  overruled_by: [],
  of: '',
  reason: '',
  notices: [],
  warnings: [],
  ...more,
})
const delay = { by: 'delay', reason: 'completed 3 s after its creation, which is less than 10 s' }

const outcome = (
  n: number,
  offset: number,
  verdicts: readonly Verdict[],
  deliveries: readonly Delivery[],
): Outcome => ({
  event: `root/${clientOf(n)}/${flowOf(n)}/${1_776_868_947 + n}`,
  org: 'root',
  client: clientOf(n),
  flow: flowOf(n),
  hunt: n % 3 === 0 ? `H.${n % 50}` : '',
  name: '',
  scope: '',
  event_at: { topic: topics.flowEvents.name, partition: n % partitions, offset },
  received_at: 1_776_868_947_000 + n,
  at: 1_776_868_948_000 + n,
  configuration: '0123456789ab',
  replay: '',
  verdicts: [...verdicts],
  deliveries: [...deliveries],
})

const recordsOf = (n: number): readonly NewRecord[] => {
  const partition = n % partitions
  const offset = Math.floor(n / partitions)
  const isTold = Math.floor(n / partitions) % 2 === 0
  const soc = isTold
    ? verdict('soc', { outcome: 'told', notices: [noticeOf(n)] })
    : verdict('soc', { objections: [delay] })
  const judged = outcome(n, offset, [soc, verdict('leads', { objections: [delay] })], [])
  const record = (topic: string, value: Uint8Array): NewRecord => ({ topic, key: clientOf(n), partition, value })
  const told: Delivery = {
    notice: noticeOf(n),
    monitor: 'soc',
    artifact: 'Server.Monitor.FlowCompletion',
    recipient: recipientOf(n),
    outcome: 'told',
    message_id: `<${n.toString(16).padStart(32, '0')}@example.org>`,
    attempts: 1,
    code: 250,
    reply: '2.0.0 Ok: queued',
    reason: '',
    command: '',
  }
  return [
    record(topics.flowEvents.name, Buffer.from('an event')),
    record(topics.outcomes.name, encode('Outcome', judged)),
    ...(isTold ? [record(topics.outcomes.name, encode('Outcome', outcome(n, offset, [], [told])))] : []),
  ]
}

const generate = async (log: EventLog, from: number, to: number): Promise<void> => {
  const step = 2000
  for (let n = from; n < to; n += step)
    await log.append(Array.from({ length: Math.min(step, to - n) }, (_, k) => recordsOf(n + k)).flat())
}

/** The generated events were never read by a decide of this log: its positions are put where it would stand. */
const placeDecide = (dir: string): void => {
  const database = new Sqlite(join(dir, 'log.db'))
  const topic = database.prepare('SELECT id FROM topic WHERE name = ?').pluck().get(topics.flowEvents.name)
  for (let partition = 0; partition < partitions; partition++) {
    const { lastInsertRowid } = database
      .prepare("INSERT INTO task (topology, partition) VALUES ('decide', ?)")
      .run(partition)
    const end = database
      .prepare(`SELECT max(offset) + 1 FROM record_${String(topic)}_${partition}`)
      .pluck()
      .get()
    database.prepare('INSERT INTO position VALUES (?, ?, ?)').run(lastInsertRowid, topic, end)
  }
  database.close()
}

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now()
  await work()
  return (performance.now() - begun) / 1000
}

/** Runs the stage until it has every outcome. */
const indexAll = (log: EventLog, dir: string, outcomes: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const running = index({ log, clock, random: Math.random, tell, file: indexFileIn(dir) }).subscribe({
      error: reject,
    })
    const look = setInterval(() => {
      const kept = openIndexForReading(indexFileIn(dir))
      const applied = Array.from({ length: partitions }, (_, partition) => kept?.applied(partition).next ?? 0).reduce(
        (a, b) => a + b,
      )
      kept?.close()
      if (applied < outcomes) return
      clearInterval(look)
      running.unsubscribe()
      resolve()
    }, 50)
  })

const run = async (dir: string): Promise<boolean> => {
  const log = await openEmbeddedLog({ dir, partitions, topics: allTopics, clock, tell })
  const settings = { dir, partitions, maxSize: null }
  const failures: string[] = []
  const begun = clock.now()
  console.log(`${events} events in ${(await seconds(() => generate(log, 0, events))).toFixed(1)} s`)
  const ended = clock.now()
  const outcomes = events + Math.ceil(events / 2)
  const before = process.cpuUsage()
  const indexed = await seconds(() => indexAll(log, dir, outcomes))
  const { user, system } = process.cpuUsage(before)
  // Others may share the machine: what counts is the time that a core worked.
  const perSecond = Math.round(events / ((user + system) / 1e6))
  const bytes = statSync(indexFileIn(dir)).size
  console.log(
    `index: ${perSecond} events/s of a core (${Math.round(events / indexed)} by the clock, ${(outcomes / events).toFixed(1)} outcomes each), ${Math.round(bytes / events)} bytes an event`,
  )
  if (perSecond < leastPerSecond) failures.push(`the index keeps up with ${perSecond} events/s only`)
  await log.close()
  placeDecide(dir)

  const measure = async (what: string, ask: () => Promise<unknown>): Promise<void> => {
    const ms = Math.round((await seconds(ask)) * 1000)
    console.log(`${what}: ${ms} ms`)
    if (ms > mostAnswerMs) failures.push(`${what} took ${ms} ms`)
  }
  const ask = async (id: string): Promise<void> => {
    const reading = await openIndexReading({ settings, clock })
    const answer = await why(reading, id, { most: 20 })
    await reading.close()
    if (answer.found === 'nothing') failures.push(`nothing was found of ${id}`)
  }
  const middle = Math.floor(events / 2 / partitions / 2) * 2 * partitions
  for (const [what, id] of [
    ['event', outcome(middle, 0, [], []).event],
    ['flow', flowOf(middle)],
    ['client', clientOf(middle)],
    ['hunt', 'H.0'],
    ['recipient', recipientOf(middle).toUpperCase()],
    ['Message-ID', `<${middle.toString(16).padStart(32, '0')}@example.org>`],
    ['monitor', 'leads'],
  ] as const)
    await measure(`why by ${what}`, () => ask(id))
  await measure('audit', async () => {
    const { found, events: judged } = await auditLog({ settings, clock }, null)
    if (found !== 0 || judged !== events) failures.push(`the audit found ${found}, and ${judged} events`)
  })
  await measure('audit since the middle', async () => {
    const { found } = await auditLog({ settings, clock }, (begun + ended) / 2)
    if (found !== 0) failures.push(`the audit of the second half found ${found}`)
  })
  for (const failure of failures) console.error(`FAILED: ${failure}`)
  return failures.length === 0
}

process.exitCode = (await inTemporaryDir(run)) ? 0 : 1
