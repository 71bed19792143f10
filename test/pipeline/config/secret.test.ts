import { format, inspect } from 'node:util'
import { expect, it } from 'vitest'
import { secretOf } from '../../../pipeline/config/secret.ts'

it('shows a secret only to who asks for it', () => {
  const secret = secretOf('hunter2')
  expect(secret.reveal()).toBe('hunter2')
  const seen = [
    String(secret),
    secret.toString(),
    JSON.stringify({ secret }),
    inspect({ secret }, { showHidden: true }),
    format('%s %o %j', secret, secret, secret),
  ]
  expect(seen.join()).not.toContain('hunter2')
  expect(seen[0]).toBe('•••')
  expect({ ...secret }).not.toContain('hunter2')
})
