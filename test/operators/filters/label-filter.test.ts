import { describe, expect, it } from 'vitest'
import { labelFilter } from '../../../operators/filters/label-filter.ts'
import { compilePattern } from '../../../schemas/pattern.ts'
import { flowEvent } from '../flow-events.ts'

const objection = (labels: readonly string[], on = '', ignore = '') =>
  labelFilter({ alertOn: compilePattern(on), ignore: compilePattern(ignore) })(flowEvent({ client: { labels } }))
    ?.reason

describe('the label filter', () => {
  it('objects when no label matches, and names those there are', () => {
    expect(objection(['test', 'lab'], '^prod$')).toBe('no label of the client matches ^prod$: test, lab')
  })
  it('lets clients without labels pass', () => expect(objection([], '^prod$', '.*')).toBeUndefined())
  it('needs one matching label', () => expect(objection(['test', 'PROD'], '^prod$')).toBeUndefined())
  it('objects to an ignored label although another is wanted, and names it', () => {
    expect(objection(['prod', 'test', 'Test2'], 'prod', '^test')).toBe(
      'the client has a label that matches ^test: test, Test2',
    )
  })
  it('objects to nothing when both patterns are blank', () => expect(objection(['x'])).toBeUndefined())
})
