import type { EpochMs } from '../../../schemas/time.ts'
import { timeField } from './moments.ts'

/** A row as a scenario writes it. */
export type Plain = Readonly<Record<string, unknown>>

export const isPlain = (value: unknown): value is Plain =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const plainOf = (value: unknown): Plain => (isPlain(value) ? value : {})

/** A list as it stands; an empty one for everything else. */
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** Text as it stands; '' for everything else. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Fields left out get the default; null stands as null. Fields the server does not know stay, at the end. */
export const filled = (given: Plain, defaults: Plain): Plain => {
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(defaults))
    result[key] = key in given && given[key] !== undefined ? given[key] : value
  for (const [key, value] of Object.entries(given)) if (!(key in result) && value !== undefined) result[key] = value
  return result
}

/** Like `filled`, for a field that holds a dictionary. */
const filledInside = (value: unknown, defaults: Plain): unknown =>
  value === null ? null : filled(plainOf(value), defaults)

const withTimes = (given: Plain, unit: 's' | 'us', fields: readonly string[], t0: EpochMs): Plain => {
  const result: Record<string, unknown> = { ...given }
  for (const field of fields) if (field in result) result[field] = timeField(result[field], unit, t0)
  return result
}

const us = (ms: EpochMs): number => ms * 1000

/** A client as `client_info()` gives it. Left out: first seen 90 days before, seen last at T, names from one another. */
export const clientRow = (given: Plain, t0: EpochMs): Plain => {
  const {
    metadata: _,
    org: __,
    ...row
  } = withTimes(withTimes(given, 's', ['first_seen_at'], t0), 'us', ['last_seen_at'], t0)
  return filled(
    {
      ...row,
      ...('agent_information' in row
        ? {
            agent_information: filledInside(row['agent_information'], {
              version: '',
              name: '',
              build_time: '',
              build_url: '',
            }),
          }
        : {}),
      os_info: row['os_info'] === null ? null : osInfo(plainOf(row['os_info'])),
    },
    {
      client_id: '',
      agent_information: { version: '0.77.2', name: 'velociraptor', build_time: '', build_url: '' },
      os_info: null,
      first_seen_at: Math.floor(t0 / 1000) - 90 * 86_400,
      last_seen_at: us(t0),
      last_ip: '',
      last_interrogate_flow_id: '',
      last_interrogate_artifact_name: '',
      labels: [],
      last_hunt_timestamp: 0,
      last_event_table_version: 0,
      last_label_timestamp: 0,
      in_flight_flows: {},
    },
  )
}

const osInfo = (given: Plain): Plain => {
  const fqdn = given['fqdn'] ?? given['hostname'] ?? ''
  const hostname = given['hostname'] ?? (typeof fqdn === 'string' ? (fqdn.split('.')[0] ?? '') : '')
  return filled(given, { system: 'linux', hostname, release: '', machine: 'amd64', fqdn, mac_addresses: [] })
}

/** The client `server`, which every server knows. */
export const serverClientRow: Plain = clientRow(
  {
    client_id: 'server',
    agent_information: {},
    os_info: { system: '', hostname: 'server', machine: '', fqdn: 'server' },
    first_seen_at: 0,
    last_seen_at: 0,
  },
  0,
)

const requestDefaults = (client: unknown, flow: unknown): Plain => ({
  creator: '',
  user_data: '',
  client_id: client,
  flow_id: flow,
  urgent: false,
  summary: false,
  artifacts: [],
  specs: [],
  cpu_limit: 0,
  iops_limit: 0,
  progress_timeout: 0,
  timeout: 0,
  max_rows: 0,
  max_logs: 0,
  max_upload_bytes: 0,
  trace_freq_sec: 0,
  allow_custom_overrides: false,
  log_batch_time: 0,
  compiled_collector_args: [],
  ops_per_second: 0,
})

