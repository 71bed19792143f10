import { concatMap, from, takeWhile } from 'rxjs'
import { type EmbeddedLog, openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import type { NewRecord, Turn } from '../../../connectors/log/event-log.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { type BareLog, openBareLog } from '../bare-log.ts'
import { type BenchRow, paired, perSecond } from '../measure.ts'
import { storeReference } from '../references.ts'
import { inTemporaryDir } from '../temporary-dir.ts'

const commits = 300
const recordsEach = 100
const recordBytes = 1024
const upsertsEach = 10
const partitions = 4
const topic = { name: 'bench' }

type Put = readonly (readonly [key: string, value: Uint8Array])[]

const recordsOf = (commit: number): readonly (NewRecord & { readonly partition: number })[] =>
  Array.from({ length: recordsEach }, (_, n) => ({
    topic: topic.name,
    partition: commit % partitions,
    key: `root/C.${commit}.${n}`,
    value: Buffer.alloc(recordBytes, n),
  }))

const putOf = (commit: number): Put =>
  Array.from(
    { length: upsertsEach },
    (_, n) => [`window/${(commit * 37 + n * 101) % 1000}`, Buffer.alloc(100, n)] as const,
  )

const work = Array.from({ length: commits }, (_, commit) => ({ records: recordsOf(commit), put: putOf(commit) }))

const withLog = (measure: (log: EmbeddedLog) => Promise<number>): Promise<number> =>
  inTemporaryDir(async (dir) => {
    const log = await openEmbeddedLog({ dir, partitions, topics: [topic], clock: systemClock(), tell: () => undefined })
    const rate = await measure(log)
    await log.close()
    return rate
  })

const withBareLog = (measure: (log: BareLog) => Promise<number>): Promise<number> =>
  inTemporaryDir(async (dir) => {
    const log = openBareLog(dir)
    const rate = await measure(log)
    log.close()
    return rate
  })

const append = (): Promise<number> =>
  withLog((log) =>
    perSecond(commits * recordsEach, async () => {
      for (const { records } of work) await log.append(records)
    }),
  )

/** A task that commits in each turn what a stage would. */
const commit = (): Promise<number> =>
  withLog((log) =>
    perSecond(
      commits * recordsEach,
      () =>
        new Promise((resolve, reject) => {
          let done = 0
          const next = (turn: Turn, wake: (at: number) => void): Promise<void> => {
            const { records, put } = work[done++] as (typeof work)[number]
            wake(turn.now)
            return turn.commit({ append: records, put })
          }
          log
            .tasks({ name: 'bench', inputs: [], slots: 1 })
            .pipe(
              concatMap((task) => {
                task.wake(0)
                return task.turns.pipe(concatMap((turn) => from(next(turn, task.wake))))
              }),
              takeWhile(() => done < commits),
            )
            .subscribe({ error: reject, complete: resolve })
        }),
    ),
  )

const bare = (withUpserts: boolean): Promise<number> =>
  withBareLog((log) =>
    perSecond(commits * recordsEach, () => {
      for (const { records, put } of work)
        log.commit(
          records.map((record) => ({ ...record, timestamp: Date.now() })),
          withUpserts ? put : [],
        )
    }),
  )

const ratio = 0.6

/** The embedded log against prepared statements on the same tables. */
export const log: BenchRow = {
  name: 'log',
  about:
    'records of 1 KiB, 100 to a commit, fsync at each: append from outside, and a task that commits 10 state values too',
  async measure() {
    const appended = await paired(append, () => bare(false))
    const committed = await paired(commit, () => bare(true))
    const common = { unit: 'records/s', bar: { ratio }, reference: storeReference }
    return [
      {
        name: 'log append',
        ...appended,
        ...common,
        note: 'append() against a bare better-sqlite3 loop on the same tables',
      },
      {
        name: 'log commit',
        ...committed,
        ...common,
        note: 'a task turn with 10 puts against the same loop with 10 upserts',
      },
    ]
  },
}
