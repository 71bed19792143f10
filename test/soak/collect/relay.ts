import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** One line that the relay logged. */
export interface Line {
  readonly msg: string
  readonly org?: string
  readonly queue?: string
  readonly queues?: string
  readonly from?: string
  readonly to?: string
  readonly reason?: string
}

/** `relay run` of collect and enrich in a process of its own, started again whenever it ends, until it is ended. */
export interface CollectRelay {
  kill(): Promise<void>
  /** As a service manager ends it. */
  stop(): Promise<void>
  freeze(ms: number): Promise<void>
  /** None of its files may grow for a while. */
  limitFiles(ms: number): Promise<void>
  /** Ends it for good. */
  end(): Promise<void>
}

export interface CollectRelayOptions {
  /** Its relay.yaml. */
  readonly file: string
  readonly hear: (line: Line) => void
  /** It ended by itself. */
  readonly onFailure: (what: string) => void
}

const relay = fileURLToPath(new URL('../../../pipeline/cli/relay.js', import.meta.url))
const restartMs = 700
const fullBytes = 4096

export const openCollectRelay = ({ file, hear, onFailure }: CollectRelayOptions): CollectRelay => {
  let isEnded = false
  let isMeant = false
  let child: ChildProcess
  let exited: Promise<unknown> = Promise.resolve()
  let latest = ''

  const take = (text: string): void => {
    latest = text
    try {
      hear(JSON.parse(text) as Line)
    } catch {
      hear({ msg: text })
    }
  }
  const start = (): void => {
    isMeant = false
    child = spawn(process.execPath, [relay, 'run', '-c', file, '--stages', 'collect,enrich'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr])
      if (stream !== null) createInterface({ input: stream }).on('line', take)
    exited = once(child, 'exit').then(async ([code, signal]: (number | string | null)[]) => {
      if (!isMeant) onFailure(`the relay ended by itself with ${code ?? signal}: ${latest}`)
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
    child.kill(which)
    await ended
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
    kill: () => signal('SIGKILL'),
    stop: () => signal('SIGTERM'),
    async freeze(ms) {
      const frozen = child
      frozen.kill('SIGSTOP')
      await setTimeout(ms)
      frozen.kill('SIGCONT')
    },
    async limitFiles(ms) {
      const { pid } = child
      if (pid === undefined) return
      limit(pid, String(fullBytes))
      await setTimeout(ms)
      limit(pid, 'unlimited')
    },
    async end() {
      isEnded = true
      await signal('SIGTERM')
      await exited
    },
  }
}
