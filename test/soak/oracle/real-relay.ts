import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** From when to when a process could do nothing, epoch ms. */
export interface RealStrike {
  readonly from: number
  readonly to: number
  /** It never went on. */
  readonly isDeadly: boolean
}

/** From when on a clock is ahead of the others by so much, ms. */
export interface ClockStep {
  readonly at: number
  readonly aheadMs: number
}

/** `relay run` in a process of its own, started again whenever it ends, until it is ended. */
export interface RealRelay {
  readonly name: string
  readonly clock: readonly ClockStep[]
  /** Its stream of events has begun, for the first time. */
  readonly inSync: Promise<void>
  kill(): Promise<void>
  /** As a service manager ends it. */
  stop(): Promise<void>
  freeze(ms: number): Promise<void>
  stepClock(aheadMs: number): void
  /** No file of it may grow for a while. */
  limitFiles(ms: number): Promise<void>
  reload(yaml: string): void
  /** Ends it for good. */
  end(): Promise<void>
}

export interface RealRelayOptions {
  readonly name: string
  /** Where its relay.yaml is. */
  readonly dir: string
  readonly yaml: string
  readonly strikes: RealStrike[]
  /** Where it has a planted bug: its name. */
  readonly bug: string | null
  readonly say: (line: string) => void
  /** It ended by itself; code: as it said; isReady: it had been at work for a while. */
  readonly onFailure: (end: { readonly code: string; readonly isReady: boolean; readonly what: string }) => void
}

const relay = fileURLToPath(new URL('../../../pipeline/cli/relay.js', import.meta.url))
const steppingClock = new URL('preloaded/stepping-clock.ts', import.meta.url).href
const plantBug = new URL('preloaded/plant-bug.ts', import.meta.url).href
const restartMs = 700
const fullBytes = 4096
const longestStopMs = 8500
/** A process that is ready opens the last of its files within that time. */
const openingMs = 10_000

interface Line {
  readonly msg?: string
  readonly code?: string
  readonly reason?: string
}

export const openRealRelay = (options: RealRelayOptions): RealRelay => {
  const { name, dir, yaml, strikes, bug, say, onFailure } = options
  const file = join(dir, 'relay.yaml')
  const clockFile = join(dir, 'clock')
  writeFileSync(file, yaml)
  writeFileSync(clockFile, '0')
  const synced = Promise.withResolvers<void>()
  let isEnded = false
  let isMeant = false
  let hasSpoken = false
  let readyAt = Infinity
  let failed: (Line & { readonly at: number }) | null = null
  const clock: ClockStep[] = [{ at: Date.now(), aheadMs: 0 }]
  let child: ChildProcess
  let exited: Promise<unknown>

  const hear = (text: string): void => {
    let line: Line
    try {
      line = JSON.parse(text) as Line
    } catch {
      return say(`${name}: ${text}`)
    }
    hasSpoken = true
    if (line.msg === 'relay ready') readyAt = Date.now()
    if (line.msg === 'source in sync') synced.resolve()
    if (line.msg === 'relay failed') failed = { ...line, at: Date.now() }
    if (line.msg !== 'letter delivered') say(`${name}: ${line.msg ?? text} ${line.code ?? ''} ${line.reason ?? ''}`)
  }

  const start = (): void => {
    isMeant = false
    hasSpoken = false
    readyAt = Infinity
    failed = null
    const preloaded = [steppingClock, ...(bug === null ? [] : [plantBug])].flatMap((each) => ['--import', each])
    child = spawn(process.execPath, [...preloaded, relay, 'run', '-c', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, RELAY_SOAK_CLOCK: clockFile, ...(bug === null ? {} : { RELAY_SOAK_BUG: bug }) },
    })
    for (const stream of [child.stdout, child.stderr])
      if (stream !== null) createInterface({ input: stream }).on('line', hear)
    exited = once(child, 'exit').then(async ([code, signal]: (number | string | null)[]) => {
      say(`${name} ended: ${code ?? signal}`)
      if (!isMeant) {
        const { at = Date.now(), code: failure = '', reason = '' } = failed ?? {}
        strikes.push({ from: at, to: Date.now(), isDeadly: true })
        const what = `${name} ended by itself with ${code ?? signal}: ${failure} ${reason}`
        onFailure({ code: failure, isReady: at > readyAt + openingMs, what })
      }
      if (isEnded) return
      await setTimeout(restartMs)
      if (!isEnded) start()
    })
  }
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
  const signal = async (which: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    if (hasEnded()) return
    isMeant = true
    const ended = once(child, 'exit')
    const from = Date.now()
    child.kill(which)
    await ended
    // Who is told to stop writes down what is under way, unless that takes too long.
    if (which === 'SIGKILL' || Date.now() - from > longestStopMs) strikes.push({ from, to: Date.now(), isDeadly: true })
  }
  const limit = (pid: number, bytes: string): void => {
    try {
      execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`])
    } catch {
      // It has ended meanwhile.
    }
  }
  start()
  return {
    name,
    clock,
    inSync: synced.promise,
    kill: () => signal('SIGKILL'),
    stop: () => signal('SIGTERM'),
    async freeze(ms) {
      const frozen = child
      const from = Date.now()
      frozen.kill('SIGSTOP')
      await setTimeout(ms)
      frozen.kill('SIGCONT')
      strikes.push({ from, to: Date.now(), isDeadly: false })
    },
    stepClock(aheadMs) {
      writeFileSync(clockFile, String(aheadMs))
      clock.push({ at: Date.now(), aheadMs })
      // One that has not begun to speak reads the file at its start.
      if (hasSpoken) child.kill('SIGUSR2')
    },
    async limitFiles(ms) {
      const { pid } = child
      if (pid === undefined) return
      limit(pid, String(fullBytes))
      await setTimeout(ms)
      limit(pid, 'unlimited')
    },
    reload(changed) {
      writeFileSync(file, changed)
      // Before its first word nothing can listen to a signal.
      if (hasSpoken) child.kill('SIGHUP')
    },
    async end() {
      isEnded = true
      await signal('SIGTERM')
      await exited
    },
  }
}
