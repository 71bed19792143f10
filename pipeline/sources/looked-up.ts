import { jsonText } from '../../connectors/velociraptor/exact-json.ts'
import type { Dictionary } from '../../connectors/velociraptor/lookups.ts'
import type {
  ClientFacts,
  DefinitionFacts,
  FlowArgument,
  FlowFacts,
  HuntFacts,
  QueryFacts,
} from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'

/** What was looked up for one row; null: the server has none, or nothing was asked. */
export interface LookedUp {
  readonly orgName: string
  readonly flow: Dictionary | null
  readonly client: Dictionary | null
  readonly metadata: Dictionary | null
  readonly hunt: Dictionary | null
  /** By artifact name; null: the server has no such artifact. */
  readonly definitions: ReadonlyMap<string, Dictionary | null>
}

/** The object, or an empty one for anything else. */
export const dictionary = (value: unknown): Dictionary =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Dictionary) : {}
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
/** A value of a row as text; empty for null. */
export const text = (value: unknown): string => {
  if (typeof value === 'string') return value
  if (value === undefined || value === null) return ''
  return typeof value === 'object' ? jsonText(value, bigintAsText) : (value as number | bigint | boolean).toString()
}
const bigintAsText = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value)
const texts = (value: unknown): readonly string[] =>
  (typeof value === 'string' ? [value] : list(value)).map(text).filter((item) => item !== '')

/** What avsc takes as a `long`. */
const mostLong = Number.MAX_SAFE_INTEGER - 1

/** A whole number that a `long` holds exactly; anything else is 0. */
const count = (value: unknown): number => {
  const number = (typeof value === 'string' && value !== '') || typeof value === 'bigint' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) && number > 0
    ? Math.min(Math.floor(number), mostLong)
    : 0
}

const latestMs = Date.UTC(10_000, 0, 1) - 1
/** A time, or null where the server has none (0). */
const time = (value: unknown, perMs: number): EpochMs | null => {
  const ms = Math.floor(count(value) / perMs)
  return ms > 0 && ms <= latestMs ? ms : null
}
const micros = 1000
const seconds = 1 / 1000

/** The facts of a client; of an unknown one its id alone. */
export const clientFacts = (id: string, client: Dictionary | null, metadata: Dictionary | null): ClientFacts => {
  const os = dictionary(client?.['os_info'])
  return {
    id,
    known: client !== null,
    fqdn: text(os['fqdn']),
    hostname: text(os['hostname']),
    system: text(os['system']),
    release: text(os['release']),
    machine: text(os['machine']),
    labels: texts(client?.['labels']),
    first_seen_at: time(client?.['first_seen_at'], seconds),
    metadata: Object.entries(metadata ?? {}).map(([field, value]) => ({ field, value: text(value) })),
  }
}

/** Letters show 100 characters of an argument. */
const longestArgument = 4096

const isRedacted = (definition: Dictionary | null | undefined, name: string): boolean =>
  list(definition?.['parameters'])
    .map(dictionary)
    .some((parameter) => parameter['name'] === name && text(parameter['type']).toLowerCase() === 'redacted')

const argumentsOf = (specs: readonly Dictionary[], definitions: LookedUp['definitions']): readonly FlowArgument[] =>
  specs.flatMap((spec) => {
    const artifact = text(spec['artifact'])
    return list(dictionary(spec['parameters'])['env'])
      .map(dictionary)
      .map((entry): FlowArgument => {
        const name = text(entry['key'])
        const redacted = isRedacted(definitions.get(artifact), name)
        return { artifact, name, value: redacted ? '' : text(entry['value']).slice(0, longestArgument), redacted }
      })
  })

const queryFacts = (query: Dictionary): QueryFacts => ({
  status: text(query['status']),
  error: text(query['error_message']),
  rows: count(query['result_rows']),
  uploads: count(query['uploaded_files']),
})

const stateNames = ['UNSET', 'RUNNING', 'FINISHED', 'ERROR', 'IN_PROGRESS', 'UNRESPONSIVE', 'WAITING']
/** The name of a flow's state: lookups give names, completion rows numbers. */
export const stateOf = (value: unknown): string =>
  typeof value === 'number' ? (stateNames[value] ?? 'UNSET') : text(value) || 'UNSET'

/** The facts of a flow by its record. */
export const flowFacts = (id: string, flow: Dictionary, definitions: LookedUp['definitions']): FlowFacts => {
  const request = dictionary(flow['request'])
  const specs = list(request['specs']).map(dictionary)
  return {
    id,
    created_at: time(flow['create_time'], micros),
    started_at: time(flow['start_time'], micros),
    state: stateOf(flow['state']),
    status: text(flow['status']),
    duration_ns: count(flow['execution_duration']),
    creator: text(request['creator']),
    urgent: request['urgent'] === true,
    artifacts: artifactsOf(flow),
    arguments: argumentsOf(specs, definitions),
    specs: specs.length,
    sources_with_results: texts(flow['artifacts_with_results']),
    total_rows: count(flow['total_collected_rows']),
    uploaded_files: count(flow['total_uploaded_files']),
    uploaded_bytes: count(flow['total_uploaded_bytes']),
    queries: list(flow['query_stats']).map(dictionary).map(queryFacts),
  }
}

/** The artifacts that a flow's record requests. */
export const artifactsOf = (flow: Dictionary): readonly string[] => texts(dictionary(flow['request'])['artifacts'])

/** The facts of a hunt; of an unknown one its id alone. */
export const huntFacts = (id: string, hunt: Dictionary | null): HuntFacts => ({
  id,
  known: hunt !== null,
  description: text(hunt?.['hunt_description']),
  tags: texts(hunt?.['tags']),
})

/** The facts of an artifact by its definition. */
export const definitionFacts = (name: string, definition: Dictionary | null | undefined): DefinitionFacts => ({
  name,
  known: definition !== null && definition !== undefined,
  required_permissions: texts(definition?.['required_permissions']),
})

/** Whether a flow record says how the flow ended. */
export const isFinal = (flow: Dictionary): boolean => ['FINISHED', 'ERROR'].includes(stateOf(flow['state']))
