import { Observable } from 'rxjs'
import type { QueryMessage, QueryRequest, Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import { flowCompletionId, readFlowCompletion } from '../../pipeline/sources/flow-completion-row.ts'
import type { RawEvent } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'

/** Completed flows of a made-up server: the same at every call but for their times, which lie in the last hour. */
export interface FlowWorld {
  readonly events: readonly RawEvent[]
  readonly velociraptor: Velociraptor
}

const hour = 3_600_000
const clientCount = 5000
const eventEveryMs = 20
const rowBytes = 1000

const artifacts = [
  ['Linux.Search.FileFinder', ['READ_RESULTS']],
  ['Windows.Forensics.Prefetch', ['FILESYSTEM_READ']],
  ['Windows.System.TaskScheduler', ['MACHINE_STATE']],
  ['Generic.Client.Info', []],
  ['Linux.Sys.Users', ['FILESYSTEM_READ']],
  ['Windows.KapeFiles.Targets', ['FILESYSTEM_READ', 'EXECVE']],
  ['Linux.Remediation.Quarantine', ['EXECVE']],
  ['Custom.Triage.Collection', []],
] as const
const labels = ['server', 'workstation', 'vip', 'lab', 'quarantined', 'branch-north', 'branch-south']

/** A generator of numbers in [0, 1) that gives the same ones again. */
export const seeded = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Few keys are frequent, most are rare: the rank's share is 1 / rank. */
const skewed = (count: number, random: () => number): (() => number) => {
  const sums: number[] = []
  let sum = 0
  for (let rank = 1; rank <= count; rank++) sums.push((sum += 1 / rank))
  return () => {
    const wanted = random() * sum
    let low = 0
    let high = count - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] as number) < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}

const pick = <T>(items: readonly T[], random: () => number): T => items[Math.floor(random() * items.length)] as T
const id = (prefix: string, n: number): string => prefix + n.toString(36).toUpperCase().padStart(13, '0')
const clientId = (n: number): string => `C.${(0x1000_0000_0000 + n * 7919).toString(16).padStart(16, '0')}`

interface MadeFlow {
  readonly row: string
  readonly record: object
}

const makeFlow = (n: number, client: string, completedAt: EpochMs, random: () => number): MadeFlow => {
  const [artifact] = pick(artifacts, random)
  const isFailed = random() < 0.1
  const isHunt = random() < 0.3
  const flow = isHunt ? `${id('F.', n)}.H` : id('F.', n)
  const startedUs = (completedAt - Math.floor(random() * 120_000)) * 1000 + 123
  const rows = Math.floor(random() * 300)
  const query = {
    duration: 141_115_000 + n,
    last_active: startedUs + 141_115,
    first_active: startedUs,
    names_with_response: [artifact],
    log_rows: 4,
    result_rows: rows,
  }
  const common = {
    client_id: client,
    session_id: flow,
    start_time: startedUs,
    active_time: completedAt * 1000 + 321,
    total_collected_rows: rows,
    total_logs: 20,
    total_requests: 1,
    execution_duration: query.duration,
  }
  const status = isFailed ? 'The query was stopped: its time is over' : ''
  const row = {
    Timestamp: Math.floor(completedAt / 1000),
    Flow: {
      ...common,
      state: isFailed ? 3 : 2,
      ...(isFailed ? { status } : {}),
      artifacts_with_results: [artifact],
      query_stats: [query],
    },
    FlowId: flow,
    ClientId: client,
    _ts: Math.floor(completedAt / 1000),
    _Source: 'System.Flow.Completion',
  }
  const missing = rowBytes - JSON.stringify(row).length
  const lines = { ...row, Flow: { ...row.Flow, backtrace: 'x'.repeat(Math.max(0, missing - 15)) } }
  const record = {
    ...common,
    state: isFailed ? 'ERROR' : 'FINISHED',
    status,
    create_time: startedUs - 250_000,
    previous_flows: [],
    artifacts_with_results: [artifact],
    total_uploaded_files: 0,
    total_uploaded_bytes: 0,
    uploaded_files: [],
    logs: [],
    query_stats: [{ ...query, status: isFailed ? 'GENERIC_ERROR' : 'OK', error_message: status, uploaded_files: 0 }],
    request: {
      creator: pick(['analyst1', 'analyst2@example.org', 'VelociraptorServer'], random),
      client_id: client,
      flow_id: flow,
      urgent: false,
      artifacts: [artifact],
      cpu_limit: 0,
      iops_limit: 0,
      timeout: 0,
      max_rows: 0,
      specs: [
        {
          artifact,
          parameters: { env: [{ key: 'SearchFilesGlob', value: '/srv/**/*.log', comment: '' }] },
          timeout: 0,
        },
      ],
    },
  }
  return { row: JSON.stringify(lines), record }
}

