import { collectDefaultMetrics, Counter, Gauge, type GaugeConfiguration, Histogram, Registry } from 'prom-client'
import { type Happening, type HappeningName, happenings, type Tell } from '../../schemas/happenings.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'
import type { Lane, LogWatch } from './watch-log.ts'
import { openOutages } from './outages.ts'

/** Counts what happens and shows it in the text format of Prometheus. No label ever holds an address or what an endpoint wrote. */
export interface Metrics {
  /** Takes a happening into account; says nothing. */
  readonly count: Tell
  recordsDone(lane: Lane, records: number): void
  taskLost(stage: string, partition: number): void
  /** Everything, as it is now. */
  page(): Promise<string>
  readonly contentType: string
}

export interface MetricsOptions {
  readonly clock: Clock
  readonly version: string
  /** Known beforehand, so that their counts begin at 0 and not with the first trouble. */
  readonly orgs: readonly string[]
  readonly channels: readonly string[]
  readonly watch: () => Pick<LogWatch, 'lags' | 'held'> | null
  /** Bytes that are free where the log lies; null: not known, or the log lies elsewhere. */
  readonly diskFree: () => Promise<number | null>
}

/** Seconds: from half a second to the five days after which a deferred letter is usually given up. */
const ageBuckets = [0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 86_400, 5 * 86_400]

/** Facts of a happening that its counter is split by; each has few values, fixed by the configuration. */
const labelsOf: Readonly<Partial<Record<HappeningName, readonly string[]>>> = {
  'source away': ['org'],
  'source back': ['org'],
  'source in sync': ['org'],
  'gap repaired': ['org'],
  'live rows may be lost': ['org'],
  'flows without event': ['org'],
  'lookups away': ['org'],
  'lookups back': ['org'],
  'mail server away': ['channel'],
  'mail server back': ['channel'],
  'mail login refused': ['channel'],
  'event judged': ['monitor', 'artifact', 'outcome'],
  'letter answered': ['channel', 'answer'],
}

/** Shown as something else than a counter. */
const notCounted: ReadonlySet<HappeningName> = new Set([
  'notice told',
  'notices open',
  'queue in sync',
  'queue read back',
  'queue read so far',
])

/** The counter's name of a happening: `letter delivered` is `relay_letter_delivered_total`. */
export const counterName = (name: HappeningName): string =>
  `relay_${name.replace(/^relay /, '').replaceAll(/[^a-z]+/g, '_')}_total`

/** The names of all happenings that have a counter. */
export const countedHappenings: readonly HappeningName[] = (Object.keys(happenings) as HappeningName[]).filter(
  (name) => !notCounted.has(name),
)

/** What one happening counts: itself, or what it sums up. */
const amountOf = ({ name, count, rows }: Happening): number => {
  if (name === 'event judged') return Number(count)
  return name === 'gap repaired' || name === 'flows without event' ? Number(rows) : 1
}

const countersIn = (register: Registry, known: Readonly<Record<string, readonly string[]>>) => {
  const counters = new Map<HappeningName, Counter>()
  for (const name of countedHappenings) {
    const labelNames = labelsOf[name] ?? []
    const counter = new Counter({
      name: counterName(name),
      help: `How often "${name}" happened since the process began.`,
      labelNames,
      registers: [register],
    })
    const [only, ...others] = labelNames
    if (only !== undefined && others.length === 0)
      for (const value of known[only] ?? []) counter.inc({ [only]: value }, 0)
    counters.set(name, counter)
  }
  return (happening: Happening): void => {
    const { name } = happening
    const labels = Object.fromEntries((labelsOf[name] ?? []).map((label) => [label, String(happening[label] ?? '')]))
    counters.get(name)?.inc(labels, amountOf(happening))
  }
}

