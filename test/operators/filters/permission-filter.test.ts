import { describe, expect, it } from 'vitest'
import { permissionFilter } from '../../../operators/filters/permission-filter.ts'
import { compilePattern } from '../../../schemas/pattern.ts'
import { flowEvent } from '../flow-events.ts'

const objection = (on: string, required: Readonly<Record<string, readonly string[] | null>>) => {
  const definitions = Object.entries(required).map(([name, permissions]) => ({
    name,
    known: permissions !== null,
    required_permissions: permissions ?? [],
  }))
  return permissionFilter({ alertOn: compilePattern(on) })(flowEvent({ event: { definitions } }))?.reason
}

describe('the permission filter', () => {
  it('needs one matching permission of one artifact', () => {
    expect(objection('execve', { A: [], B: ['FILESYSTEM_READ', 'EXECVE'] })).toBeUndefined()
  })
  it('objects when none matches, and names those there are', () => {
    expect(objection('EXECVE', { A: ['FILESYSTEM_READ'], B: [] })).toBe(
      'no required permission matches EXECVE: FILESYSTEM_READ',
    )
  })
  it('says which artifact has no definition', () => {
    expect(objection('EXECVE', { A: null, B: [] })).toBe(
      'no required permission matches EXECVE: none; no definition of A',
    )
  })
  it('objects to nothing when it is blank', () => expect(objection('', { A: null })).toBeUndefined())
})
