/** What a baseline must reach, so that a slow one does not flatter what is measured beside it. */
export interface Reference {
  readonly value: number
  /** Where the figure comes from. */
  readonly from: string
  /** What is held against it, where the baseline does something larger than the reference did; else the baseline itself. */
  readonly measured?: number
}

/** What a figure must keep. */
export interface Bar {
  readonly least?: number
  readonly most?: number
  /** Least ratio to the baseline. */
  readonly ratio?: number
  /** Largest ratio to the baseline. */
  readonly mostRatio?: number
}

/** One line of the bench. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What the value is compared with, measured in the same run, in the same unit; null: nothing compares. */
  readonly baseline: number | null
  readonly ratio: number | null
  readonly bar: Bar | null
  /** What the baseline must reach within 40 %; null: no figure is known. */
  readonly reference: Reference | null
  /** What was measured against what, for the table. */
  readonly note: string
}

/** A group of figures measured together. */
export interface BenchRow {
  readonly name: string
  readonly about: string
  measure(): Promise<readonly Figure[]>
}

/** The middle of some numbers; of an even count the mean of the two in the middle. */
export const median = (values: readonly number[]): number => percentile(values, 50)

/** The value below which a share of the numbers lies, interpolated. */
export const percentile = (values: readonly number[], percent: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = ((sorted.length - 1) * percent) / 100
  const low = sorted[Math.floor(at)] ?? NaN
  const high = sorted[Math.ceil(at)] ?? NaN
  return low + (high - low) * (at - Math.floor(at))
}

export interface Paired {
  readonly value: number
  readonly baseline: number
  /** The median of the rounds' own ratios: what disturbs the machine disturbs both of a round. */
  readonly ratio: number
}

const usualRounds = 3

/** Measures both in each round, one right after the other, and answers with medians. */
export const paired = async (
  value: () => Promise<number> | number,
  baseline: () => Promise<number> | number,
  rounds = usualRounds,
): Promise<Paired> => {
  const values: number[] = []
  const baselines: number[] = []
  for (let round = 0; round < rounds; round++) {
    values.push(await value())
    baselines.push(await baseline())
  }
  return {
    value: median(values),
    baseline: median(baselines),
    ratio: median(values.map((each, round) => each / (baselines[round] as number))),
  }
}

/** How many a second: `count` things in what `work` takes. */
export const perSecond = async (count: number, work: () => Promise<void> | void): Promise<number> => {
  const begun = performance.now()
  await work()
  return (count * 1000) / (performance.now() - begun)
}

/** How many a second of processor time of the whole process: of work that only computes, whatever else the machine does. */
export const perCpuSecond = (count: number, work: () => void): number => {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (count * 1e6) / (user + system)
}

/** How many a second of this thread's processor time: what it waits for, and what other threads do meanwhile, does not count. */
export const perThreadSecond = async (count: number, work: () => Promise<void> | void): Promise<number> => {
  const before = process.threadCpuUsage()
  await work()
  const { user, system } = process.threadCpuUsage(before)
  return (count * 1e6) / (user + system)
}

const tolerance = 0.6

/** Whether a figure keeps its bar; one without a bar does. */
export const isKept = ({ value, ratio, bar }: Figure): boolean =>
  bar === null ||
  (value >= (bar.least ?? -Infinity) &&
    value <= (bar.most ?? Infinity) &&
    (bar.ratio === undefined || (ratio ?? NaN) >= bar.ratio) &&
    (bar.mostRatio === undefined || (ratio ?? NaN) <= bar.mostRatio))

/** What is wrong with a figure's baseline, or null. */
export const slownessOf = ({ baseline, reference, unit }: Figure): string | null => {
  if (reference === null) return null
  const measured = reference.measured ?? baseline ?? 0
  if (measured >= tolerance * reference.value) return null
  return `${rounded(measured)} ${unit} against ${rounded(reference.value)} (${reference.from})`
}

/** Three digits that count, at most. */
export const rounded = (value: number): string =>
  Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)))
