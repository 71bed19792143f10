import type { ClientFacts, FlowEvent, FlowFacts, QueryFacts } from '../../schemas/generated.ts'

/** When the baseline flow was created. */
export const T = Date.UTC(2026, 3, 22, 14, 42, 27)
const day = 86_400_000

/** What differs from the baseline flow of the golden cases. */
export interface FlowDifference {
  readonly client?: Partial<ClientFacts>
  readonly flow?: Partial<FlowFacts>
  readonly event?: Partial<FlowEvent>
}

/** Queries with these numbers of rows. */
export const withRows = (...rows: readonly number[]): readonly QueryFacts[] => rows.map((each) => query({ rows: each }))

/** One query. */
export const query = (facts: Partial<QueryFacts>): QueryFacts => ({
  status: 'OK',
  error: '',
  rows: 0,
  uploads: 0,
  ...facts,
})

/** The baseline flow of the golden cases, with a difference. */
export const flowEvent = ({ client = {}, flow = {}, event = {} }: FlowDifference = {}): FlowEvent => {
  const artifacts = flow.artifacts ?? ['Linux.Search.FileFinder']
  return {
    id: 'root/C.1111111111111111/F.D7KDSKSILR3TG/1776869007',
    told_once_as: 'root/C.1111111111111111/F.D7KDSKSILR3TG/1776868947000000',
    org: 'root',
    org_name: '<root>',
    received_at: T + 60_000,
    read_at: T + 60_000,
    origin: 'live',
    completed_at: T + 60_000,
    client: {
      id: 'C.1111111111111111',
      known: true,
      fqdn: 'host1.example.org',
      hostname: 'host1',
      system: 'linux',
      release: 'debian12.11',
      machine: 'amd64',
      labels: [],
      first_seen_at: T - 90 * day,
      metadata: [],
      ...client,
    },
    flow: {
      id: 'F.D7KDSKSILR3TG',
      created_at: T,
      started_at: T + 50_000,
      state: 'FINISHED',
      status: '',
      duration_ns: 2.5e9,
      creator: 'analyst1',
      urgent: false,
      artifacts,
      arguments: [],
      specs: 1,
      sources_with_results: [],
      total_rows: 0,
      uploaded_files: 0,
      uploaded_bytes: 0,
      queries: withRows(0),
      ...flow,
    },
    hunt: null,
    definitions: artifacts.map((name) => ({ name, known: true, required_permissions: [] })),
    row: '{}',
    ...event,
  }
}
