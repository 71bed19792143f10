/** `node test/soak/batch-kill.ts [--kills 20]`: kills a relay again and again while batches and windows are open, and compares what came of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openEmbeddedLog } from '../../connectors/log/embedded-log.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'
import { decode } from '../../schemas/codec.ts'
import type { Outcome } from '../../schemas/generated.ts'
import { allTopics, topics } from '../../schemas/topics.ts'
import { artifactsOf, batchMost, clientOf, flowId, flowNumber } from './batch-kill-flows.ts'

/** A letter as the mail server had it. */
interface Told {
  readonly id: string
  readonly to: string
  readonly flows: readonly string[]
}

export interface BatchKillOptions {
  readonly kills: number
  readonly count: number
  /** Milliseconds under load before a kill at most. */
  readonly longestMs: number
  readonly say: (line: string) => void
}

/** The term of a claim is over after each kill, as if the relay had been down for so long. */
const downMs = 61_000
/** All batches are due in the last run. */
const lastAheadMs = 2 * 3_600_000

/** Kills the relay that often, lets it end once, and answers with what was found wrong. */
export const killBatches = async ({ kills, count, longestMs, say }: BatchKillOptions): Promise<readonly string[]> => {
  const dir = mkdtempSync(join(tmpdir(), 'relay-batches-'))
  const letters: Told[] = []
  const begin = Math.floor(Date.now() / 1000) * 1000 - 3_600_000
  const common = { begin, count, letters }
  try {
    for (let kill = 0; kill < kills; kill++) {
      const ms = Math.round(Math.random() * longestMs)
      await runRelay(dir, { ahead: kill * downMs, ...common, killAfterMs: ms })
      say(`kill ${kill + 1} after ${ms} ms: ${letters.length} letters so far`)
    }
    await runRelay(dir, { ahead: kills * downMs, ...common, killAfterMs: null })
    await runRelay(dir, { ahead: kills * downMs + lastAheadMs, ...common, killAfterMs: null })
    return compare(await outcomesIn(dir), letters, count)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

interface RunTerms {
  readonly begin: number
  readonly ahead: number
  readonly count: number
  readonly letters: Told[]
  /** null: it ends by itself. */
  readonly killAfterMs: number | null
}

const runRelay = async (dir: string, { begin, ahead, count, letters, killAfterMs }: RunTerms): Promise<void> => {
  const script = join(import.meta.dirname, 'batch-kill-relay.ts')
  const child: ChildProcess = spawn(
    process.execPath,
    [script, '--dir', dir, '--begin', String(begin), '--ahead', String(ahead), '--count', String(count)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  let isDone = false
  lines.on('line', (line) => {
    if (line === 'I') isDone = true
    else letters.push(JSON.parse(line.slice(2)) as Told)
  })
  const ended = Promise.all([once(child, 'exit'), once(lines, 'close')])
  try {
    if (killAfterMs === null) await ended
    // From the first letter on, or from its start where none comes.
    else
      await Promise.race([
        ended,
        once(lines, 'line').then(() => setTimeout(killAfterMs)),
        setTimeout(1500 + killAfterMs),
      ])
  } finally {
    child.kill('SIGKILL')
    await ended
  }
  if (killAfterMs === null && !isDone) throw new Error('the relay ended before it was done')
}

const outcomesIn = async (dir: string): Promise<readonly Outcome[]> => {
  const log = await openEmbeddedLog({ dir, topics: allTopics, clock: systemClock(), tell: () => undefined })
  const outcomes: Outcome[] = []
  for (let partition = 0; partition < log.partitions; partition++)
    for await (const records of log.read({ topic: topics.outcomes.name, partition }))
      for (const { value } of records) outcomes.push(decode('Outcome', value))
  await log.close()
  return outcomes
}

/** What should have come of it: nothing depends on when the relay was killed. */
const compare = (outcomes: readonly Outcome[], letters: readonly Told[], count: number): readonly string[] => {
  const wrong: string[] = []
  const expectEqual = (what: string, found: unknown, wanted: unknown): void => {
    if (JSON.stringify(found) !== JSON.stringify(wanted))
      wrong.push(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`)
  }
  const opened = new Map<string, string>()
  const numbers = Array.from({ length: count }, (_, n) => n)
  const verdicts = Map.groupBy(
    outcomes.flatMap(({ flow, verdicts: given }) => given.map((verdict) => ({ flow, ...verdict }))),
    ({ flow }) => flow,
  )
  for (const n of numbers) {
    const key = `${clientOf(n)} ${artifactsOf(n).join()}`
    const opener = opened.get(key)
    if (opener === undefined) opened.set(key, flowId(n))
    const found = (verdicts.get(flowId(n)) ?? []).map(({ monitor, outcome, of }) => [
      monitor,
      outcome,
      of.split('/')[2] ?? '',
    ])
    const windowed = opener === undefined ? ['windows', 'told', ''] : ['windows', 'duplicate', opener]
    expectEqual(`verdicts on ${flowId(n)}`, found, [['batches', 'told', ''], windowed])
  }
  const told = outcomes.flatMap(({ flow, deliveries }) =>
    deliveries.map(({ recipient, outcome }) => `${recipient} ${flow} ${outcome}`),
  )
  const wanted = [
    ...numbers.flatMap((n) => ['ann', 'soc'].map((who) => `${who}@example.org ${flowId(n)} told`)),
    ...[...opened.values()].map((flow) => `bob@example.org ${flow} told`),
  ]
  expectEqual('deliveries, without those wanted', missingFrom(wanted, told), [])
  expectEqual('deliveries that nobody wanted, or twice', told.length, wanted.length)
  return [...wrong, ...compareLetters(letters, count)]
}

const missingFrom = (wanted: readonly string[], found: readonly string[]): readonly string[] => {
  const there = new Set(found)
  return wanted.filter((one) => !there.has(one)).slice(0, 5)
}

/** Doubles of a letter bear its Message-ID and say the same; batches are full but for the last one. */
const compareLetters = (letters: readonly Told[], count: number): readonly string[] => {
  const wrong: string[] = []
  const byId = Map.groupBy(letters, ({ id }) => id)
  for (const [id, copies] of byId)
    if (new Set(copies.map(({ flows }) => flows.join())).size > 1)
      wrong.push(`the copies of ${id} tell different things`)
  for (const who of ['ann@example.org', 'soc@example.org']) {
    const own = [...byId.values()].flatMap(([letter]) => (letter?.to === who ? [letter] : []))
    const sizes = own.map(({ flows }) => flows.length).toSorted((a, b) => b - a)
    const full = Array.from({ length: Math.floor(count / batchMost) }, () => batchMost)
    const wanted = count % batchMost === 0 ? full : [...full, count % batchMost]
    if (sizes.join() !== wanted.join()) wrong.push(`letters to ${who} hold ${sizes.join()}, not ${wanted.join()}`)
    const flows = own.flatMap((letter) => letter.flows.map(flowNumber))
    if (new Set(flows).size !== flows.length) wrong.push(`${who} was told of a flow in two letters`)
  }
  return wrong
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { kills: { type: 'string', default: '20' } } })
  const kills = Number(values.kills)
  const wrong = await killBatches({ kills, count: kills * 150 + 7, longestMs: 800, say: console.log })
  for (const line of wrong) console.error(line)
  console.log(
    wrong.length === 0 ? 'every batch and every window outlived every kill, exactly' : `${wrong.length} findings`,
  )
  process.exitCode = wrong.length === 0 ? 0 : 1
}
