import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { countedHappenings, counterName, type Metrics, openMetrics } from '../../../pipeline/observing/metrics.ts'
import type { LogWatch } from '../../../pipeline/observing/watch-log.ts'
import { virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'
import { happenings } from '../../../schemas/happenings.ts'
import { start } from '../runtime/stage-world.ts'
import { documented, familiesOf, type Family, samplesOf } from './metrics-page.ts'

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')

const open = (watch: Pick<LogWatch, 'lags' | 'held'> | null = null): { metrics: Metrics; pass(ms: number): void } => {
  const clock = virtualClock(start)
  const metrics = openMetrics({
    clock,
    version: '1.2.3',
    orgs: ['root'],
    channels: ['default'],
    watch: () => watch,
    diskFree: () => Promise.resolve(5e9),
  })
  return { metrics, pass: (ms) => clock.advanceTo(clock.now() + ms) }
}

const ownFamilies = async (metrics: Metrics): Promise<readonly Family[]> =>
  familiesOf(await metrics.page()).filter(({ name }) => name.startsWith('relay_'))

describe('the metrics page', () => {
  it('keeps the conventions of Prometheus: names, units, help, and _total for counters alone', async () => {
    const families = await ownFamilies(open().metrics)
    expect(families.length).toBeGreaterThan(30)
    for (const { name, type, help } of families) {
      expect(name).toMatch(/^relay(_[a-z0-9]+)+$/)
      expect([name, help]).toEqual([name, expect.stringMatching(/^["A-Z].{10,}\.$/)])
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter'])
      // Base units only, and never the type in the name.
      expect(name).not.toMatch(/_(ms|milliseconds|minutes|hours|kb|mb|percent|gauge|counter|histogram|summary)(_|$)/)
      expect(['counter', 'gauge', 'histogram']).toContain(type)
    }
    expect(new Set(families.map(({ name }) => name)).size).toBe(families.length)
  })

  it('has labels of lower case, none of which its type reserves', async () => {
    const { metrics } = open({
      lags: () => [{ stage: 'decide', topic: 'events.flows', partition: 0, lagMs: 1 }],
      held: () => new Map([['decide', 4]]),
    })
    metrics.count({ name: 'event judged', monitor: 'soc', artifact: 'A', outcome: 'told', count: 1 })
    for (const { name, labels } of samplesOf(await metrics.page()).filter((sample) => sample.name.startsWith('relay_')))
      for (const label of Object.keys(labels))
        expect([name, label]).toEqual([
          name,
          expect.stringMatching(name.endsWith('_bucket') ? /^(le|channel)$/ : /^(?!le$|quantile$|__)[a-z_]+$/),
        ])
  })

  it('has a counter for every happening that is not shown otherwise, from 0 where its labels are known', async () => {
    const { metrics } = open()
    const names = (await ownFamilies(metrics)).map(({ name }) => name)
    for (const happening of countedHappenings) expect(names).toContain(counterName(happening))
    const shownOtherwise = Object.keys(happenings).filter((name) => !(countedHappenings as string[]).includes(name))
    expect(shownOtherwise).toEqual([
      'queue in sync',
      'queue read back',
      'queue read so far',
      'notice told',
      'notices open',
    ])
    const page = samplesOf(await metrics.page())
    expect(page).toContainEqual({ name: 'relay_mail_server_away_total', labels: { channel: 'default' }, value: 0 })
    expect(page).toContainEqual({ name: 'relay_source_away_total', labels: { org: 'root' }, value: 0 })
    expect(page).toContainEqual({ name: 'relay_letter_delivered_total', labels: {}, value: 0 })
  })

  it('is documented: what the README names exists, and what exists is named there', async () => {
    const names = (await ownFamilies(open().metrics)).map(({ name }) => name)
    const general = new Set(countedHappenings.map(counterName))
    expect(names.filter((name) => !general.has(name)).toSorted()).toEqual(
      documented(readme)
        .filter((name) => !general.has(name))
        .toSorted(),
    )
    for (const name of documented(readme)) expect(names).toContain(name)
  })

  it('puts no address of a happening on the page', async () => {
    const { metrics } = open()
    for (const name of countedHappenings)
      metrics.count({ name, reason: 'to jane@example.org', event: 'e', letter: 'jane@example.org', count: 1 })
    expect(await metrics.page()).not.toContain('example.org')
  })
})

describe('a metric moves:', () => {
  type Move = readonly [
    what: string,
    move: (metrics: Metrics, pass: (ms: number) => void) => void,
    sample: string,
    before: number | undefined,
    after: number | undefined,
  ]
  const moves: readonly Move[] = [
    [
      'an outage begins',
      ({ count }) => count({ name: 'mail server away', channel: 'default', reason: 'x' }),
      'relay_outage{part="mail",name="default"}',
      0,
      1,
    ],
    [
      'an outage ends',
      ({ count }) => {
        count({ name: 'source away', org: 'root', reason: 'x' })
        count({ name: 'source back', org: 'root' })
      },
      'relay_source_back_total{org="root"}',
      0,
      1,
    ],
    [
      'a retention that could not run is no outage of the log',
      ({ count }) => count({ name: 'log unavailable', reason: 'x', during: 'retention' }),
      'relay_log_unavailable_total',
      0,
      1,
    ],
    [
      'verdicts are given',
      ({ count }) => {
        count({ name: 'event judged', monitor: 'soc', artifact: 'A', outcome: 'told', count: 3 })
        count({ name: 'event judged', monitor: 'soc', artifact: 'A', outcome: 'told', count: 2 })
      },
      'relay_event_judged_total{monitor="soc",artifact="A",outcome="told"}',
      undefined,
      5,
    ],
    [
      'a letter is answered',
      ({ count }) => count({ name: 'letter answered', channel: 'default', answer: 'deferred' }),
      'relay_letter_answered_total{channel="default",answer="deferred"}',
      undefined,
      1,
    ],
    [
      'a notice is told',
      ({ count }) => count({ name: 'notice told', channel: 'default', age_ms: 1500 }),
      'relay_event_age_seconds_sum{channel="default"}',
      0,
      1.5,
    ],
    [
      'a notice is told, by age',
      ({ count }) => count({ name: 'notice told', channel: 'default', age_ms: 1500 }),
      'relay_event_age_seconds_bucket{le="2",channel="default"}',
      0,
      1,
    ],
    [
      'notices wait',
      ({ count }) => count({ name: 'notices open', partition: 2, notices: 7 }),
      'relay_open_notices{partition="2"}',
      undefined,
      7,
    ],
    [
      'a queue is in sync',
      ({ count }, pass) => {
        count({ name: 'queue in sync', org: 'root', queue: 'System.Flow.Completion' })
        pass(2500)
      },
      'relay_queue_sync_age_seconds{org="root",queue="System.Flow.Completion"}',
      undefined,
      2.5,
    ],
    [
      'a queue is read no more',
      ({ count }) => {
        for (const queue of ['A', 'B']) count({ name: 'queue in sync', org: 'root', queue })
        count({ name: 'source dropped', org: 'root', queues: 'A, B', unread: 'B' })
      },
      'relay_queue_sync_age_seconds{org="root",queue="B"}',
      undefined,
      undefined,
    ],
    [
      'records are done',
      ({ recordsDone }) => recordsDone({ stage: 'decide', topic: 'events.flows', partition: 1 }, 12),
      'relay_records_done_total{stage="decide",topic="events.flows"}',
      undefined,
      12,
    ],
  ]
  it.each(moves)('%s', async (_what, move, sample, before, after) => {
    const { metrics, pass } = open()
    const value = async (): Promise<number | undefined> =>
      samplesOf(await metrics.page()).find(
        ({ name, labels }) =>
          name +
            (Object.keys(labels).length === 0
              ? ''
              : `{${Object.entries(labels)
                  .map(([key, of]) => `${key}="${of}"`)
                  .join()}}`) ===
          sample,
      )?.value
    expect(await value()).toBe(before)
    move(metrics, pass)
    expect(await value()).toBe(after)
  })

  it('what a lost task had open is shown by its next owner alone', async () => {
    const { metrics } = open()
    metrics.count({ name: 'notices open', partition: 2, notices: 7 })
    metrics.taskLost('decide', 2)
    expect(await metrics.page()).toContain('relay_open_notices{partition="2"} 7')
    metrics.taskLost('deliver', 2)
    expect(await metrics.page()).not.toContain('relay_open_notices{')
  })

  it('lags, tasks, disk and build are asked for when the page is', async () => {
    const { metrics } = open({
      lags: () => [{ stage: 'decide', topic: 'events.flows', partition: 3, lagMs: 1500 }],
      held: () => new Map([['decide', 4]]),
    })
    const page = await metrics.page()
    expect(page).toContain('relay_lag_seconds{stage="decide",topic="events.flows",partition="3"} 1.5')
    expect(page).toContain('relay_tasks{stage="decide"} 4')
    expect(page).toContain('relay_log_disk_free_bytes 5000000000')
    expect(page).toContain(`relay_build_info{version="1.2.3",node="${process.version}"} 1`)
    expect(page).toMatch(/^process_resident_memory_bytes \d+$/m)
  })
})
