import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { relayYaml } from './configuration.ts'
import type { Asked, Said } from './rows/outside.ts'

/** The servers that a relay talks to, in a process of their own. */
export interface Outside {
  readonly apiConfig: string
  readonly smtpPort: number
  /** Asks, and waits for the answer. */
  ask(asked: Asked): Promise<Said>
  close(): Promise<void>
}

const heard = async (child: ChildProcess): Promise<Said> => {
  const [said] = (await Promise.race([once(child, 'message'), exitOf(child)])) as [Said]
  return said
}

const exitOf = async (child: ChildProcess): Promise<never> => {
  const [code] = (await once(child, 'exit')) as [number | null]
  throw new Error(`a process of the bench ended early with ${code}`)
}

export const openOutside = async (dir: string, orgs: readonly string[]): Promise<Outside> => {
  const child = fork(fileURLToPath(new URL('rows/outside.ts', import.meta.url)), [dir, ...orgs])
  const said = await heard(child)
  if (said.kind !== 'open') throw new Error(`expected the servers to open, heard ${said.kind}`)
  return {
    ...said,
    ask(asked) {
      child.send(asked)
      return heard(child)
    },
    async close() {
      if (child.exitCode !== null) return
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

/** `relay run` in a process of its own. */
export interface RunningRelay {
  /** From its spawn to `relay ready`, ms. */
  readonly readyMs: number
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

const relay = fileURLToPath(new URL('../../pipeline/cli/relay.js', import.meta.url))

export interface RelayTerms {
  /** Where relay.yaml and the log are. */
  readonly dir: string
  readonly outside: Pick<Outside, 'apiConfig' | 'smtpPort'>
  readonly orgs: readonly string[]
  /** What stands under `log:` of the configuration; left out: embedded. */
  readonly log?: string
}

/** Where the log of a relay run with these terms is. */
export const logDir = (dir: string): string => join(dir, 'relay-data')

export const runRelay = async ({ dir, outside, orgs, log }: RelayTerms): Promise<RunningRelay> => {
  const file = join(dir, 'relay.yaml')
  const common = { apiConfig: outside.apiConfig, smtpPort: outside.smtpPort, dir: logDir(dir), orgs }
  writeFileSync(file, relayYaml({ ...common, monitors: 'tell all', ...(log === undefined ? {} : { log }) }))
  const begun = performance.now()
  const child = spawn(process.execPath, [relay, 'run', '-c', file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  const ready = (async (): Promise<number> => {
    for await (const line of lines) if (line.includes('"relay ready"')) return performance.now() - begun
    throw new Error('relay run ended before it was ready')
  })()
  const readyMs = await ready
  // Read on, or the relay would wait for its reader.
  child.stdout.resume()
  return {
    readyMs,
    async stop(signal) {
      child.kill(signal)
      await exited
    },
  }
}
