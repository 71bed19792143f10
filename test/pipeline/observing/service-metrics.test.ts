import { describe, expect, it, vi } from 'vitest'
import { openMetrics } from '../../../pipeline/observing/metrics.ts'
import { watchLog } from '../../../pipeline/observing/watch-log.ts'
import {
  accepted,
  answering,
  deferred,
  noticeTo,
  openHandSink,
  openMailWorld,
  startProcess,
} from '../mailing/mail-world.ts'
import { samplesOf } from './metrics-page.ts'

describe('what deliver does moves the metrics:', () => {
  it('open notices, answers, and the age of an event when it is accepted', async () => {
    const world = openMailWorld()
    vi.spyOn(performance, 'now').mockImplementation(() => world.clock.now())
    const metrics = openMetrics({
      clock: world.clock,
      version: '0',
      orgs: [],
      channels: ['default'],
      watch: () => null,
      diskFree: () => Promise.resolve(null),
    })
    const { log } = watchLog({
      log: world.log,
      clock: world.clock,
      onDone: metrics.recordsDone,
      onLost: metrics.taskLost,
    })
    const sink = openHandSink(world.clock, answering(deferred, accepted))
    const watchedWorld = Object.assign(Object.create(world) as typeof world, {})
    Object.defineProperty(watchedWorld, 'log', { value: log })
    Object.defineProperty(watchedWorld, 'common', { value: { ...world.common, log, tell: metrics.count } })
    startProcess(watchedWorld, { sinks: { default: sink } })
    await world.settle()
    const shown = async (): Promise<Readonly<Record<string, number>>> =>
      Object.fromEntries(
        samplesOf(await metrics.page())
          .filter(({ name }) =>
            /^relay_(open_notices|letter_answered_total|event_age_seconds_count|records_done_total|letter_delivered_total)$/.test(
              name,
            ),
          )
          .map(({ name, labels, value }) => [
            [name, labels['answer'] ?? labels['topic']].filter(Boolean).join(' '),
            value,
          ]),
      )
    expect(await shown()).toEqual({
      relay_open_notices: 0,
      relay_event_age_seconds_count: 0,
      relay_letter_delivered_total: 0,
    })
    await world.notify(noticeTo('soc@example.org'))
    expect(await shown()).toMatchObject({ relay_open_notices: 1, 'relay_letter_answered_total deferred': 1 })
    await world.pass(60_000)
    expect(await shown()).toEqual({
      relay_open_notices: 0,
      'relay_letter_answered_total deferred': 1,
      'relay_letter_answered_total accepted': 1,
      relay_event_age_seconds_count: 1,
      relay_letter_delivered_total: 1,
      'relay_records_done_total notices': 1,
      'relay_records_done_total receipts': 2,
    })
    vi.restoreAllMocks()
  })
})
