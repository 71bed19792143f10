/**
 * `node test/soak/hunt.ts [--count 100000]`: completions of one hunt, every one told in batches of 500, through a whole service on an
 * embedded log. Says how long it took and the most memory that the process had, which may not grow
 * with the hunt, and what was lost, doubled or out of order.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Observable } from 'rxjs'
import { openEmbeddedLog, type EmbeddedLog } from '../../connectors/log/embedded-log.ts'
import type { MailSink } from '../../connectors/mail/mail.ts'
import { mimeOf } from '../../connectors/mail/mime.ts'
import type { QueryMessage, Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import { readConfiguration } from '../../pipeline/config/read-configuration.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'
import { keepYoungHeapSmall } from '../../pipeline/runtime/young-heap.ts'
import { startService } from '../../pipeline/service.ts'
import { flowCompletionId, readFlowCompletion } from '../../pipeline/sources/flow-completion-row.ts'
import { decode, encode } from '../../schemas/codec.ts'
import { allTopics, topics } from '../../schemas/topics.ts'

const hunt = 'H.D7KDSKSILR3TG'
const flow = 'F.D7KDSKSILR3TG.H'
const artifact = 'Linux.Sys.Users'
const rowBytes = 1000
const fedTogether = 500
const most = 500

const relayYaml = `
velociraptor: { api_config: ./api.config.yaml, gui_url: https://velociraptor.example.org/app/index.html }
mail: { url: smtp://mail.example.org, from: velociraptor@example.org }
monitors:
  - artifact: Server.Monitor.FlowCompletion
    parameters: { Recipients: [soc@example.org], NotifyHunts: true, DelayThreshold: 0 }
    batch: { quiet: 5s, longest: 1m, most: ${most} }
`

const clientId = (n: number): string => `C.${n.toString(16).padStart(16, '0')}`
const completedAt = (n: number, begin: number): number => begin + n * 10

const rowOf = (n: number, begin: number): string => {
  const Timestamp = Math.floor(completedAt(n, begin) / 1000)
  const row = { Timestamp, ClientId: clientId(n), FlowId: flow, Flow: { state: 2, backtrace: '' }, _ts: Timestamp }
  row.Flow.backtrace = 'x'.repeat(rowBytes - JSON.stringify(row).length)
  return JSON.stringify(row)
}

/** What the server knows, made as it is asked for: nothing is kept. */
const server = (begin: number): Velociraptor => {
  const flowRow = ({ CId, FId }: { readonly CId: string; readonly FId: string }): object => {
    const n = Number.parseInt(CId.slice(2), 16)
    const client = {
      client_id: CId,
      first_seen_at: 1,
      labels: [],
      os_info: { fqdn: `host${n}.example.org`, system: 'linux' },
    }
    const isFailed = n % 10 === 0
    const record = {
      session_id: FId,
      client_id: CId,
      create_time: begin * 1000 - 60_000_000,
      start_time: begin * 1000,
      state: isFailed ? 'ERROR' : 'FINISHED',
      status: isFailed ? 'Query timed out' : '',
      artifacts_with_results: [artifact],
      total_collected_rows: n % 300,
      query_stats: [{ status: 'OK', result_rows: n % 300, uploaded_files: 0 }],
      request: { creator: 'analyst1', artifacts: [artifact], specs: [{ artifact, parameters: { env: [] } }] },
    }
    return { CId, FId, Flow: record, Client: client, Metadata: {} }
  }
  const rowsFor = (vql: string, keys: string): readonly object[] => {
    if (vql.includes('flows(client_id=')) return (JSON.parse(keys) as { CId: string; FId: string }[]).map(flowRow)
    if (vql.includes('hunt_info('))
      return [{ HId: hunt, Hunt: { hunt_id: hunt, hunt_description: 'All users', tags: [] } }]
    if (vql.includes('orgs()')) return [{ OrgId: 'root', Name: '<root>' }]
    return [
      {
        name: artifact,
        type: 'client',
        required_permissions: [],
        implied_permissions: [],
        sources: [],
        parameters: [],
      },
    ]
  }
  return {
    query: ({ vql, env }) =>
      new Observable<QueryMessage>((subscriber) => {
        subscriber.next({ kind: 'rows', rows: rowsFor(vql, env?.['Keys'] ?? '[]').map((row) => JSON.stringify(row)) })
        subscriber.complete()
      }),
    close: () => Promise.resolve(),
  }
}

interface Sent {
  letters: number
  largestHtml: number
}

/** Writes each letter as a message, and forgets it. */
const countingSink = (sent: Sent): MailSink => ({
  connections: 5,
  send(mail) {
    mimeOf(mail)
    sent.letters += 1
    sent.largestHtml = Math.max(sent.largestHtml, Buffer.byteLength(mail.html ?? ''))
    return Promise.resolve({ kind: 'accepted', code: 250, text: 'taken' })
  },
  probe: () => Promise.resolve({ kind: 'accepted', code: 250, text: '' }),
  close: () => Promise.resolve(),
})

const feed = async (log: EmbeddedLog, count: number, begin: number): Promise<void> => {
  for (let from = 0; from < count; from += fedTogether)
    await log.append(
      Array.from({ length: Math.min(fedTogether, count - from) }, (_, k) => {
        const row = rowOf(from + k, begin)
        const read = readFlowCompletion(JSON.parse(row))
        const received_at = read.receivedAt as number
        const id = flowCompletionId('root', read, received_at)
        const value = encode('RawEvent', {
          org: 'root',
          queue: 'System.Flow.Completion',
          id,
          received_at,
          read_at: received_at,
          origin: 'live',
          row,
        })
        return { topic: topics.rawFlowCompletions.name, key: `root/${read.client}`, value }
      }),
    )
}

