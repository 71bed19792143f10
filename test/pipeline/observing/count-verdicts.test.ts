import { describe, expect, it } from 'vitest'
import { openVerdictCounts } from '../../../pipeline/observing/count-verdicts.ts'
import type { Verdict } from '../../../schemas/generated.ts'
import type { Happening } from '../../../schemas/happenings.ts'

const verdict = (monitor: string, outcome: Verdict['outcome']): Verdict => ({
  monitor,
  artifact: `${monitor} artifact`,
  outcome,
  objections: [],
  overruled_by: [],
  of: '',
  reason: '',
  notices: [],
  warnings: [],
})

describe('verdicts', () => {
  it('are counted for each monitor and outcome, whatever events they belong to', () => {
    const told: Happening[] = []
    const counts = openVerdictCounts()
    for (const each of [
      verdict('soc', 'told'),
      verdict('vip', 'objected'),
      verdict('soc', 'told'),
      verdict('vip', 'told'),
      verdict('soc', 'duplicate'),
    ])
      counts.count(each)
    counts.tell((happening) => void told.push(happening))
    const counted = (monitor: string, outcome: Verdict['outcome'], count: number) => ({
      name: 'event judged',
      monitor,
      artifact: `${monitor} artifact`,
      outcome,
      count,
    })
    expect(told).toHaveLength(4)
    expect(told).toEqual(
      expect.arrayContaining([
        counted('soc', 'told', 2),
        counted('soc', 'duplicate', 1),
        counted('vip', 'objected', 1),
        counted('vip', 'told', 1),
      ]),
    )
  })
})