const specDefaults: Plain = {
  artifact: '',
  parameters: { env: [] },
  cpu_limit: 0,
  max_batch_wait: 0,
  max_batch_rows: 0,
  max_batch_rows_buffer: 0,
  timeout: 0,
}

const requestRow = (given: unknown, client: unknown, flow: unknown): unknown => {
  if (given === null) return null
  const request = filled(plainOf(given), requestDefaults(client, flow))
  return Array.isArray(request['specs'])
    ? { ...request, specs: request['specs'].map((spec) => specRow(spec)) }
    : request
}

const specRow = (given: unknown): unknown => {
  if (!isPlain(given)) return given
  const spec = filled(given, specDefaults)
  const parameters = spec['parameters']
  if (!isPlain(parameters)) return spec
  const env = listOf(parameters['env']).map((item) =>
    isPlain(item) ? filled(item, { key: '', value: '', comment: '' }) : item,
  )
  return { ...spec, parameters: { ...parameters, env } }
}

const queryStats: Plain = {
  status: 'OK',
  error_message: '',
  backtrace: '',
  duration: 0,
  last_active: 0,
  first_active: 0,
  names_with_response: [],
  Artifact: '',
  log_rows: 0,
  uploaded_files: 0,
  uploaded_bytes: 0,
  expected_uploaded_bytes: 0,
  result_rows: 0,
  query_id: 0,
  total_queries: 0,
  transactions_outstanding: 0,
}

/** What a world says beside a flow about its results. */
export interface FlowResults {
  readonly sources: readonly string[]
  readonly rows: number
  readonly files: number
  readonly bytes: number
}

/** A flow as `flows()` gives it. Left out: finished, made and started at T, totals from the results and uploads of the world. */
export const flowRow = (given: Plain, t0: EpochMs, results: FlowResults): Plain => {
  const { org: _, ...row } = withTimes(given, 'us', ['create_time', 'start_time', 'active_time'], t0)
  const created = row['create_time'] ?? us(t0)
  const started = 'start_time' in row ? row['start_time'] : created
  const stats = Array.isArray(row['query_stats'])
    ? row['query_stats'].map((one) =>
        isPlain(one) ? filled(withTimes(one, 'us', ['last_active', 'first_active'], t0), queryStats) : one,
      )
    : row['query_stats']
  const flow = filled(
    {
      ...row,
      ...(stats === undefined ? {} : { query_stats: stats }),
      request: requestRow(row['request'], row['client_id'], row['session_id']),
    },
    {
      client_id: '',
      session_id: '',
      request: null,
      previous_flows: [],
      backtrace: '',
      create_time: created,
      start_time: started,
      active_time: started,
      inflight_time: 0,
      total_uploaded_files: results.files,
      total_expected_uploaded_bytes: results.bytes,
      total_uploaded_bytes: results.bytes,
      total_collected_rows: results.rows,
      total_logs: 0,
      total_requests: 1,
      outstanding_requests: 0,
      transactions_outstanding: 0,
      next_response_id: 0,
      execution_duration: 0,
      state: 'FINISHED',
      status: '',
      artifacts_with_results: results.sources,
      query_stats: [],
      uploaded_files: [],
      user_notified: false,
      logs: [],
      dirty: false,
      total_loads: 0,
      AvailableDownloads: {},
    },
  )
  return flow
}

const flowStates = ['UNSET', 'RUNNING', 'FINISHED', 'ERROR', 'IN_PROGRESS', 'UNRESPONSIVE', 'WAITING']
const partialFlow = [
  'client_id',
  'session_id',
  'total_uploaded_files',
  'total_expected_uploaded_bytes',
  'total_uploaded_bytes',
  'total_collected_rows',
  'total_logs',
  'total_requests',
  'start_time',
  'active_time',
  'execution_duration',
  'state',
  'status',
  'backtrace',
  'artifacts_with_results',
  'query_stats',
]

const isZero = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === 0 ||
  value === '' ||
  value === false ||
  (Array.isArray(value) && value.length === 0)

