#!/usr/bin/env node
// Plain JavaScript on purpose: it must start, and find the right Node, on one that reads no TypeScript.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath } from 'node:url'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const isNewEnough = major > 22 || (major === 22 && minor >= 22)
const pinned = ['node', 'node.cmd']
  .map((name) => fileURLToPath(new URL(`../../node_modules/.bin/${name}`, import.meta.url)))
  .find((file) => existsSync(file))

if (isNewEnough) {
  // Who started it through an older Node may be killed at once: then it ends too, as if told to, and leaves the log free.
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel?.unref()
  module.enableCompileCache?.()
  await import('./main.ts')
} else if (pinned !== undefined) {
  const child = spawn(pinned, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1))
} else {
  console.error(`relay needs Node 22.22 or newer; this is ${process.version}. Run npm ci, or install a newer Node.`)
  process.exit(2)
}
