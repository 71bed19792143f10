import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DemoWorld, openDemoWorld } from '../../../pipeline/demo/demo-world.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { runRelay } from './run-relay.ts'

const main = join(import.meta.dirname, '../../../pipeline/cli/relay.js')

describe('relay run', () => {
  let outputDir = ''
  let world: DemoWorld
  let child: ChildProcess | null = null
  beforeEach(async () => {
    outputDir = mkdtempSync(join(tmpdir(), 'relay-letters-'))
    world = await openDemoWorld({ clock: systemClock(), outputDir, onMail: () => undefined })
  })
  afterEach(async () => {
    if (child !== null && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await world.close()
    rmSync(outputDir, { recursive: true, force: true })
  })

  /** Starts it, waits until it says that it is ready, and answers with where it listens. */
  const started = async (): Promise<string> => {
    const running = spawn(process.execPath, [main, 'run', '-c', world.configFile, '--listen', '127.0.0.1:0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child = running
    let address = ''
    for await (const line of createInterface({ input: running.stdout })) {
      const said = JSON.parse(line) as { readonly msg: string; readonly address?: string }
      if (said.msg === 'http listening') address = said.address ?? ''
      if (said.msg === 'relay ready') break
    }
    running.stdout.resume()
    return address
  }

  it('shows metrics and health where it was told to, and a second one cannot take the place', async () => {
    const address = await started()
    expect(await (await fetch(`http://${address}/readyz`)).json()).toMatchObject({ ok: true })
    expect((await fetch(`http://${address}/healthz`)).status).toBe(200)
    const page = await (await fetch(`http://${address}/metrics`)).text()
    expect(page).toContain('relay_tasks{stage="decide"} ')
    expect(page).toContain('relay_started_total 1')
    expect(page).toMatch(/^relay_log_disk_free_bytes \d{6,}$/m)
    const isLive = async (): Promise<boolean> =>
      (await (await fetch(`http://${address}/readyz`)).text()).includes('"state":"live"')
    const giveUpAt = performance.now() + 30_000
    while (!(await isLive()) && performance.now() < giveUpAt) await setTimeout(200)
    const status = await runRelay('status', '-c', world.configFile, '--at', address, '--json')
    expect(status.code).toBe(0)
    expect(JSON.parse(status.out)).toMatchObject({
      ok: true,
      queues: [{ org: 'root', queue: 'System.Flow.Completion', state: 'live', text: 'live' }],
    })
    expect((await runRelay('status', '--at', address)).out).toMatch(/^ready\n[^]*System\.Flow\.Completion[^]*live/)
    const second = await runRelay('run', '-c', world.configFile, '--listen', address)
    expect([second.code, second.out]).toEqual([2, expect.stringContaining('the port is in use')])
    const other = await runRelay('run', '-c', world.configFile, '--listen', 'off')
    expect([other.code, other.out.includes('relay ready')]).toEqual([1, false])
    expect(other.out).toContain('run in process')
    child?.kill('SIGTERM')
    if (child !== null) expect(await once(child, 'exit')).toEqual([0, null])
    await expect(fetch(`http://${address}/healthz`)).rejects.toThrow('fetch failed')
    const nobody = await runRelay('status', '--at', address)
    expect([nobody.code, nobody.err]).toEqual([1, expect.stringContaining('no relay answers')])
  }, 120_000)

  it('takes a changed file when it is ready, though it was told to before', async () => {
    const running = spawn(process.execPath, [main, 'run', '-c', world.configFile, '--listen', 'off'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child = running
    const said: string[] = []
    for await (const line of createInterface({ input: running.stdout })) {
      const { msg } = JSON.parse(line) as { readonly msg: string }
      said.push(msg)
      if (msg === 'relay started') {
        // Of every kind: most of them send no letters through a mail channel.
        appendFileSync(
          world.configFile,
          [
            '{ artifact: Server.Monitor.Errors.Alert }',
            '{ artifact: Server.Monitor.Alerts.UserMessage }',
            '{ queue: Linux.Watch, alert: { name: seen } }',
          ]
            .map((monitor) => `  - ${monitor}\n`)
            .join(''),
        )
        running.kill('SIGHUP')
      }
      if (msg.startsWith('configuration')) break
    }
    running.stdout.resume()
    expect(said.filter((msg) => msg.startsWith('relay') || msg.startsWith('configuration'))).toEqual([
      'relay started',
      'relay ready',
      'configuration reloaded',
    ])
    expect([running.exitCode, running.signalCode]).toEqual([null, null])
  }, 60_000)

  it('ends cleanly when the process that launched it is gone', async () => {
    const running = spawn(process.execPath, [main, 'run', '-c', world.configFile, '--listen', 'off'], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    })
    child = running
    const said: string[] = []
    for await (const line of createInterface({ input: running.stdout as Readable })) {
      const { msg } = JSON.parse(line) as { readonly msg: string }
      said.push(msg)
      // Its end of the channel closes as if this process had been killed.
      if (msg === 'relay ready') running.disconnect()
    }
    if (running.exitCode === null) await once(running, 'exit')
    expect([running.exitCode, said.at(-1)]).toEqual([0, 'relay stopped'])
  }, 60_000)

  it('refuses a place that is none before anything opens', async () => {
    const { code, err } = await runRelay('run', '-c', world.configFile, '--listen', '9464')
    expect([code, err]).toEqual([2, expect.stringContaining('write host:port')])
  })
})