/** The partial record of a flow inside its completion event: no request, zero fields left out, states as numbers. */
export const completionFlow = (flow: Plain): Plain => {
  const result: Record<string, unknown> = {}
  for (const key of partialFlow) {
    const value =
      key === 'state'
        ? stateNumber(flow['state'])
        : key === 'query_stats'
          ? statsNumbers(flow['query_stats'])
          : flow[key]
    if (!isZero(value)) result[key] = value
  }
  return result
}

const stateNumber = (state: unknown): unknown =>
  typeof state === 'string' ? Math.max(0, flowStates.indexOf(state)) : state

const statsNumbers = (stats: unknown): unknown =>
  listOf(stats).map((one) =>
    Object.fromEntries(
      Object.entries(plainOf(one))
        .map(
          ([key, value]) =>
            [key, key === 'status' ? (value === 'GENERIC_ERROR' ? 10 : value === 'OK' ? 0 : value) : value] as const,
        )
        .filter(([, value]) => !isZero(value)),
    ),
  )

/** A hunt as `hunt_info()` gives it. Left out: running, made and started at T, for a week. */
export const huntRow = (given: Plain, t0: EpochMs): Plain => {
  const { org: _, ...row } = withTimes(given, 'us', ['create_time', 'start_time', 'expires'], t0)
  const created = row['create_time'] ?? us(t0)
  const id = typeof row['hunt_id'] === 'string' ? row['hunt_id'] : ''
  const request = filled(plainOf(row['start_request']), {
    ...requestDefaults('', `F.${id.slice(2)}.H`),
    creator: row['creator'] ?? '',
    artifacts: row['artifacts'] ?? [],
  })
  return filled(
    { ...row, start_request: row['start_request'] === null ? null : request },
    {
      hunt_id: '',
      version: 0,
      create_time: created,
      creator: '',
      start_time: created,
      expires: us(t0 + 7 * 86_400_000),
      hunt_description: '',
      tags: [],
      start_request: null,
      condition: { excluded_labels: { label: [] }, labels: { label: [] }, os: { os: 'ALL' } },
      client_limit: 0,
      stats: {
        total_clients_scheduled: 0,
        total_clients_with_results: 0,
        total_clients_without_results: 0,
        total_clients_with_errors: 0,
        total_uploaded_bytes: 0,
        total_collected_rows: 0,
        total_finished_clients: 0,
        stopped: false,
        available_downloads: { files: [] },
        last_client_table_scan: 0,
      },
      artifacts: listOf(request['artifacts']),
      artifact_sources: listOf(request['artifacts']),
      state: 'RUNNING',
      org_ids: [],
    },
  )
}

/** What `hunts()` without an id gives: the request only in outline. */
export const huntSummary = (hunt: Plain): Plain => ({
  ...hunt,
  start_request: isPlain(hunt['start_request'])
    ? {
        ...hunt['start_request'],
        flow_id: '',
        summary: true,
        specs: [],
        compiled_collector_args: [],
        max_upload_bytes: 0,
      }
    : hunt['start_request'],
})

const parameterDefaults: Plain = {
  name: '',
  default: '',
  description: '',
  type: '',
  choices: [],
  friendly_name: '',
  validating_regex: '',
  artifact_type: '',
  sources: false,
}
const sourceDefaults: Plain = { name: '', description: '', precondition: '', query: '', queries: [], notebook: [] }

