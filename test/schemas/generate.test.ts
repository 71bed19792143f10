import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

describe('the generated types', () => {
  it('are up to date, and every present schema is in history', async () => {
    const script = fileURLToPath(new URL('../../schemas/generate.ts', import.meta.url))
    const { stderr } = await promisify(execFile)(process.execPath, [script, '--check'])
    expect(stderr).toBe('')
  })
})
