/**
 * `npm run soak:oracle [-- --seeds 20] [--kafka] [--from 1] [--seed N] [--at-once 4] [--bug NAME] [--prove] [--verbose]`: `relay run` between a
 * stand-in Velociraptor over gRPC and a mail server that misbehaves, killed, frozen, with a full disk and a clock that steps; checks that
 * every event came to its end. What a seed chooses is the same each time; when it happens is the machine's. `--prove` shows that it finds
 * the bugs that are planted for it, `--bug` runs with one of them.
 */
import { parseArgs } from 'node:util'
import { startBroker } from '../broker/start-broker.ts'
import { plantedBugs } from './oracle/planted-bugs.ts'
import { type RealRun, runReally } from './oracle/real-run.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    bug: { type: 'string' },
    prove: { type: 'boolean', default: false },
    kafka: { type: 'boolean', default: false },
    'at-once': { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
})
const isKafka = values.kafka
const count = Number(values.seeds ?? (isKafka ? 5 : 20))
const atOnce = Number(values['at-once'] ?? (isKafka ? 2 : 4))
const mostShown = 10

const broker = isKafka ? await startBroker() : null
const sums: Record<string, number> = {}

/** Runs a seed and says what came of it. */
const runSeed = async (seed: number, bug: string | null): Promise<readonly string[]> => {
  const begun = performance.now()
  const say = (line: string): void => {
    if (values.verbose) console.log(`${seed} ${((performance.now() - begun) / 1000).toFixed(1)} ${line}`)
  }
  const { findings, facts }: RealRun = await runReally({
    seed,
    brokers: broker?.brokers ?? null,
    troubleMs: isKafka ? 60_000 : 30_000,
    bug,
    deeds: null,
    deedEveryMs: 3500,
    faults: null,
    quietS: 3,
    say,
  }).catch((cause: unknown) => ({ findings: [String(cause)], facts: {} }))
  for (const [fact, value] of Object.entries(facts)) sums[fact] = (sums[fact] ?? 0) + value
  const took = Math.round((performance.now() - begun) / 1000)
  console.log(
    `seed ${seed}: ${findings.length} findings, ${facts['letters']} letters, ${facts['doubles']} doubles, ${took} s`,
  )
  for (const finding of findings.slice(0, mostShown)) console.error(`  ${finding}`)
  return findings
}

const soak = async (first: number, end: number): Promise<number> => {
  let next = first
  let failed = 0
  const work = async (): Promise<void> => {
    for (let seed = next++; seed < end; seed = next++)
      if ((await runSeed(seed, values.bug ?? null)).length > 0) failed++
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, end - first) }, work))
  console.log(JSON.stringify({ log: broker?.description ?? 'embedded', seeds: end - first, failed, ...sums }))
  return failed
}

/** How many planted bugs no seed found. */
const prove = async (first: number, end: number): Promise<number> => {
  let unfound = 0
  for (const bug of Object.keys(plantedBugs)) {
    let by: number | undefined
    for (let seed = first; seed < end && by === undefined; seed++) if ((await runSeed(seed, bug)).length > 0) by = seed
    if (by === undefined) unfound++
    console.log(
      by === undefined ? `${bug}: not found` : `${bug}: found (npm run soak:oracle -- --bug ${bug} --seed ${by})`,
    )
  }
  return unfound
}

const from = Number(values.seed ?? values.from)
const end = values.seed === undefined ? from + count : from + 1
let wrong = 1
try {
  wrong = values.prove ? await prove(from, end) : await soak(from, end)
} finally {
  await broker?.stop()
}
process.exit(wrong === 0 ? 0 : 1)
