import { from } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { isTold, type Judgement, judgementOf, repeating } from '../../operators/judgement.ts'
import { raised } from '../../operators/raised.ts'

const after = (judgement: Judgement<string>): Judgement<string> | undefined => {
  let last: Judgement<string> | undefined
  from([judgement])
    .pipe(raised())
    .subscribe((each) => {
      last = each
    })
  return last
}

describe('events that become alerts', () => {
  it('are told though they have no recipient', () => {
    const judgement = after(judgementOf('e'))
    expect(judgement).toMatchObject({ raises: true, recipients: [] })
    expect(isTold(judgement as Judgement<string>)).toBe(true)
  })

  it('are none that a filter objected to, or that repeat another', () => {
    const objected = { ...judgementOf('e'), objections: [{ by: 'message', reason: 'no' }] }
    expect(after(objected)).toEqual(objected)
    const repeat = repeating(judgementOf('e'), { event: 'd', reason: 'like it' })
    expect(after(repeat)).toEqual(repeat)
    expect(isTold(repeating({ ...judgementOf('e'), raises: true }, { event: 'd', reason: 'like it' }))).toBe(false)
  })
})
