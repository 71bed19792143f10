import { type BenchRow, type Figure, percentile } from '../measure.ts'
import { openOutside, runRelay } from '../relay-process.ts'
import { inTemporaryDir } from '../temporary-dir.ts'

const events = 200
const orgs = ['root']
const mostMs = 100

/** Latencies of lone events through a relay with all stages in a process of its own. `log`: the configuration's, left out: embedded. */
export const measureLatency = (
  terms: { readonly events: number; readonly mostMs: number; readonly name: string },
  log?: string,
): Promise<readonly Figure[]> =>
  inTemporaryDir(async (dir) => {
    const outside = await openOutside(dir, orgs)
    try {
      const running = await runRelay({ dir, outside, orgs, ...(log === undefined ? {} : { log }) })
      try {
        await outside.ask({ kind: 'warm' })
        const said = await outside.ask({ kind: 'measure', events: terms.events })
        if (said.kind !== 'measured') throw new Error(`expected latencies, heard ${said.kind}`)
        return figuresOf(said.latencies, said.timerDelays, terms)
      } finally {
        await running.stop('SIGTERM')
      }
    } finally {
      await outside.close()
    }
  })

/** What a lone event costs beyond the server's hold. */
export const latency: BenchRow = {
  name: 'latency',
  about:
    'a lone event from the row handed to gRPC to the 250 of the mail server: two processes, mutual TLS, SMTP, all stages (4 minutes)',
  measure: () => measureLatency({ events, mostMs, name: 'row to 250' }),
}

const figuresOf = (
  latencies: readonly number[],
  timerDelays: readonly number[],
  { mostMs: most, name }: { readonly mostMs: number; readonly name: string },
): readonly Figure[] => {
  const figure = (percent: number, bar: Figure['bar']): Figure => {
    const value = percentile(latencies, percent)
    const baseline = percentile(timerDelays, percent)
    return {
      name: `${name}, p${percent}`,
      value,
      unit: 'ms',
      baseline,
      ratio: value / baseline,
      bar,
      reference: null,
      note:
        `${latencies.length} lone events, from the moment that the server serializes the batch that it held back; ` +
        'beside it how late a timer came meanwhile: that much is the machine, at each step',
    }
  }
  return [figure(50, null), figure(99, { most })]
}
