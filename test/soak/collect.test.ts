import { expect, it } from 'vitest'
import { simulateCollect } from './collect-simulation.ts'

it.each([1, 2, 3, 4, 5, 6])(
  'collect loses, invents and repeats nothing whatever goes wrong on both sides (seed %i)',
  async (seed) => {
    const { emitted, lost, invented, repeated, failure, faults } = await simulateCollect(seed)
    expect({ lost, invented, repeated, failure }, faults.join(', ')).toEqual({
      lost: [],
      invented: [],
      repeated: [],
      failure: null,
    })
    expect(emitted).toBe(40)
  },
  60_000,
)
