import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runRelay, writeConfiguration } from './run-relay.ts'

let dir = ''
let file = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'relay-secrets-'))
  file = writeConfiguration(dir)
  const text = readFileSync(file, 'utf8')
  const login = 'url: "smtp://relay@mail.example.org", password: { env: RELAY_TEST_NOT_SET }'
  writeFileSync(file, text.replace('url: "smtp://mail.example.org"', login))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('beside a service that has the mail password, without it', () => {
  it.each([
    ['why', 'F.D7KDSKSILR3TG'],
    ['audit'],
    ['preview', 'F.D7KDSKSILR3TG'],
    ['dead', 'list'],
    ['replay', '--from', '2h'],
  ])('relay %s looks at the log', async (...words) => {
    const { code, err } = await runRelay(...words, '-c', file)
    expect([code, err]).toEqual([1, expect.stringMatching(/here is no log in/)])
  })

  it('relay status asks the service', async () => {
    writeFileSync(file, `${readFileSync(file, 'utf8')}http: { listen: '127.0.0.1:1' }\n`)
    const { code, err } = await runRelay('status', '-c', file)
    expect([code, err]).toEqual([1, expect.stringContaining('no relay answers')])
  })

  it.each([['run'], ['check'], ['send-mail', '--to', 'a@example.org', '--text', 'x']])(
    'relay %s says what to set',
    async (...words) => {
      const { code, out, err } = await runRelay(...words, '-c', file)
      expect([code, out + err]).toEqual([2, expect.stringContaining('mail.password.env')])
    },
  )
})
