/**
 * `node test/soak/power-loss.ts [--stops 20] [--synchronous NORMAL|OFF] [--prove]`: copies a log while it is written,
 * cuts the copies to what had been synced by then (strace says), opens them and looks for what had been acknowledged.
 * --prove: does so as the log sets itself and with both weaker settings, and fails unless only the first is found sound.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { openEmbeddedLog } from '../../connectors/log/embedded-log.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'
import { checkLog, noteAcknowledged, nothingAcknowledged, soakTopics, type Acknowledged } from './durability-check.ts'
import { syncedLengths, type SyncedAt, type SyncedLengths } from './synced-lengths.ts'

/** Undefined: as the log sets it itself. */
export type Synchronous = 'NORMAL' | 'OFF' | undefined

export interface PowerLossOptions {
  /** How many copies are taken. */
  readonly stops: number
  readonly synchronous: Synchronous
  readonly say: (line: string) => void
}

export interface PowerLossResult {
  readonly copies: number
  /** What was acknowledged and is gone, or torn. */
  readonly wrong: readonly string[]
}

/** Whether system calls can be watched here. */
export const canWatch = (): boolean => spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0

interface Copy {
  readonly number: number
  readonly dir: string
  readonly acknowledged: Acknowledged
}

/** Writes under watch, copies, cuts, opens, compares. */
export const cutPower = async ({ stops, synchronous, say }: PowerLossOptions): Promise<PowerLossResult> => {
  const root = mkdtempSync(join(tmpdir(), 'relay-power-'))
  try {
    const copies = await writeUnderWatch(root, stops, synchronous)
    const lengths = syncedLengths(readFileSync(join(root, 'trace'), 'utf8'), join(root, 'log', 'log.db'))
    say(
      `${named(synchronous)}: ${lengths.syncs} syncs, the write-ahead log begun ${lengths.walBegun} times, ${copies.length} copies`,
    )
    const wrong: string[] = []
    for (const copy of copies) wrong.push(...(await openCut(copy, lengths, say)))
    return { copies: copies.length, wrong: wrong.map((text) => `${named(synchronous)}: ${text}`) }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

const named = (synchronous: Synchronous): string => synchronous ?? 'as set by the log'

/** A checkpoint every few commits, so that the write-ahead log is begun anew several times. */
const pagesBetweenCheckpoints = 400

const writeUnderWatch = async (root: string, stops: number, synchronous: Synchronous): Promise<readonly Copy[]> => {
  const dir = join(root, 'log')
  // An existing log: there the database's own default would be the weaker one.
  await (await openEmbeddedLog({ dir, topics: soakTopics, clock: systemClock(), tell: () => undefined })).close()
  const pragmas = [`wal_autocheckpoint=${pagesBetweenCheckpoints}`]
  if (synchronous !== undefined) pragmas.push(`synchronous=${synchronous}`)
  const calls = 'trace=pwrite64,pwritev,pwritev2,write,writev,fsync,fdatasync,ftruncate'
  const child = spawn(
    'strace',
    [
      ...['-f', '-y', '-s', '12', '-e', calls, '-o', join(root, 'trace'), process.execPath],
      ...[join(import.meta.dirname, 'durability-writer.ts'), '--dir', dir, '--stops', `${stops}`],
      ...pragmas.flatMap((pragma) => ['--pragma', pragma]),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const exit = once(child, 'exit')
  try {
    return await takeCopies(child, root, dir)
  } finally {
    child.kill('SIGTERM')
    await exit
  }
}

const takeCopies = async (child: ChildProcess, root: string, dir: string): Promise<readonly Copy[]> => {
  const acknowledged = nothingAcknowledged()
  const copies: Copy[] = []
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    noteAcknowledged(acknowledged, line)
    if (!line.startsWith('P ')) continue
    const copy: Copy = {
      number: Number(line.slice(2)),
      dir: join(root, `copy-${line.slice(2)}`),
      acknowledged: { appended: new Map(acknowledged.appended), counted: new Map(acknowledged.counted) },
    }
    mkdirSync(copy.dir)
    for (const name of ['log.db', 'log.db-wal'])
      if (existsSync(join(dir, name))) copyFileSync(join(dir, name), join(copy.dir, name))
    copies.push(copy)
    child.stdin?.write('\n')
  }
  return copies
}

const openCut = async (copy: Copy, lengths: SyncedLengths, say: (line: string) => void): Promise<readonly string[]> => {
  const synced = lengths.stops.get(copy.number)
  if (synced === undefined) return [`stop ${copy.number} is not in the trace`]
  cut(copy, synced)
  const wrong = [...(await compare(copy, 'cut'))]
  // What had not been synced may also have come to the disk as anything.
  cut(copy, synced)
  appendFileSync(join(copy.dir, 'log.db-wal'), randomBytes(20_000))
  wrong.push(...(await compare(copy, 'cut, then noise')))
  say(
    `stop ${copy.number}: ${synced.wal} bytes synced${synced.isDatabaseSynced ? '' : ', the database not'}: ${wrong.length} wrong`,
  )
  return wrong
}

/** Leaves of the copy what was certainly on disk; the first time the copy is kept aside, to be cut again. */
const cut = ({ dir }: Copy, { wal, isDatabaseSynced }: SyncedAt): void => {
  for (const name of ['log.db', 'log.db-wal']) {
    const [file, whole] = [join(dir, name), join(dir, `whole-${name}`)]
    if (!existsSync(whole)) copyFileSync(file, whole)
    copyFileSync(whole, file)
  }
  rmSync(join(dir, 'log.db-shm'), { force: true })
  truncateSync(join(dir, 'log.db-wal'), wal)
  // Which of its pages came to the disk nobody knows: as good as none.
  if (!isDatabaseSynced) writeFileSync(join(dir, 'log.db'), '')
}

const compare = async ({ number, dir, acknowledged }: Copy, how: string): Promise<readonly string[]> => {
  try {
    const { findings } = await checkLog(dir, acknowledged)
    return findings.map(({ partition, text }) => `stop ${number}, ${how}, partition ${partition}: ${text}`)
  } catch (error) {
    return [`stop ${number}, ${how}: ${(error as Error).message}`]
  }
}

const weaker = (given: string | undefined): Synchronous => {
  if (given === undefined || given === 'NORMAL' || given === 'OFF') return given
  throw new Error(`--synchronous ${given}: NORMAL or OFF, or leave it out`)
}

const report = async (stops: number, synchronous: Synchronous): Promise<boolean> => {
  const { wrong, copies } = await cutPower({ stops, synchronous, say: console.log })
  for (const line of wrong.slice(0, 5)) console.log(`  ${line}`)
  if (copies < stops) console.log(`${named(synchronous)}: only ${copies} of ${stops} copies were taken`)
  console.log(
    `${named(synchronous)}: ${wrong.length === 0 ? 'everything acknowledged was there' : `${wrong.length} findings`}`,
  )
  return wrong.length === 0 && copies === stops
}

const prove = async (stops: number): Promise<boolean> => {
  const isSound = []
  for (const synchronous of [undefined, 'NORMAL', 'OFF'] as const) isSound.push(await report(stops, synchronous))
  const isProved = isSound.join() === 'true,false,false'
  console.log(isProved ? 'proved: the log is sound as it is, and would not be with NORMAL or OFF' : 'NOT proved')
  return isProved
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { stops: { type: 'string', default: '20' }, synchronous: { type: 'string' }, prove: { type: 'boolean' } },
  })
  const stops = Number(values.stops)
  if (!canWatch()) {
    console.log('not run: strace is missing here or may not watch processes; install it (apt-get install strace)')
    process.exitCode = 2
  } else {
    const isGood = values.prove === true ? await prove(stops) : await report(stops, weaker(values.synchronous))
    process.exitCode = isGood ? 0 : 1
  }
}
