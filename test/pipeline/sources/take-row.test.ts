import { expect, it } from 'vitest'
import { openSortedMap } from '../../../connectors/log/sorted-map.ts'
import { openTurnState } from '../../../pipeline/runtime/turn-state.ts'
import { flowCompletions } from '../../../pipeline/sources/queue-source.ts'
import { readyRow } from '../../../pipeline/sources/ready-row.ts'
import { openRowMemory, openRowTaking } from '../../../pipeline/sources/take-row.ts'
import type { Origin } from '../../../schemas/generated.ts'

const second = 1_776_875_483
const rowOf = (flow: string, origin: Origin) => {
  const row = { ClientId: 'C.1', FlowId: flow, Timestamp: second }
  const arrival = { kind: 'row', source: flowCompletions, json: JSON.stringify(row), row, origin, copy: 0 } as const
  return readyRow(arrival, { org: 'root', readAt: second * 1000, isRepair: false })
}

it('a flow whose end an event has told is not told by a look through flows', () => {
  const take = openRowTaking(openTurnState(openSortedMap()), openRowMemory())
  expect(take(rowOf('F.event', 'live'), undefined)).toHaveLength(1)
  const swept = ['F.event', 'F.mute'].map((flow) => take(rowOf(flow, 'sweep'), undefined).length)
  expect(swept).toEqual([0, 1])
})
