/**
 * `npm run soak:simulation [-- --seeds 10000] [--from 1] [--seed N]`: whole stages on a log in memory and a virtual clock, with something
 * befalling them at each commit, send and receipt; checks that every event came to its end. One seed alone prints its story.
 */
import { parseArgs } from 'node:util'
import { simulate } from './oracle/simulate.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
  },
})

const replay = async (seed: number): Promise<number> => {
  const { story, findings, facts } = await simulate(seed, { hasStory: true })
  for (const line of story) console.log(line)
  for (const finding of findings) console.error(`FOUND ${finding}`)
  console.log(JSON.stringify(facts))
  return findings.length
}

const mostShown = 5

const soak = async (from: number, count: number): Promise<number> => {
  const begun = process.cpuUsage()
  const sums: Record<string, number> = {}
  let failed = 0
  for (let seed = from; seed < from + count; seed++) {
    const { findings, facts } = await simulate(seed)
    for (const [fact, value] of Object.entries(facts)) sums[fact] = (sums[fact] ?? 0) + value
    if (findings.length === 0) continue
    failed++
    console.error(`seed ${seed} (npm run soak:simulation -- --seed ${seed}):`)
    for (const finding of findings.slice(0, mostShown)) console.error(`  ${finding}`)
  }
  const { user, system } = process.cpuUsage(begun)
  const cpuMs = (user + system) / 1000
  console.log(
    JSON.stringify({
      seeds: count,
      failed,
      ...sums,
      'cpu s': Math.round(cpuMs / 1000),
      'cpu ms/seed': Number((cpuMs / count).toFixed(1)),
    }),
  )
  return failed
}

const failed =
  values.seed === undefined ? await soak(Number(values.from), Number(values.seeds)) : await replay(Number(values.seed))
process.exit(failed === 0 ? 0 : 1)
