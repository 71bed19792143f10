import { type BenchRow, type Figure, percentile } from '../measure.ts'
import { openOutside, runRelay } from '../relay-process.ts'
import { inTemporaryDir } from '../temporary-dir.ts'

const events = 200
const orgs = ['root']
const mostMs = 100

/** What a lone event costs beyond the server's hold. */
export const latency: BenchRow = {
  name: 'latency',
  about:
    'a lone event from the row handed to gRPC to the 250 of the mail server: two processes, mutual TLS, SMTP, all stages (4 minutes)',
  measure: () =>
    inTemporaryDir(async (dir) => {
      const outside = await openOutside(dir, orgs)
      try {
        const running = await runRelay({ dir, outside, orgs })
        try {
          await outside.ask({ kind: 'warm' })
          const said = await outside.ask({ kind: 'measure', events })
          if (said.kind !== 'measured') throw new Error(`expected latencies, heard ${said.kind}`)
          return figuresOf(said.latencies)
        } finally {
          await running.stop('SIGTERM')
        }
      } finally {
        await outside.close()
      }
    }),
}

const figuresOf = (latencies: readonly number[]): readonly Figure[] => {
  const common = { unit: 'ms', baseline: null, ratio: null, reference: null }
  const note = `${latencies.length} lone events, from the moment that the server serializes the batch that it held back`
  return [
    { name: 'row to 250, p50', value: percentile(latencies, 50), ...common, bar: null, note },
    { name: 'row to 250, p99', value: percentile(latencies, 99), ...common, bar: { most: mostMs }, note },
  ]
}
