import { expect, it } from 'vitest'
import { openSortedMap } from '../../../connectors/log/sorted-map.ts'
import { openTurnState, type TurnState } from '../../../pipeline/runtime/turn-state.ts'
import { anyQueue, flowCompletions } from '../../../pipeline/sources/queue-source.ts'
import { type ReadyRow, readyRow } from '../../../pipeline/sources/ready-row.ts'
import { forgetRows, openRowMemory, openRowTaking } from '../../../pipeline/sources/take-row.ts'
import type { Origin } from '../../../schemas/generated.ts'

const second = 1_776_875_483
const rowOf = (flow: string, origin: Origin) => {
  const row = { ClientId: 'C.1', FlowId: flow, Timestamp: second }
  const arrival = { kind: 'row', source: flowCompletions, json: JSON.stringify(row), row, origin, copy: 0 } as const
  return readyRow(arrival, { org: 'root', readAt: second * 1000, isRepair: false })
}

it('of a queue that is busy for days, as many are forgotten at each step of its cursor as came since the one before', () => {
  const kept = openSortedMap<Uint8Array>()
  const turn = (use: (state: TurnState) => void): number => {
    const state = openTurnState(kept)
    use(state)
    for (const [key, bytes] of state.puts()) kept.set(key, bytes ?? undefined)
    return state.puts().length
  }
  const queue = anyQueue('Custom.Busy')
  const row = (n: number): ReadyRow => {
    const parsed = { N: n, _ts: second }
    const json = JSON.stringify(parsed)
    const arrival = { kind: 'row', source: queue, json, row: parsed, origin: 'live', copy: 0 } as const
    return readyRow(arrival, { org: 'root', readAt: second * 1000, isRepair: false })
  }
  const thirtySeconds = 30 * 300
  turn((state) => {
    const take = openRowTaking(state, openRowMemory())
    for (let n = 0; n < thirtySeconds; n++) expect(take(row(n), undefined)).toHaveLength(1)
    for (let n = 0; n < thirtySeconds; n++) take(rowOf(`F.${n}`, 'live'), undefined)
  })
  const day = 86_400_000
  const forget = (queueName: string, days: number): number =>
    turn((state) => forgetRows(state, { org: 'root', queue: queueName, readTo: second * 1000 + days * day }))
  expect([forget('Custom.Busy', 1), forget('Custom.Busy', 1)]).toEqual([thirtySeconds, 0])
  expect([forget('System.Flow.Completion', 8), forget('System.Flow.Completion', 8)]).toEqual([thirtySeconds, 0])
})

it('a flow whose end an event has told is not told by a look through flows', () => {
  const take = openRowTaking(openTurnState(openSortedMap()), openRowMemory())
  expect(take(rowOf('F.event', 'live'), undefined)).toHaveLength(1)
  const swept = ['F.event', 'F.mute'].map((flow) => take(rowOf(flow, 'sweep'), undefined).length)
  expect(swept).toEqual([0, 1])
})
