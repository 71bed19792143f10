import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Ending, openRelayProcess } from '../relay-process.ts'

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

const steppingClock = new URL('preloaded/stepping-clock.ts', import.meta.url).href
const plantBug = new URL('preloaded/plant-bug.ts', import.meta.url).href
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
  let hasSpoken = false
  let readyAt = Infinity
  let failed: (Line & { readonly at: number }) | null = null
  const clock: ClockStep[] = [{ at: Date.now(), aheadMs: 0 }]

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
  const onStart = (): void => {
    hasSpoken = false
    readyAt = Infinity
    failed = null
  }
  const preloaded = [steppingClock, ...(bug === null ? [] : [plantBug])].flatMap((each) => ['--import', each])
  const running = openRelayProcess({
    nodeArguments: preloaded,
    arguments: ['run', '-c', file],
    env: { RELAY_SOAK_CLOCK: clockFile, ...(bug === null ? {} : { RELAY_SOAK_BUG: bug }) },
    onStart,
    hear,
    onEnd: ({ isMeant, code }) => {
      say(`${name} ended: ${code}`)
      if (isMeant) return
      const { at = Date.now(), code: failure = '', reason = '' } = failed ?? {}
      strikes.push({ from: at, to: Date.now(), isDeadly: true })
      const what = `${name} ended by itself with ${code}: ${failure} ${reason}`
      onFailure({ code: failure, isReady: at > readyAt + openingMs, what })
    },
  })
  /** Who is told to stop writes down what is under way, unless that takes too long. */
  const noteStop = (ending: Ending | null): void => {
    if (ending !== null && ending.to - ending.from > longestStopMs) strikes.push({ ...ending, isDeadly: true })
  }
  return {
    name,
    clock,
    inSync: synced.promise,
    async kill() {
      const ending = await running.kill()
      if (ending !== null) strikes.push({ ...ending, isDeadly: true })
    },
    stop: async () => noteStop(await running.stop()),
    async freeze(ms) {
      strikes.push({ ...(await running.freeze(ms)), isDeadly: false })
    },
    stepClock(aheadMs) {
      writeFileSync(clockFile, String(aheadMs))
      clock.push({ at: Date.now(), aheadMs })
      // One that has not begun to speak reads the file at its start.
      if (hasSpoken) running.signal('SIGUSR2')
    },
    limitFiles: (ms) => running.limitFiles(ms),
    reload(changed) {
      writeFileSync(file, changed)
      // Before its first word nothing can listen to a signal.
      if (hasSpoken) running.signal('SIGHUP')
    },
    end: async () => noteStop(await running.end()),
  }
}
