/** How far a replay is. */
export interface Moment {
  readonly stage: string
  /** Of the stage: 0 to 1. */
  readonly share: number
  readonly records: number
  readonly perSecond: number
  /** null: too early to say. */
  readonly secondsLeft: number | null
}

export interface Progress {
  /** A stage has come so far, with so many records more. */
  report(stage: string, share: number, records: number): void
  /** Of all stages. */
  records(): number
}

const leastSeconds = 0.5

/** Counts, and says it where it is asked to. `now`: monotonic, ms. */
export const openProgress = (show: (moment: Moment) => void, now: () => number): Progress => {
  let stage = ''
  let begun = 0
  let firstShare = 0
  let inStage = 0
  let all = 0
  return {
    report(name, share, records) {
      if (name !== stage) {
        stage = name
        begun = now()
        firstShare = share
        inStage = 0
      }
      inStage += records
      all += records
      const seconds = (now() - begun) / 1000
      const done = share - firstShare
      show({
        stage,
        share,
        records: inStage,
        perSecond: seconds > 0 ? inStage / seconds : 0,
        secondsLeft: seconds < leastSeconds || done <= 0 ? null : (seconds / done) * (1 - share),
      })
    },
    records: () => all,
  }
}
