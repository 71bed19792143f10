/**
 * `npm run soak:collect-processes -- [--runs 5] [--events 5000] [--from 1] [--trouble 120] [--at-once 2] [--verbose]`: `relay run` of collect
 * and enrich against a stand-in server in a process of its own, with faults on both sides, for so many seconds a run. Says what each run
 * lost, invented or repeated, and whether what a live-only queue lost was said.
 */
import { parseArgs } from 'node:util'
import { runCollectProcesses } from './collect/processes.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    events: { type: 'string', default: '5000' },
    from: { type: 'string', default: '1' },
    trouble: { type: 'string', default: '120' },
    'at-once': { type: 'string', default: '2' },
    verbose: { type: 'boolean', default: false },
  },
})
const first = Number(values.from)
const end = first + Number(values.runs)
const sums: Record<string, number> = {}
let failed = 0
let next = first

const run = async (seed: number): Promise<void> => {
  const begun = performance.now()
  const seconds = (): string => ((performance.now() - begun) / 1000).toFixed(1)
  const { lost, invented, repeated, lostUnsaid, failures, deeds, facts } = await runCollectProcesses({
    seed,
    events: Number(values.events),
    troubleMs: Number(values.trouble) * 1000,
    deedEveryMs: 5000,
    mayStoreNothing: true,
    quietMs: 15_000,
    say: (line) => (values.verbose ? console.log(`${seed} ${seconds()} ${line}`) : undefined),
  })
  for (const [fact, value] of Object.entries(facts)) sums[fact] = (sums[fact] ?? 0) + value
  const findings = { lost, invented, repeated, lostUnsaid, failures }
  const isWrong = Object.values(findings).some((list) => list.length > 0)
  if (isWrong) failed++
  console.log(JSON.stringify({ seed, ...facts, deeds: deeds.join(', '), s: Number(seconds()), ...findings }))
}

const work = async (): Promise<void> => {
  for (let seed = next++; seed < end; seed = next++)
    await run(seed).catch((cause: unknown) => {
      failed++
      console.error(`seed ${seed}:`, cause)
    })
}
await Promise.all(Array.from({ length: Number(values['at-once']) }, work))
console.log(JSON.stringify({ runs: end - first, failed, ...sums }))
process.exitCode = failed === 0 ? 0 : 1
