/** `node test/soak/durability.ts [--kills 30]`: kills a writing process again and again and looks for anything lost, doubled or torn. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { checkLog, noteAcknowledged, nothingAcknowledged, type Acknowledged, type Checked } from './durability-check.ts'

export interface KillsOptions {
  readonly kills: number
  /** Milliseconds under load before a kill at most. */
  readonly longestMs: number
  readonly say: (line: string) => void
}

/** Kills a writer that often; answers with what was found wrong. */
export const killAgainAndAgain = async ({ kills, longestMs, say }: KillsOptions): Promise<readonly string[]> => {
  const dir = mkdtempSync(join(tmpdir(), 'relay-kills-'))
  const acknowledged = nothingAcknowledged()
  const checked: Checked = new Map()
  const wrong: string[] = []
  try {
    for (let kill = 1; kill <= kills; kill++) {
      const ms = await writeAndKill(dir, acknowledged, longestMs)
      const { findings, appended, counted } = await checkLog(dir, acknowledged, checked)
      for (const { partition, text } of findings) wrong.push(`kill ${kill}, partition ${partition}: ${text}`)
      say(`kill ${kill} after ${ms} ms: ${appended} appended, ${counted} counted, ${findings.length} wrong`)
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
  return wrong
}

const writeAndKill = async (dir: string, acknowledged: Acknowledged, longestMs: number): Promise<number> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'durability-writer.ts'), '--dir', dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ms = Math.round(Math.random() * longestMs)
  const read = readAcknowledged(child, acknowledged)
  const exit = once(child, 'exit')
  try {
    await read.first
    await setTimeout(ms)
  } finally {
    child.kill('SIGKILL')
    await exit
  }
  await read.all
  return ms
}

const readAcknowledged = (child: ChildProcess, acknowledged: Acknowledged) => {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  lines.on('line', (line) => noteAcknowledged(acknowledged, line))
  const all = once(lines, 'close')
  return { all, first: Promise.race([once(lines, 'line'), all]) }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { kills: { type: 'string', default: '30' } } })
  const wrong = await killAgainAndAgain({ kills: Number(values.kills), longestMs: 1500, say: console.log })
  for (const line of wrong) console.error(line)
  console.log(wrong.length === 0 ? 'nothing acknowledged was lost, nothing is torn' : `${wrong.length} findings`)
  process.exitCode = wrong.length === 0 ? 0 : 1
}
