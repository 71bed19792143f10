import { describe, expect, it } from 'vitest'
import { standInVelociraptor } from '../../../../connectors/velociraptor/stand-in/in-process.ts'
import { createWorld } from '../../../../connectors/velociraptor/stand-in/world.ts'
import { virtualClock } from '../../../../pipeline/runtime/virtual-clock.ts'

/** The value of an expression as the stand-in's evaluator has it. */
const valueOf = (expression: string): unknown => {
  const clock = virtualClock(0)
  const rows: string[] = []
  standInVelociraptor(createWorld({}), { clock })
    .query({ org: 'root', vql: `SELECT ${expression} AS Value FROM scope()` })
    .subscribe((message) => message.kind === 'rows' && rows.push(...message.rows))
  clock.advanceTo(1000)
  const [row = 'null', ...more] = rows
  if (more.length > 0) throw new Error('several rows')
  return (JSON.parse(row) as { readonly Value: unknown }).Value
}

describe('what VQL holds for true', () => {
  it('RX-10 is every number above zero, every text but the empty one, and every list that is not empty', () => {
    const truth = ['0', '-1', "''", "'false'", '[]', '[0, ]', 'NULL', 'dict()', 'dict(a=0)'].map((value) =>
      valueOf(`if(condition=${value}, then='yes', else='no')`),
    )
    expect(truth).toEqual(['no', 'no', 'no', 'yes', 'no', 'yes', 'no', 'no', 'yes'])
  })

  it('RX-11 is found with OR before AND', () => {
    expect(valueOf('FALSE OR TRUE AND FALSE')).toBe(false)
    expect(valueOf('TRUE OR TRUE AND FALSE')).toBe(false)
    expect(valueOf('TRUE OR (TRUE AND FALSE)')).toBe(true)
  })
})
