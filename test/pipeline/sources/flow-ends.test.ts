import fc from 'fast-check'
import { expect, it } from 'vitest'
import { openSortedMap } from '../../../connectors/log/sorted-map.ts'
import { openTurnState, type TurnState } from '../../../pipeline/runtime/turn-state.ts'
import {
  type FlowEnds,
  forgetFlowEnds,
  isKnownEnd,
  openFlowEndMemory,
  openFlowEnds,
} from '../../../pipeline/sources/flow-ends.ts'
import type { FlowEnd } from '../../../pipeline/sources/queue-source.ts'

const day = 86_400_000
const T = Date.UTC(2026, 3, 22, 14)
const endOf = (flow: string, at = T, client = 'C.1'): FlowEnd => ({ client, flow, at })

/** A task that may be begun anew: its state stays, what it remembers does not. */
const openTask = () => {
  const map = openSortedMap<Uint8Array>()
  let memory = openFlowEndMemory()
  let looks = 0
  const counted = { ...map, get: (key: string) => (looks++, map.get(key)) }
  return {
    state: map,
    looks: () => looks,
    beginAnew: () => void (memory = openFlowEndMemory()),
    turn<R>(use: (ends: FlowEnds, state: TurnState) => R, org = 'root'): R {
      const state = openTurnState(counted)
      memory.beginTurn()
      const result = use(openFlowEnds(state, org, memory), state)
      for (const [key, bytes] of state.puts()) map.set(key, bytes ?? undefined)
      return result
    },
  }
}

it('ends are known by flow, client and second, and flows by the days around, in whatever order they come and whenever the task begins anew', () => {
  const flow = fc.constantFrom('F.1', 'F.10', 'F.1.H')
  const client = fc.constantFrom('C.1', 'C.10', 'server')
  const at = fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 3 })).map(([days, seconds]) => T + days * day + seconds * 700)
  const deed = fc.record({ flow, client, at, isAnew: fc.boolean() })
  const secondOf = ({ at: ms }: FlowEnd) => Math.floor(ms / 1000)
  const dayOf = ({ at: ms }: FlowEnd) => Math.floor(ms / day)
  fc.assert(
    fc.property(fc.array(fc.array(deed)), (turns) => {
      const task = openTask()
      const taken: FlowEnd[] = []
      for (const deeds of turns) {
        if (deeds[0]?.isAnew === true) task.beginAnew()
        task.turn((ends) => {
          for (const end of deeds) {
            const ofFlow = taken.filter((one) => one.flow === end.flow && one.client === end.client)
            const isTaken = ofFlow.some((one) => secondOf(one) === secondOf(end))
            expect(ends.has(end)).toBe(isTaken)
            expect(ends.hasOfFlow(end)).toBe(ofFlow.some((one) => Math.abs(dayOf(one) - dayOf(end)) <= 1))
            if (isTaken) continue
            ends.add(end)
            taken.push(end)
          }
        })
        for (const end of taken) expect(isKnownEnd(task.state, 'root', end)).toBe(true)
      }
    }),
  )
})

it('of organisations are apart', () => {
  const task = openTask()
  task.turn((ends) => ends.add(endOf('F.1')), 'O1')
  task.turn((ends) => {
    expect(ends.has(endOf('F.1'))).toBe(false)
    expect(ends.hasOfFlow(endOf('F.1'))).toBe(false)
  }, 'O2')
})

it('that are later than all taken before are never looked for, also once the task has begun anew', () => {
  const task = openTask()
  const takeMany = (from: number): void => {
    for (let turn = 0; turn < 10; turn++)
      task.turn((ends) => {
        for (let n = 0; n < 50; n++) {
          const end = endOf(`F.${turn}.${n}`, from + turn * 1000, `C.${n}`)
          expect(ends.has(end)).toBe(false)
          ends.add(end)
        }
      })
  }
  takeMany(T)
  task.beginAnew()
  takeMany(T + day)
  // Each turn asks for the latest end.
  expect(task.looks()).toBe(20)
  expect(task.turn((ends) => ends.has(endOf('F.3.7', T + 3000, 'C.7')))).toBe(true)
})

it('are forgotten by the day, a bounded number at a time', () => {
  const task = openTask()
  task.turn((ends) => {
    for (let n = 0; n < 250; n++) ends.add(endOf(`F.${n}`))
    ends.add(endOf('F.late', T + day))
  })
  const forget = (): number =>
    task.turn((_, state) => {
      forgetFlowEnds(state, 'root', T + day, 200)
      return state.puts().length
    })
  expect([forget(), forget(), forget()]).toEqual([200, 50, 0])
  task.turn((ends) => {
    expect(ends.hasOfFlow(endOf('F.1'))).toBe(false)
    expect(ends.has(endOf('F.late', T + day))).toBe(true)
  })
})

it('are found by a memory that was full and has forgotten', () => {
  const memory = openFlowEndMemory()
  const mayHave = (key: string, latest: number): boolean => memory.mayHave('root', key, T + 1000, () => latest)
  expect(mayHave('F.1/C.1/1', T)).toBe(false)
  memory.add('F.1/C.1/1')
  for (let n = 0; n < 1_000_000; n++) memory.add(`F.${n}/C.2/2`)
  memory.beginTurn()
  expect(mayHave('F.1/C.1/1', T + 1000)).toBe(true)
})
