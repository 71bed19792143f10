import { beforeEach, describe, expect, it } from 'vitest'
import { decide } from '../../pipeline/decide.ts'
import { encode } from '../../schemas/codec.ts'
import { topics } from '../../schemas/topics.ts'
import { flowEvent } from '../operators/flow-events.ts'
import { monitorWith } from './monitors/flow-monitors.ts'
import { openStageWorld, type Running, type StageWorld, start } from './runtime/stage-world.ts'

const minute = 60_000
const hour = 60 * minute
const dedup = { windowMs: hour, window: '1h', by: ['client.id'] } as const

let world: StageWorld
beforeEach(() => (world = openStageWorld()))

const run = (): Running =>
  world.run(
    decide({
      ...world.common,
      monitors: () => ({ monitors: { FlowEvent: [monitorWith({}, { dedup })], AlertEvent: [] }, configuration: 'c1' }),
    }),
  )
/** Events come in this order, each with its own time in minutes. */
const arrive = async (...minutes: readonly number[]): Promise<void> => {
  for (const at of minutes) {
    const event = flowEvent({
      event: { id: `${at}`, told_once_as: `${at}`, received_at: start + at * minute },
    })
    await world.log.append([{ topic: topics.flowEvents.name, key: 'k', value: encode('FlowEvent', event) }])
  }
  await world.settle()
}
/** Of which event each is a repeat; '' where it was told. */
const repeats = async (): Promise<readonly string[]> =>
  (await world.outcomes()).map(({ event, verdicts }) => `${event} ${verdicts[0]?.of ?? ''}`.trim())

describe('a dedup window', () => {
  it('of what is read back after an outage stands beside that of the first live event', async () => {
    run()
    await arrive(200, 0, 1, 59, 60, 61, 199, 201, 259, 260)
    expect(await repeats()).toEqual(['200', '0', '1 0', '59 0', '60', '61 60', '199', '201 200', '259 200', '260'])
  })

  it('outlives the relay, as does that of what was read back', async () => {
    const before = run()
    await arrive(200, 0)
    before.stop()
    await world.reopen()
    run()
    await arrive(30, 230)
    expect(await repeats()).toEqual(['200', '0', '30 0', '230 200'])
  })

  it('is forgotten some time after it is over, and not before', async () => {
    run()
    await arrive(0)
    await world.pass(30 * 24 * hour)
    await arrive(30)
    expect((await repeats()).at(-1)).toBe('30 0')
    await world.pass(100 * 24 * hour)
    // Forgetting is the work of a turn.
    await arrive(1)
    await arrive(2)
    expect((await repeats()).at(-1)).toBe('2')
  })
})
