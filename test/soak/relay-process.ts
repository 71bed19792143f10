import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** A `relay` in a process of its own, started again whenever it ends, until it is ended. */
export interface RelayProcess {
  /** Epoch ms: when the signal was sent and when the process was gone; null where there was none. */
  kill(): Promise<Ending | null>
  /** As a service manager ends it. */
  stop(): Promise<Ending | null>
  /** Epoch ms: from when to when it stood still. */
  freeze(ms: number): Promise<Ending>
  signal(which: NodeJS.Signals): void
  /** None of its files may grow for a while. */
  limitFiles(ms: number): Promise<void>
  /** Ends it for good, as a service manager does. */
  end(): Promise<Ending | null>
}

export interface Ending {
  readonly from: number
  readonly to: number
}

export interface RelayProcessOptions {
  /** Of node before the relay's own. */
  readonly nodeArguments?: readonly string[]
  readonly arguments: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Before each start. */
  readonly onStart?: () => void
  /** A line of what it writes. */
  readonly hear: (text: string) => void
  /** It is gone; isMeant: it was told to; code: its exit code or the signal that ended it. */
  readonly onEnd: (end: { readonly isMeant: boolean; readonly code: string }) => void
}

const relay = fileURLToPath(new URL('../../pipeline/cli/relay.js', import.meta.url))
const restartMs = 700
const fullBytes = 4096

const limit = (pid: number, bytes: string): void => {
  try {
    execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`])
  } catch {
    // It has ended meanwhile.
  }
}

export const openRelayProcess = (options: RelayProcessOptions): RelayProcess => {
  const { nodeArguments = [], env = {}, onStart, hear, onEnd } = options
  let isEnded = false
  let isMeant = false
  let child: ChildProcess
  let exited: Promise<unknown> = Promise.resolve()

  const start = (): void => {
    isMeant = false
    onStart?.()
    child = spawn(process.execPath, [...nodeArguments, relay, ...options.arguments], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    for (const stream of [child.stdout, child.stderr])
      if (stream !== null) createInterface({ input: stream }).on('line', hear)
    exited = once(child, 'exit').then(async ([code, signal]: (number | string | null)[]) => {
      onEnd({ isMeant, code: String(code ?? signal) })
      if (isEnded) return
      await setTimeout(restartMs)
      if (!isEnded) start()
    })
  }
  const endBy = async (which: 'SIGKILL' | 'SIGTERM'): Promise<Ending | null> => {
    if (child.exitCode !== null || child.signalCode !== null) return null
    isMeant = true
    const ended = once(child, 'exit')
    const from = Date.now()
    child.kill(which)
    await ended
    return { from, to: Date.now() }
  }
  start()
  return {
    kill: () => endBy('SIGKILL'),
    stop: () => endBy('SIGTERM'),
    async freeze(ms) {
      const frozen = child
      const from = Date.now()
      frozen.kill('SIGSTOP')
      await setTimeout(ms)
      frozen.kill('SIGCONT')
      return { from, to: Date.now() }
    },
    signal: (which) => void child.kill(which),
    async limitFiles(ms) {
      const { pid } = child
      if (pid === undefined) return
      limit(pid, String(fullBytes))
      await setTimeout(ms)
      limit(pid, 'unlimited')
    },
    async end() {
      isEnded = true
      const ending = await endBy('SIGTERM')
      await exited
      return ending
    },
  }
}
