/** What must be true of a log that the soak's writer wrote, however it ended. */
import { setTimeout } from 'node:timers/promises'
import type { EventLog, LogRecord, Range, Task, Topology, Turn } from '../../connectors/log/event-log.ts'
import { openEmbeddedLog } from '../../connectors/log/embedded-log.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'

export const soakTopics = [{ name: 'in' }, { name: 'out' }]
export const soakTopology: Topology = { name: 'counter', inputs: ['in'] }

/** By partition: how many records were acknowledged as appended, how many as counted. */
export interface Acknowledged {
  readonly appended: Map<number, number>
  readonly counted: Map<number, number>
}

export const nothingAcknowledged = (): Acknowledged => ({ appended: new Map(), counted: new Map() })

/** Takes one line of the writer. */
export const noteAcknowledged = ({ appended, counted }: Acknowledged, line: string): void => {
  const [kind, partition, count] = line.split(' ')
  if (kind === 'A') appended.set(Number(partition), Number(count))
  if (kind === 'C') counted.set(Number(partition), Number(count))
}

export interface Finding {
  readonly partition: number
  readonly text: string
}

/** What was checked, so that the next check need not read it again. */
export type Checked = Map<number, number>

export interface CheckResult {
  readonly findings: readonly Finding[]
  readonly appended: number
  readonly counted: number
}

/** Opens the log anew and compares inputs, outputs, state, positions and what was acknowledged. Throws what opening throws. */
export const checkLog = async (
  dir: string,
  acknowledged: Acknowledged,
  checked: Checked = new Map(),
): Promise<CheckResult> => {
  const log = await openEmbeddedLog({ dir, topics: soakTopics, clock: systemClock(), tell: () => undefined })
  try {
    const tasks = await openTasks(log)
    const results = []
    for (let partition = 0; partition < log.partitions; partition++)
      results.push(await checkPartition(log, partition, tasks.get(partition), acknowledged, checked))
    return {
      findings: results.flatMap(({ findings }) => findings),
      appended: results.reduce((sum, { appended }) => sum + appended, 0),
      counted: results.reduce((sum, { counted }) => sum + counted, 0),
    }
  } finally {
    await log.close()
  }
}

interface Opened {
  readonly count: number
  /** Undefined: there is nothing left to read. */
  readonly firstTurn: Turn | undefined
}

const openTasks = async (log: EventLog): Promise<Map<number, Opened>> => {
  const tasks = new Map<number, Task>()
  const turns = new Map<number, Turn>()
  const subscription = log.tasks(soakTopology).subscribe((task) => {
    tasks.set(task.partition, task)
    task.turns.subscribe((turn) => turns.set(task.partition, turn))
  })
  // A turn that is to come comes within the first turns of the event loop.
  await setTimeout(30)
  const opened = new Map(
    [...tasks].map(([partition, { state }]) => [
      partition,
      {
        count: Number(new TextDecoder().decode(state.get('count') ?? new Uint8Array())),
        firstTurn: turns.get(partition),
      },
    ]),
  )
  subscription.unsubscribe()
  return opened
}

const checkPartition = async (
  log: EventLog,
  partition: number,
  opened: Opened | undefined,
  acknowledged: Acknowledged,
  checked: Checked,
): Promise<CheckResult> => {
  const findings: Finding[] = []
  const found = (text: string): void => void findings.push({ partition, text })
  const from = checked.get(partition) ?? 0
  const inputs = await readFrom(log, { topic: 'in', partition, from: { offset: from } })
  const outputs = await readFrom(log, { topic: 'out', partition, from: { offset: from } })
  const appended = from + inputs.length
  const written = from + outputs.length
  const count = opened?.count ?? -1
  const position = opened?.firstTurn?.records[0]?.offset ?? appended
  const wanted = {
    appended: acknowledged.appended.get(partition) ?? 0,
    counted: acknowledged.counted.get(partition) ?? 0,
  }
  if (appended < wanted.appended) found(`${wanted.appended - appended} acknowledged appends are missing`)
  if (count < wanted.counted) found(`${wanted.counted - count} acknowledged records are missing from the count`)
  if (count !== written) found(`the count says ${count}, there are ${written} outputs`)
  if (position !== count) found(`the count says ${count}, the position ${position}`)
  const differing = outputs.findIndex((output, index) => !isSame(output, inputs[index]))
  if (differing >= 0) found(`output ${from + differing} differs from its input`)
  checked.set(partition, Math.min(written, appended))
  return { findings, appended, counted: count }
}

const isSame = (output: LogRecord, input: LogRecord | undefined): boolean =>
  input !== undefined &&
  output.offset === input.offset &&
  output.key === input.key &&
  Buffer.compare(output.value, input.value) === 0

const readFrom = async (log: EventLog, range: Range): Promise<LogRecord[]> => {
  const records: LogRecord[] = []
  for await (const page of log.read(range)) records.push(...page)
  return records
}
