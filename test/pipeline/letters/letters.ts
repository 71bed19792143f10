import { alertBatchLetter } from '../../../pipeline/letters/alert-batch-letter.ts'
import { type AlertContext, alertLetter } from '../../../pipeline/letters/alert-letter.ts'
import { batchLetter } from '../../../pipeline/letters/batch-letter.ts'
import { flowLetter } from '../../../pipeline/letters/flow-letter.ts'
import type { LetterContext } from '../../../pipeline/letters/flow-letter.ts'
import type { Letter } from '../../../pipeline/letters/letter.ts'
import type { Notice } from '../../../schemas/generated.ts'
import { ALERT_CONTEXT, alertNotice } from './alert-notices.ts'
import { CONTEXT, T, noticeWith, resultTable, uploadRows } from './notices.ts'
import type { Difference } from './notices.ts'

const EVIL =
  '</td></table><script>alert(1)</script><img src=x onerror="alert(1)">\u202egpj.exe\u001b[2J\nError: none\r\n  - forged: row'

function letter(difference: Difference, context: Partial<LetterContext> = {}): Letter {
  return flowLetter(noticeWith(difference), { ...CONTEXT, ...context })
}

/** Notices of a hunt and of single collections on many clients; every seventh failed. */
export function manyNotices(count: number): readonly Notice[] {
  return Array.from({ length: count }, (_, n) => {
    const isOfHunt = n % 2 === 0
    const artifacts = ['Windows.KapeFiles.Targets', 'Linux.Search.FileFinder', 'Generic.Client.Info']
    return noticeWith({
      notice: { id: `n${n}` },
      client: { id: `C.${String(n % 60).padStart(16, '0')}`, fqdn: `workstation-${n % 60}.example.org` },
      event: { completed_at: T + 60_000 + n * 1000 },
      ...(isOfHunt
        ? { hunt: { id: 'H.DC2KUBE2CFMK8', known: true, description: 'All users of the pool', tags: [] } }
        : {}),
      flow: {
        id: isOfHunt ? 'F.DC2KUBE2CFMK8.H' : `F.DC2KUBE2C${String(n).padStart(4, '0')}`,
        artifacts: isOfHunt ? ['Linux.Sys.Users'] : artifacts.slice(n % 3),
        total_rows: n * 3,
        ...(n % 7 === 3 ? { state: 'ERROR', status: 'Query timed out after 600 seconds while reading the disk' } : {}),
      },
    })
  })
}

const alertOf = (difference: Parameters<typeof alertNotice>[0], context: Partial<AlertContext> = {}): Letter =>
  alertLetter(alertNotice(difference), { ...ALERT_CONTEXT, ...context })

/** Alerts of many names and clients, of every severity. */
const manyAlerts = (count: number): readonly Notice[] =>
  Array.from({ length: count }, (_, n) =>
    alertNotice({
      event: { name: ['Honey file accessed', 'Disk almost full', 'Login from new country'][n % 3] ?? '' },
      client: { id: `C.${n % 40}`, hostname: `workstation-${n % 40}` },
      options: { severity: ['high', 'low', '', 'critical', 'medium'][n % 5] ?? '' },
    }),
  )