/** Reads the outcomes: every completion told by verdict and by delivery, once; notices of a partition's events in their order. */
const check = async (log: EmbeddedLog, count: number): Promise<readonly string[]> => {
  const told = new Uint8Array(count)
  const delivered = new Uint8Array(count)
  const lastOffset = new Map<number, number>()
  let disordered = 0
  for (let partition = 0; partition < log.partitions; partition++)
    for await (const records of log.read({ topic: topics.outcomes.name, partition }))
      for (const { value } of records) {
        const { client, verdicts, deliveries, event_at } = decode('Outcome', value)
        const n = Number.parseInt(client.slice(2), 16)
        for (const { outcome } of verdicts) if (outcome === 'told') told[n] = (told[n] ?? 0) + 1
        for (const { outcome } of deliveries) {
          if (outcome !== 'told') continue
          delivered[n] = (delivered[n] ?? 0) + 1
          if (event_at.offset <= (lastOffset.get(event_at.partition) ?? -1)) disordered += 1
          lastOffset.set(event_at.partition, event_at.offset)
        }
      }
  const wrong = (counts: Uint8Array, isWrong: (times: number) => boolean): number => counts.filter(isWrong).length
  const found: readonly (readonly [number, string])[] = [
    [wrong(told, (times) => times === 0), 'completions without a verdict'],
    [wrong(told, (times) => times > 1), 'completions with several verdicts'],
    [wrong(delivered, (times) => times === 0), 'completions that no letter told of'],
    [wrong(delivered, (times) => times > 1), 'completions that several letters told of'],
    [disordered, 'completions told out of order'],
  ]
  return found.filter(([number]) => number > 0).map(([number, text]) => `${number} ${text}`)
}

export interface HuntResult {
  readonly seconds: number
  readonly letters: number
  readonly largestHtml: number
  /** The most memory that this process had, MB. */
  readonly peakMb: number
  readonly wrong: readonly string[]
}

/** Lets a hunt of so many clients be told. */
export const tellHunt = async (count: number): Promise<HuntResult> => {
  const dir = mkdtempSync(join(tmpdir(), 'relay-hunt-'))
  const { configuration } = readConfiguration(relayYaml, {
    file: '/relay.yaml',
    env: {},
    readFile: () => ({ text: '', readableByOthers: false }),
  })
  if (configuration === null) throw new Error('the configuration of the soak cannot be used')
  const begin = Date.now() - 3_600_000
  const clock = systemClock()
  const tell = (): void => undefined
  const log = await openEmbeddedLog({ dir, topics: allTopics, clock, tell })
  const sent: Sent = { letters: 0, largestHtml: 0 }
  const [{ name, from }] = configuration.channels as [(typeof configuration.channels)[number]]
  const channels = new Map([[name, { name, from, sink: countingSink(sent) }]])
  const world = { log, velociraptor: server(begin), channels, clock, random: Math.random, tell }
  try {
    const from = performance.now()
    const service = await startService(world, { configuration, stages: ['enrich', 'decide', 'deliver'], since: null })
    const done = async (): Promise<void> => {
      await feed(log, count, begin)
      for (let quiet = 0; quiet < 3;) {
        await setTimeout(50)
        quiet = log.isIdle() && sent.letters >= Math.ceil(count / most) ? quiet + 1 : 0
      }
    }
    await Promise.race([done(), service.failed])
    const seconds = (performance.now() - from) / 1000
    const peakMb = process.resourceUsage().maxRSS / 1024
    await service.stop()
    return { seconds, ...sent, peakMb, wrong: await check(log, count) }
  } finally {
    await log.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

const mostMb = 350
/** More that a whole hunt may take than its first part, MB: what passes through leaves nothing. */
const mostGrowthMb = 64

if (import.meta.main) {
  const { values } = parseArgs({ options: { count: { type: 'string', default: '100000' } } })
  const count = Number(values.count)
  keepYoungHeapSmall()
  const part = await tellHunt(Math.ceil(count / 4))
  const whole = await tellHunt(count)
  const growth = Math.max(0, whole.peakMb - part.peakMb)
  const isSmall = whole.peakMb <= mostMb
  const isFlat = growth <= mostGrowthMb
  console.log(
    `${count} completions in ${whole.letters} letters, ${whole.seconds.toFixed(1)} s, largest page ${whole.largestHtml} bytes`,
  )
  const verdict = (isFine: boolean): string => (isFine ? '' : ': too much')
  console.log(`most memory ${Math.round(whole.peakMb)} MB, allowed ${mostMb} MB${verdict(isSmall)}`)
  console.log(
    `${Math.round(growth)} MB of it more than for a quarter of the hunt, allowed ${mostGrowthMb} MB${verdict(isFlat)}`,
  )
  const wrong = [...part.wrong, ...whole.wrong]
  for (const line of wrong) console.log(line)
  if (wrong.length === 0) console.log('nothing lost, nothing doubled, everything in order')
  process.exit(isSmall && isFlat && wrong.length === 0 ? 0 : 1)
}