const makeClient = (client: string, n: number, now: EpochMs, random: () => number): object => ({
  client_id: client,
  first_seen_at: Math.floor(now / 1000) - 90 * 86_400,
  last_seen_at: now * 1000,
  last_ip: '192.0.2.7:52301',
  labels: random() < 0.5 ? [pick(labels, random)] : [],
  os_info: {
    system: 'linux',
    hostname: `host${n}`,
    release: 'debian12.11',
    machine: 'amd64',
    fqdn: `host${n}.example.org`,
    mac_addresses: [],
  },
  agent_information: { version: '0.77.2', name: 'velociraptor', build_time: '', build_url: '' },
})

/** `count` completions of 1 kB each: clients by a skewed choice, hunts, failures, creators and labels mixed. The same seed and begin give the same ones. */
export const makeFlowWorld = (count: number, { seed = 42, begin = Date.now() - hour } = {}): FlowWorld => {
  const random = seeded(seed)
  const nextClient = skewed(clientCount, random)
  const answers = new Map<string, string>()
  const clients = new Map<string, string>()
  const events = Array.from({ length: count }, (_, n): RawEvent => {
    const rank = nextClient()
    const client = clientId(rank)
    if (!clients.has(client)) clients.set(client, JSON.stringify(makeClient(client, rank, begin, random)))
    const { row, record } = makeFlow(n, client, begin + n * eventEveryMs, random)
    const read = readFlowCompletion(JSON.parse(row))
    answers.set(
      `${client} ${read.flow}`,
      `{"CId":"${client}","FId":"${read.flow}","Flow":${JSON.stringify(record)},"Client":${clients.get(client) as string},"Metadata":{"owner":"team ${rank % 20}"}}`,
    )
    const received_at = read.receivedAt as number
    return {
      org: 'root',
      queue: 'System.Flow.Completion',
      id: flowCompletionId('root', read, received_at),
      received_at,
      read_at: begin + n * eventEveryMs + 500,
      origin: 'live',
      row,
    }
  })
  return { events, velociraptor: answering((request) => answerOf(request, answers)) }
}

const definitions = new Map(
  artifacts.map(([name, required_permissions]) => [
    name as string,
    JSON.stringify({
      name,
      type: 'client',
      required_permissions,
      implied_permissions: [],
      sources: [{ name: '' }],
      parameters: [],
    }),
  ]),
)

const keysOf = <T>(env: QueryRequest['env']): readonly T[] => JSON.parse(env?.['Keys'] ?? '[]') as T[]

/** Rows ready made for the lookups that the pipeline does while it completes and decides. */
const answerOf = ({ vql, env }: QueryRequest, flows: ReadonlyMap<string, string>): readonly string[] => {
  if (vql.includes('flows(client_id='))
    return keysOf<{ CId: string; FId: string }>(env).map(({ CId, FId }) => flows.get(`${CId} ${FId}`) ?? missing(vql))
  if (vql.includes('hunt_info('))
    return keysOf<{ HId: string }>(env).map(({ HId }) =>
      JSON.stringify({ HId, Hunt: { hunt_id: HId, hunt_description: `Looks everywhere ${HId}`, tags: ['monthly'] } }),
    )
  if (vql.includes('artifact_definitions('))
    return (env?.['Names'] ?? '').split('\n').map((name) => definitions.get(name) ?? missing(vql))
  return missing(vql)
}

const missing = (vql: string): never => {
  throw new Error(`the bench has no answer for: ${vql}`)
}

/** A server that answers at once, in this process. */
const answering = (rowsOf: (request: QueryRequest) => readonly string[]): Velociraptor => ({
  query: (request) =>
    new Observable<QueryMessage>((subscriber) => {
      subscriber.next({ kind: 'rows', rows: rowsOf(request) })
      subscriber.complete()
    }),
  close: () => Promise.resolve(),
})