/** Letters of every kind, by name: what is looked at, and what must say the same in both forms. */
export const LETTERS: Readonly<Record<string, Letter>> = {
  alert: alertOf(
    {
      data: {
        level: 'error',
        FileName: '/etc/shadow.bak',
        Details: { EventID: 1, Hashes: { SHA256: 'A1' }, Conn: [{ Ip: '198.51.100.42', Port: 443 }] },
        Note: 'first line\nsecond line',
      },
      flow: { creator: 'analyst1' },
      client: { labels: ['prod', 'vip'] },
      event: { received_at: ALERT_CONTEXT.now },
      options: { severity: 'high' },
    },
    { artifactDetails: [['Definition.name', 'Linux.Detection.Honeyfiles'], ['Execution.Params.Password', '(redacted)']] }, // prettier-ignore
  ),
  alertHostile: alertOf({
    client: { hostname: EVIL, labels: [EVIL] },
    event: { name: EVIL, artifact: EVIL, artifact_type: EVIL },
    data: { [EVIL]: EVIL, long: 'x'.repeat(900) },
    options: { severity: EVIL },
  }),
  alerts: alertBatchLetter(manyAlerts(160), ALERT_CONTEXT),
  ordinary: letter({ flow: { total_rows: 24, sources_with_results: ['Linux.Search.FileFinder'] } }),
  failed: letter({
    client: { labels: ['Workstation', 'vip'] },
    flow: {
      state: 'ERROR',
      status: 'Query timed out after 3 seconds\nwhile reading /srv/lab\n',
      artifacts: ['Windows.KapeFiles.Targets', 'Generic.Client.Info'],
      urgent: true,
    },
    event: { origin: 'history', completed_at: T - 3 * 3_600_000 },
  }),
  hunt: letter({
    client: { labels: ['pool'] },
    event: { org: 'O123', org_name: 'Lab <East>' },
    options: { new_client: true, client_metadata: [{ field: 'serial', alias: 'Serial number' }] },
    hunt: { id: 'H.DC2KUBE2CFMK8', known: true, description: 'All users of the pool\nsecond line', tags: ['triage'] },
    flow: { id: 'F.DC2KUBE2CFMK8.H', total_rows: 12 },
  }),
  arguments: letter({
    options: { keep_empty_rows: true, client_metadata: [{ field: 'serial', alias: '' }] },
    flow: {
      specs: 2,
      artifacts: ['Windows.Search.FileFinder', 'Windows.System.PowerShell'],
      arguments: Array.from({ length: 14 }, (_, index) => ({
        artifact: index < 9 ? 'Windows.Search.FileFinder' : 'Windows.System.PowerShell',
        name: `Parameter${index}`,
        value:
          ['C:\\Users\\*\\AppData\\**\\*.exe', 'Get-ChildItem C:\\ |\nSelect-Object Name', '', 'Y'][index % 4] ?? '',
        redacted: index === 7,
      })),
    },
  }),
  hostile: letter(
    {
      client: {
        fqdn: EVIL,
        system: EVIL,
        release: EVIL,
        labels: [EVIL, 'עברית'],
        metadata: [{ field: 'x', value: EVIL }],
      },
      options: { client_metadata: [{ field: 'x', alias: EVIL }] },
      flow: { creator: EVIL, artifacts: [EVIL], state: 'ERROR', status: EVIL, sources_with_results: [EVIL], arguments: [{ artifact: EVIL, name: EVIL, value: EVIL, redacted: false }] }, // prettier-ignore
    },
    {
      uploads: { rows: [{ path: EVIL, size: 7, components: [EVIL], type: '' }], total: 1, maxRows: 10 },
      results: [
        resultTable(0, 0, {
          source: EVIL,
          columns: [EVIL, 'B'],
          rows: [{ [EVIL]: EVIL, B: 'x'.repeat(300) }],
          total: 1,
        }),
      ],
    },
  ),
  tables: letter(
    {
      flow: { total_rows: 100, uploaded_files: 15, uploaded_bytes: 300_118, sources_with_results: ['Linux.Sys.Users'] },
    },
    {
      uploads: { rows: uploadRows(15), total: 15, maxRows: 10 },
      results: [resultTable(6, 100, { maxRows: 20 }), resultTable(30, 3, { source: 'Wide.Source', maxColumns: 0 })],
      omitted: [{ name: 'Linux.Sys.Users.jsonl', size: 120_000_000, why: 'too large' }],
    },
  ),
  batch: batchLetter(manyNotices(12), { ...CONTEXT, now: T + 90_000 }),
  'batch of organisations': batchLetter(
    [
      ...manyNotices(4),
      noticeWith({ event: { org: 'O123', org_name: 'Lab <East>', origin: 'history' } }),
      noticeWith({
        event: { org: 'O123', org_name: 'Lab <East>' },
        client: { fqdn: EVIL },
        flow: { artifacts: [EVIL, EVIL], state: 'ERROR', status: EVIL, total_rows: 7 },
        options: { attachments: [{ source: '.', columns: '', most_rows: 0 }] },
      }),
    ],
    { ...CONTEXT, now: T + 90_000 },
  ),
}