/** An artifact as `artifact_definitions()` gives it. Left out: of type client, one source without a name (queues that only the server fills: none). */
export const artifactRow = (given: Plain): Plain => {
  const { org: _, ...row } = given
  const each = (value: unknown, defaults: Plain): unknown =>
    Array.isArray(value)
      ? value.map((item) =>
          isPlain(item) ? filled(item, defaults) : typeof item === 'string' ? filled({ name: item }, defaults) : item,
        )
      : value
  const type = typeof row['type'] === 'string' ? row['type'].toLowerCase() : (row['type'] ?? 'client')
  return filled(
    {
      ...row,
      type,
      ...('parameters' in row ? { parameters: each(row['parameters'], parameterDefaults) } : {}),
      ...('sources' in row ? { sources: each(row['sources'], sourceDefaults) } : {}),
    },
    {
      name: '',
      aliases: [],
      description: '',
      author: '',
      reference: [],
      references: [],
      required_permissions: [],
      implied_permissions: [],
      impersonate: '',
      resources: {
        timeout: 0,
        ops_per_second: 0,
        cpu_limit: 0,
        iops_limit: 0,
        max_rows: 0,
        max_upload_bytes: 0,
        max_batch_wait: 0,
        max_batch_rows: 0,
        max_batch_rows_buffer: 0,
      },
      tools: [],
      precondition: '',
      parameters: [],
      type,
      sources: [sourceDefaults],
      imports: [],
      export: '',
      reports: [],
      column_types: [],
      raw: '',
      compiled: true,
      built_in: false,
      compiled_in: false,
      is_alias: false,
      is_inherited: false,
      metadata: { hidden: false, basic: false, tags: [] },
    },
  )
}

const builtIn = (name: string, type: string, sources: readonly string[] = []): Plain =>
  artifactRow({ name, type, sources: sources.map((source) => ({ name: source })), built_in: true, compiled_in: true })

/** Artifacts that every server has and that matter here: the queues it fills by itself, and what runs at enrolment. */
export const builtInArtifacts: readonly Plain[] = [
  builtIn('System.Flow.Completion', 'CLIENT_EVENT'),
  builtIn('System.Upload.Completion', 'CLIENT_EVENT'),
  builtIn('System.Hunt.Creation', 'SERVER_EVENT'),
  builtIn('Server.Internal.Alerts', 'SERVER_EVENT'),
  builtIn('Server.Audit.Logs', 'SERVER_EVENT'),
  builtIn('Server.Internal.ArtifactModification', 'SERVER_EVENT'),
  builtIn('Server.Internal.ClientDelete', 'SERVER_EVENT'),
  builtIn('Server.Internal.MetadataModifications', 'SERVER_EVENT'),
  builtIn('Server.Internal.Interrogation', 'INTERNAL'),
  builtIn('Server.Internal.ClientConflict', 'INTERNAL'),
  builtIn('Generic.Client.Info', 'CLIENT', ['BasicInformation', 'DetailedInfo', 'LinuxInfo', 'WindowsInfo', 'Users']),
]

const policies: Readonly<Record<string, readonly string[]>> = {
  api: ['ANY_QUERY', 'READ_RESULTS'],
  reader: ['READ_RESULTS'],
  analyst: ['ANY_QUERY', 'READ_RESULTS', 'LABEL_CLIENT', 'NOTEBOOK_EDITOR', 'PREPARE_RESULTS'],
  investigator: [
    'ANY_QUERY',
    'READ_RESULTS',
    'LABEL_CLIENT',
    'NOTEBOOK_EDITOR',
    'PREPARE_RESULTS',
    'COLLECT_CLIENT',
    'START_HUNT',
  ],
}

/** Whether one of the roles grants a permission; an administrator has all. */
export const rolesAllow = (roles: readonly unknown[], permission: string): boolean =>
  roles.some(
    (role) => role === 'administrator' || (typeof role === 'string' && (policies[role]?.includes(permission) ?? false)),
  )

/** A user as `gui_users()` gives it, one row for each organisation. */
export const userRow = (given: Plain): Plain => {
  const roles = listOf(given['roles'])
  const granted = [...new Set(roles.flatMap((role) => (typeof role === 'string' ? (policies[role] ?? []) : [])))]
  return filled(given, {
    name: '',
    org_id: 'root',
    org_name: '<root>',
    picture: '',
    email: false,
    stats: null,
    roles,
    _policy: { roles },
    effective_policy: Object.fromEntries(granted.map((permission) => [permission.toLowerCase(), true])),
  })
}
