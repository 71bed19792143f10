import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { openDemoWorld } from '../../../../pipeline/demo/demo-world.ts'
import { systemClock } from '../../../../pipeline/runtime/system-clock.ts'

const main = join(import.meta.dirname, '../../../../pipeline/cli/relay.js')

it('SIGTERM ends a run within 10 s that still waits for a broker which takes connections and never answers', async () => {
  const outputDir = mkdtempSync(join(tmpdir(), 'relay-letters-'))
  const sockets = new Set<Socket>()
  const mute = createServer((socket) => void sockets.add(socket)).listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const world = await openDemoWorld({ clock: systemClock(), outputDir, onMail: () => undefined })
  const written = parse(readFileSync(world.configFile, 'utf8')) as Record<string, unknown>
  const brokers = [`127.0.0.1:${(mute.address() as AddressInfo).port}`]
  writeFileSync(world.configFile, stringify({ ...written, log: { kafka: { brokers } } }))
  const child = spawn(process.execPath, [main, 'run', '-c', world.configFile], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const connected = once(mute, 'connection')
    for await (const line of createInterface({ input: child.stdout })) if (line.includes('relay started')) break
    await connected
    const begun = performance.now()
    child.kill('SIGTERM')
    expect((await once(child, 'exit'))[0]).toBe(0)
    expect(performance.now() - begun).toBeLessThan(10_000)
  } finally {
    child.kill('SIGKILL')
    for (const socket of sockets) socket.destroy()
    mute.close()
    await world.close()
    rmSync(outputDir, { recursive: true, force: true })
  }
}, 60_000)
