import type {
  ClientFacts,
  FlowEvent,
  FlowFacts,
  FlowLetterOptions,
  HuntFacts,
  Notice,
} from '../../../schemas/generated.ts'
import type { LetterContext, ResultTable, UploadRow } from '../../../pipeline/letters/flow-letter.ts'

/** When the baseline flow was created. */
export const T = Date.UTC(2026, 3, 22, 14, 42, 27)
const GUI = 'https://velociraptor.example.org/app/index.html'

/** The letter is written as the flow completes. */
export const CONTEXT: LetterContext = { now: T + 60_000, guiUrl: GUI }

const OPTIONS: FlowLetterOptions = {
  html: true,
  keep_empty_rows: false,
  new_client: false,
  client_metadata: [],
  uploads_rows: 10,
  result_tables: [],
  result_columns: 4,
  attachments: [],
  attachment_format: 'jsonl',
  most_attached_bytes: 100 * 1_048_576,
}

/** What differs from the baseline notice. */
export interface Difference {
  readonly client?: Partial<ClientFacts>
  readonly flow?: Partial<FlowFacts>
  readonly event?: Partial<FlowEvent>
  readonly options?: Partial<FlowLetterOptions>
  readonly notice?: Partial<Notice>
  readonly hunt?: HuntFacts
}

/** The notice of the baseline flow, told to soc@example.org. */
export function noticeWith({ client, flow, event, options, notice, hunt }: Difference = {}): Notice {
  return {
    id: 'n1',
    monitor: 'my-collections',
    artifact: 'Server.Monitor.FlowCompletion',
    channel: 'default',
    recipient: { address: 'soc@example.org', name: '' },
    sender: null,
    noticed_at: T + 60_000,
    event_at: { topic: 'events.flows', partition: 0, offset: 0 },
    configuration: 'c1',
    severity: '',
    replay: '',
    batch: { quiet_ms: 0, longest_ms: 0, most: 1, first_at_once: false, spacing_ms: 0 },
    flow: { ...eventWith(client ?? {}, flow ?? {}), hunt: hunt ?? null, ...event },
    flow_letter: { ...OPTIONS, ...options },
    alert: null,
    alert_letter: null,
    ...notice,
  }
}

/** Uploads `/srv/file-1` and so on. */
export function uploadRows(count: number): readonly UploadRow[] {
  return Array.from({ length: count }, (_, index) => ({
    path: `/srv/file-${index + 1}`,
    size: 1_000 * (index + 1),
    components: ['clients', 'C.1111111111111111', 'uploads', 'file', 'srv', `file-${index + 1}`],
    type: '',
  }))
}

/** `rows` rows of the columns A, B, C and so on, at the limits' defaults. */
export function resultTable(columns: number, rows: number, difference: Partial<ResultTable> = {}): ResultTable {
  const names = Array.from({ length: columns }, (_, index) =>
    index < 26 ? String.fromCodePoint(65 + index) : `Column${index}`,
  )
  return {
    source: 'Linux.Sys.Users',
    columns: names,
    rows: Array.from({ length: rows }, (_, row) =>
      Object.fromEntries(names.map((name) => [name, `${name}${row + 1}`])),
    ),
    total: rows,
    maxRows: 0,
    cellLimit: 0,
    maxColumns: 4,
    ...difference,
  }
}

function eventWith(client: Partial<ClientFacts>, flow: Partial<FlowFacts>): Omit<FlowEvent, 'hunt'> {
  return {
    id: 'root/C.1111111111111111/F.D7KDSKSILR3TG/1776868947',
    told_once_as: 'root/C.1111111111111111/F.D7KDSKSILR3TG/1776868887',
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
      first_seen_at: T - 90 * 86_400_000,
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
      artifacts: ['Linux.Search.FileFinder'],
      arguments: [],
      specs: 1,
      sources_with_results: [],
      total_rows: 0,
      uploaded_files: 0,
      uploaded_bytes: 0,
      queries: [{ status: 'OK', error: '', rows: 0, uploads: 0 }],
      ...flow,
    },
    definitions: [{ name: 'Linux.Search.FileFinder', known: true, required_permissions: [] }],
    row: '{}',
  }
}
