import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startStandIn, type StandIn } from '../../../connectors/velociraptor/stand-in/server.ts'
import { createWorld } from '../../../connectors/velociraptor/stand-in/world.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { recordedTable } from '../import/tables.ts'
import { feedRelay, runRelay } from './run-relay.ts'

const table = (JSON.parse(recordedTable) as { readonly M: unknown }).M

describe('relay import', { timeout: 120_000 }, () => {
  let dir: string
  let server: StandIn
  let output: string
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'relay-import-'))
    output = join(dir, 'relay.yaml')
    const world = createWorld({ server_monitoring: table, now: Date.now() })
    server = await startStandIn({ world, clock: systemClock(), port: 0, dir })
  })
  afterEach(async () => {
    await server.close()
    rmSync(dir, { recursive: true })
  })

  it('writes what the running server does, says what to switch off, and never writes over a file', async () => {
    const words = ['import', '--api-config', server.apiConfig, '-o', output] as const
    const first = await runRelay(...words)
    expect(first).toMatchObject({ code: 0, err: '' })
    expect(first.out).toContain("SELECT rm_server_monitoring(artifact='Server.Monitor.FlowCompletion') FROM scope()")
    expect(first.out).toContain('Stay as they are: Lab.Server.Alerter')
    expect(first.out).toMatch(/D-01 flow-completion, NewClientArtifacts \(not set\)/)
    expect(statSync(output).mode & 0o077).toBe(0)
    const text = readFileSync(output, 'utf8')
    expect(text).toContain('NotifyMetadataEMail:')
    expect(await runRelay(...words, '--mail-from', 'b@example.org')).toMatchObject({ code: 2, out: '' })
    expect(readFileSync(output, 'utf8')).toBe(text)
    expect((await runRelay(...words, '--mail-from', 'b@example.org', '--force')).code).toBe(0)
    expect(readFileSync(output, 'utf8')).toContain('from: b@example.org')
  })

  it('reads pasted parameters, says what is lost with exit 1, and what is no import with exit 1 or 2', async () => {
    const file = join(dir, 'pasted.csv')
    const paste = (text: string, ...words: readonly string[]) => {
      writeFileSync(file, text)
      return runRelay('import', '--from', file, '-o', '-', ...words)
    }
    const whole = await paste(
      '\uFEFFParameter,Value\r\nRecipients,"Address\r\nsoc@example.org\r\n"\r\n',
      '--artifact',
      'Server.Monitor.Alerts',
    )
    expect(whole.code).toBe(0)
    expect(whole.out).toContain('Recipients: [soc@example.org]')
    const lost = await paste('Artifact,Parameter,Value\nServer.Monitor.Alerts,AlertMsgInclude,(\n')
    expect(lost).toMatchObject({ code: 1 })
    expect(lost.err).toMatch(/NOT TAKEN OVER.*\n\s+alerts: AlertMsgInclude is no pattern/)
    expect(await paste('{"artifacts": ["Server.Monitor.Health"]}')).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('Stay as they are: Server.Monitor.Health') as string,
    })
    const renamed = await paste(
      '{"specs": [{"artifact": "Lab.Mailer"}, {"artifact": "Server.Monitor.Alerts"}]}',
      '--as',
      'Lab.Mailr=Server.Monitor.Alerts',
    )
    expect(renamed.code).toBe(1)
    expect(renamed.err).toContain('--as names Lab.Mailr, which is not there: did you mean Lab.Mailer?')
    expect((await paste('{')).code).toBe(2)
    expect(await runRelay('import', '--artifact', 'Server.Monitor.Alert', '--from', file)).toMatchObject({
      code: 2,
      err: expect.stringContaining('did you mean Server.Monitor.Alerts') as string,
    })
  })

  it('reads what is piped into it, however long, and says that nothing came', async () => {
    const recipients = Array.from({ length: 5000 }, (_, n) => `user${n}@example.org`)
    const pasted = JSON.stringify({ Recipients: ['Address', ...recipients, ''].join('\n') })
    const words = ['import', '--from', '-', '--artifact', 'Server.Monitor.Alerts', '-o', '-'] as const
    const { code, out } = await feedRelay(pasted, ...words)
    expect(code).toBe(0)
    expect(out.match(/user\d+@example\.org/g)).toHaveLength(recipients.length)
    expect(await feedRelay('', ...words)).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('nothing to import') as string,
    })
  })
})