const gaugesIn = (register: Registry, { clock, watch, diskFree, version }: MetricsOptions) => {
  const gauge = <T extends string>(shown: Omit<GaugeConfiguration<T>, 'registers'>): Gauge<T> =>
    new Gauge({ ...shown, registers: [register] })
  const syncs = new Map<string, { readonly org: string; readonly queue: string; readonly at: EpochMs }>()
  const open = new Map<number, number>()
  gauge({
    name: 'relay_build_info',
    help: 'Always 1; its labels name the version of the relay and of Node.js.',
    labelNames: ['version', 'node'],
  }).set({ version, node: process.version }, 1)
  const outage = gauge({
    name: 'relay_outage',
    help: 'Whether a part is away now: source and lookups by organisation, mail by channel, log by stage.',
    labelNames: ['part', 'name'],
  })
  gauge({
    name: 'relay_lag_seconds',
    help: 'How long the oldest record that a stage has in hand has waited in the log.',
    labelNames: ['stage', 'topic', 'partition'],
    collect() {
      this.reset()
      for (const { stage, topic, partition, lagMs } of watch()?.lags() ?? [])
        this.set({ stage, topic, partition: String(partition) }, lagMs / 1000)
    },
  })
  gauge({
    name: 'relay_tasks',
    help: 'Partitions that this process works on.',
    labelNames: ['stage'],
    collect() {
      this.reset()
      for (const [stage, count] of watch()?.held() ?? []) this.set({ stage }, count)
    },
  })
  gauge({
    name: 'relay_open_notices',
    help: 'Notices that are not settled yet: they gather, wait, or are being sent.',
    labelNames: ['partition'],
    collect() {
      this.reset()
      for (const [partition, notices] of open) this.set({ partition: String(partition) }, notices)
    },
  })
  gauge({
    name: 'relay_queue_sync_age_seconds',
    help: 'Time since an event queue was last known to be read completely.',
    labelNames: ['org', 'queue'],
    collect() {
      this.reset()
      for (const { org, queue, at } of syncs.values()) this.set({ org, queue }, (clock.now() - at) / 1000)
    },
  })
  gauge({
    name: 'relay_log_disk_free_bytes',
    help: 'Free space of the disk that the log lies on.',
    async collect() {
      const free = await diskFree()
      if (free === null) this.remove()
      else this.set(free)
    },
  })
  return { outage, syncs, open }
}

/** Opens the metrics of this process. */
export const openMetrics = (options: MetricsOptions): Metrics => {
  const { clock, orgs, channels } = options
  const register = new Registry()
  collectDefaultMetrics({ register })
  const registers = [register]
  const counted = countersIn(register, { org: orgs, channel: channels })
  const { outage, syncs, open } = gaugesIn(register, options)
  for (const name of orgs) for (const part of ['source', 'lookups']) outage.set({ part, name }, 0)
  for (const name of channels) outage.set({ part: 'mail', name }, 0)
  outage.set({ part: 'log', name: '' }, 0)
  const age = new Histogram({
    name: 'relay_event_age_seconds',
    help: "How old an event was, from the server's receiving it, when the mail server accepted its letter.",
    labelNames: ['channel'],
    buckets: ageBuckets,
    registers,
  })
  for (const channel of channels) age.zero({ channel })
  const records = new Counter({
    name: 'relay_records_done_total',
    help: 'Records read from the log whose turn was committed.',
    labelNames: ['stage', 'topic'],
    registers,
  })
  const outageOf = openOutages()
  return {
    count(happening) {
      const { name, channel, age_ms, partition, notices, org, queue, unread } = happening
      counted(happening)
      const change = outageOf(happening)
      if (change !== null) outage.set({ part: change.part, name: change.name }, change.reason === null ? 0 : 1)
      if (name === 'notice told') age.observe({ channel: String(channel) }, Math.max(0, Number(age_ms)) / 1000)
      if (name === 'notices open') open.set(Number(partition), Number(notices))
      if (name === 'queue in sync')
        syncs.set(JSON.stringify([org, queue]), { org: String(org), queue: String(queue), at: clock.now() })
      if (name === 'source dropped')
        for (const each of String(unread).split(', ')) syncs.delete(JSON.stringify([org, each]))
    },
    recordsDone: ({ stage, topic }, count) => records.inc({ stage, topic }, count),
    taskLost(stage, partition) {
      if (stage === 'deliver') open.delete(partition)
    },
    page: () => register.metrics(),
    contentType: register.contentType,
  }
}
