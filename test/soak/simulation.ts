/**
 * `npm run soak:simulation [-- --seeds 10000] [--from 1] [--workers N] [--seed N] [--bug NAME] [--prove]`: whole stages on a log in memory and a
 * virtual clock, with something befalling them at each commit, send and receipt; checks that every event came to its end. One seed alone
 * prints its story. `--prove` shows that it finds the bugs that are planted for it, `--bug` runs with one of them.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { plantedBugs } from './oracle/planted-bugs.ts'
import { simulate, type Simulated, type SimulateOptions } from './oracle/simulate.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    workers: { type: 'string', default: String(availableParallelism()) },
    seed: { type: 'string' },
    bug: { type: 'string' },
    prove: { type: 'boolean', default: false },
    /** One seed of so many, for a worker. */
    every: { type: 'string', default: '1' },
  },
})
const from = Number(values.from)
const end = from + Number(values.seeds)

const planted = (name: string | undefined): Pick<SimulateOptions, 'bug'> => {
  const bug = plantedBugs[name ?? '']
  return bug === undefined ? {} : { bug }
}

const replay = async (seed: number): Promise<number> => {
  const { story, findings, facts } = await simulate(seed, { ...planted(values.bug), hasStory: true })
  for (const line of story) console.log(line)
  for (const finding of findings) console.error(`FOUND ${finding}`)
  console.log(JSON.stringify(facts))
  return findings.length
}

/** What a worker says of a seed. */
type Said = Omit<Simulated, 'story'> & { readonly seed: number; readonly cpuMs: number }

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

const work = async (tell: (said: Said) => void): Promise<void> => {
  for (let seed = from; seed < end; seed += Number(values.every)) {
    const before = cpuMs()
    const { findings, facts } = await simulate(seed, planted(values.bug))
    tell({ seed, findings, facts, cpuMs: cpuMs() - before })
  }
}

const mostShown = 5

const soak = async (): Promise<number> => {
  const begun = performance.now()
  const workers = Math.max(1, Math.min(Number(values.workers), end - from))
  const sums: Record<string, number> = {}
  let failed = 0
  let cpu = 0
  let done = 0
  const take = ({ seed, findings, facts, cpuMs: spent }: Said): void => {
    done++
    cpu += spent
    for (const [fact, value] of Object.entries(facts)) sums[fact] = (sums[fact] ?? 0) + value
    if (findings.length === 0) return
    failed++
    console.error(`seed ${seed} (npm run soak:simulation -- --seed ${seed}):`)
    for (const finding of findings.slice(0, mostShown)) console.error(`  ${finding}`)
  }
  await Promise.all(
    Array.from({ length: workers }, async (_, n) => {
      const bug = values.bug === undefined ? [] : ['--bug', values.bug]
      const terms = [...bug, '--from', `${from + n}`, '--seeds', `${end - from - n}`, '--every', `${workers}`]
      const child = fork(import.meta.filename, terms, { env: { ...process.env, SIMULATION_WORKER: '1' } })
      child.on('message', take)
      await once(child, 'exit')
    }),
  )
  if (done < end - from) console.error(`${end - from - done} seeds were not run: a worker ended early`)
  console.log(
    JSON.stringify({
      seeds: done,
      failed,
      ...sums,
      workers,
      s: Math.round((performance.now() - begun) / 1000),
      'cpu ms a seed': Number((cpu / done).toFixed(1)),
    }),
  )
  return failed + (end - from - done)
}

/** How many planted bugs no seed found. */
const prove = async (): Promise<number> => {
  let unfound = 0
  for (const bug of Object.keys(plantedBugs)) {
    let said = `${bug}: not found`
    for (let seed = from; seed < end; seed++) {
      const [finding] = (await simulate(seed, planted(bug))).findings
      if (finding === undefined) continue
      said = `${bug}: found (npm run soak:simulation -- --bug ${bug} --seed ${seed}): ${finding}`
      break
    }
    if (said.endsWith('not found')) unfound++
    console.log(said)
  }
  return unfound
}

if (values.prove) process.exitCode = (await prove()) === 0 ? 0 : 1
else if (values.seed !== undefined) process.exitCode = (await replay(Number(values.seed))) === 0 ? 0 : 1
else if (process.env['SIMULATION_WORKER'] === undefined) process.exitCode = (await soak()) === 0 ? 0 : 1
else {
  await work((said) => void process.send?.(said))
  process.disconnect()
}
