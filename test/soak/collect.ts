/**
 * `npm run soak:collect -- [--seeds 2000] [--from 1]`: collect and enrich against a stand-in server under a virtual clock, with faults on
 * both sides, once a seed. Says which seeds lost, invented or repeated an event; the same seed gives the same run.
 */
import { inspect, parseArgs } from 'node:util'
import { simulateCollect } from './collect-simulation.ts'

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '2000' }, from: { type: 'string', default: '1' } },
})
const first = Number(values.from)
const last = first + Number(values.seeds) - 1
const begun = performance.now()
const sums = { emitted: 0, repaired: 0, swept: 0, lost: 0, invented: 0, repeated: 0, failed: 0 }
let failed = 0
for (let seed = first; seed <= last; seed++) {
  const { emitted, repaired, swept, lost, invented, repeated, failure, faults } = await simulateCollect(seed)
  sums.emitted += emitted
  sums.repaired += repaired
  sums.swept += swept
  sums.lost += lost.length
  sums.invented += invented.length
  sums.repeated += repeated.length
  if (failure !== null) sums.failed++
  if (lost.length + invented.length + repeated.length > 0 || failure !== null) {
    failed++
    console.log(JSON.stringify({ seed, lost, invented, repeated, failure: inspect(failure), faults }))
  } else if ((seed - first + 1) % 100 === 0) console.log(`${seed - first + 1} seeds, ${failed} failed`)
}
console.log(JSON.stringify({ seeds: last - first + 1, ...sums, s: Math.round((performance.now() - begun) / 1000) }))
process.exitCode = failed === 0 ? 0 : 1
