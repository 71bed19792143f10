import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from './compose-file.ts'

const run = promisify(execFile)
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')

/** What the build stage copies from the folder. */
const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) => sources.split(' '))
const script = /^RUN .*\bsh (\S+)$/m.exec(dockerfile)?.[1] ?? ''

describe('the image', () => {
  let dir = ''
  const relay = (...args: readonly string[]) =>
    run(process.execPath, [join(dir, 'pipeline/cli/relay.js'), ...args], { cwd: dir })

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'relay-image-'))
    for (const source of copied) cpSync(join(root, source), join(dir, source), { recursive: true })
    // What was fetched before need not come again; without it everything comes from the registry.
    const env = {
      ...process.env,
      PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
      npm_config_prefer_offline: 'true',
    }
    await run('sh', [script], { cwd: dir, env })
  }, 300_000)
  afterAll(() => rmSync(dir, { recursive: true, force: true }), 120_000)

  it('copies what its .dockerignore lets through, and nothing else is let through', () => {
    const lines = readFileSync(join(root, '.dockerignore'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(lines[0]).toBe('*')
    expect(lines.slice(1).sort()).toEqual(copied.map((source) => `!${source}`).sort())
  })

  it('runs the relay without the tools of its developers', async () => {
    const { stdout } = await relay('--help')
    expect(stdout).toContain('simulate')
    await expect(run(process.execPath, ['-e', "require('typescript')"], { cwd: dir })).rejects.toThrow('typescript')
  })

  it('brings the compiled SQLite, the schemas and the stand-in server: it plays, and check finds it and a log', async () => {
    writeFileSync(
      join(dir, 'relay.yaml'),
      `velociraptor: { api_config: ./api.config.yaml, gui_url: "https://velociraptor.example.org/app/index.html" }
mail: { url: "smtp://127.0.0.1:1", from: relay@example.org }
monitors: [{ name: soc, artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org] } }]
`,
    )
    const server = spawn(
      process.execPath,
      ['pipeline/cli/relay.js', 'simulate', 'pipeline/demo/recording.yaml', '--dir=.'],
      {
        cwd: dir,
      },
    )
    // It listens once it has said something.
    await once(server.stdout, 'data')
    const checked = await relay('check').catch((failed: { stdout: string }) => failed)
    server.kill()
    await once(server, 'exit')
    expect(checked.stdout).toMatch(/^ok {4}velociraptor: .* answers/m)
    expect(checked.stdout).toMatch(/^ok {4}log: .*relay-data can be opened/m)
  }, 60_000)
})
