import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { known } from '../../../pipeline/import/import-monitor.ts'
import { leftLines } from '../../../pipeline/import/import-report.ts'
import { readPasted } from '../../../pipeline/import/pasted.ts'
import { plan, tableOf, written } from './tables.ts'

const ofServer = 'Server.Monitor.Errors.Alert'
const ofClients = 'Server.Monitor.Client.Errors.Alert'
const plainOf = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** Every table of server events that somebody set in the recording, as the server's audit log keeps it. */
const recordedTables: readonly string[] = readFileSync(
  new URL('../../fixtures/velociraptor/live/Server.Audit.Logs.jsonl', import.meta.url),
  'utf8',
)
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as { readonly operation: string; readonly details: { readonly state?: unknown } })
  .filter(({ operation }) => operation === 'SetServerMonitoringState')
  .map(({ details }) => JSON.stringify(details.state))

/** The server's own texts, read without the file in between. */
const readDirectly = (artifact: string, parameters: ReadonlyMap<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    [...parameters].map(([name, value]) => [
      name,
      known.get(artifact)?.parameters[name]?.read(value, [], { report: () => undefined, writtenAt: () => undefined }),
    ]),
  )

const imported = (artifact: string, parameters: Readonly<Record<string, string>>) => {
  const planned = plan(tableOf(artifact, parameters))
  const { text, configuration, problems } = written(planned)
  const [monitor] = configuration?.monitors ?? []
  const rows = (name: 'IncludeFilter' | 'ExcludeFilter'): unknown =>
    monitor !== undefined && name in monitor.parameters
      ? (monitor.parameters as unknown as Readonly<Record<string, readonly unknown[]>>)[name]
      : undefined
  return { planned, text, problems, rows }
}
const numbersIn = (text: string): readonly string[] => [...new Set(text.match(/D-\d\d(?=[ :])/g))].toSorted()
const row = (artifact: string, level: string, message: string, severity: string, ...extra: readonly string[][]) =>
  expect.objectContaining({
    artifact: expect.objectContaining({ text: artifact }) as unknown,
    level: expect.objectContaining({ text: level }) as unknown,
    message: expect.objectContaining({ text: message }) as unknown,
    severity,
    extra,
  }) as unknown

describe('the error monitors of a table of server events', () => {
  it('become monitors with the same parameters, for every table of the recording', () => {
    const counts = { [ofServer]: 0, [ofClients]: 0 }
    for (const table of recordedTables) {
      const { configuration, problems } = written(plan(table))
      expect(problems.filter((problem) => !problem.includes('warning'))).toEqual([])
      for (const { artifact, parameters } of readPasted(table, null).entries) {
        if (artifact !== ofServer && artifact !== ofClients) continue
        counts[artifact] += 1
        const monitor = configuration?.monitors.find((one) => one.artifact === artifact)
        expect(plainOf(monitor?.parameters)).toMatchObject(plainOf(readDirectly(artifact, parameters)) as object)
      }
    }
    expect(counts[ofServer]).toBeGreaterThan(1)
    expect(counts[ofClients]).toBeGreaterThan(0)
  })

  it('list what they do otherwise beside each parameter, with its number', () => {
    const parameters = {
      Period: '20',
      DedupInterval: '60',
      IncludeFilter: 'Artifact,Level,Message,Severity\n.+,ERROR,.+,high\n',
    }
    const server = imported(ofServer, parameters)
    expect(numbersIn(server.text)).toEqual(['D-60', 'D-85', 'D-86', 'D-87', 'D-88'])
    expect(server.text).toMatch(/# D-86: logs are read on[^\n]*\n(?:\s+# [^\n]*\n)*\s+Period: 20\n/)
    expect(server.text).toMatch(/# D-88 ExcludeFilter: the artifacts that tell alerts/)
    expect(numbersIn(imported(ofClients, parameters).text)).toEqual([
      'D-60',
      'D-79',
      'D-85',
      'D-86',
      'D-87',
      'D-88',
      'D-91',
    ])
  })

  it('keep rows with further columns and blank cells as a table that is easy to change', () => {
    const csv =
      'Artifact,Level,Message,Severity,Explanation\nNoisy,,"quota, full",low,Disk quota\n.+,ERROR,.+,medium,\n'
    const { text, rows } = imported(ofServer, { IncludeFilter: csv })
    expect(text).toMatch(/IncludeFilter:\n\s+- \{ Artifact: Noisy, Level: (?:""|''), Message: /)
    expect(rows('IncludeFilter')).toEqual([
      row('Noisy', '', 'quota, full', 'low', ['Explanation', 'Disk quota']),
      row('.+', 'ERROR', '.+', 'medium', ['Explanation', '']),
    ])
  })

  it('say of a number in a cell that it is text now', () => {
    const filter = (cell: string) => `Artifact,Level,Message\n.+,ERROR,${cell}\n`
    expect(numbersIn(imported(ofServer, { IncludeFilter: filter('404') }).text)).toContain('D-46')
    expect(numbersIn(imported(ofServer, { ExcludeFilter: filter('true') }).text)).toContain('D-46')
    expect(numbersIn(imported(ofServer, { IncludeFilter: filter('HTTP 404') }).text)).not.toContain('D-46')
  })

  it('take a table that lacks a compared column as the server takes it: anything matches there', () => {
    const { text, rows, planned } = imported(ofServer, {
      IncludeFilter: 'Artifact,Message,Severity\nX,"a, ""b""",low\n',
      ExcludeFilter: 'Artifact\nY\n',
    })
    expect(planned.monitors[0]?.left).toEqual([])
    expect(rows('IncludeFilter')).toEqual([row('X', '', 'a, "b"', 'low')])
    expect(rows('ExcludeFilter')).toMatchObject([
      { artifact: { text: 'Y' }, level: { text: '' }, message: { text: '' } },
    ])
    expect(numbersIn(text)).toContain('D-89')
  })

  it('say that without a column Severity there is none', () =>
    expect(numbersIn(imported(ofServer, { IncludeFilter: 'Artifact,Level,Message\n.+,ERROR,.+\n' }).text)).toContain(
      'D-90',
    ))

  it('only show what would steer the alert on the server, and leave out what that writes over', () => {
    const { rows, text, planned } = imported(ofServer, {
      IncludeFilter: 'Artifact,Level,Message,Severity,condition,name,Error,Team\n.+,ERROR,.+,low,yes,n,e,ops\n',
    })
    expect(planned.monitors[0]?.left).toEqual([])
    expect(rows('IncludeFilter')).toEqual([
      row('.+', 'ERROR', '.+', 'low', ['condition (column)', 'yes'], ['Team', 'ops']),
    ])
    expect(numbersIn(text)).toContain('D-65')
  })

  it('are named apart from each other and switched off on the server by their names', () => {
    const specs = [ofServer, ofClients].map((artifact) => ({ artifact, parameters: {} }))
    const { configuration } = written(plan(JSON.stringify({ specs })))
    expect(configuration?.monitors.map(({ name, artifact }) => [name, artifact])).toEqual([
      ['errors-alert', ofServer],
      ['client-errors-alert', ofClients],
    ])
  })

  it('are both named where a copy under another name may be either', () => {
    const { left } = plan(tableOf('Lab.Watcher', { Period: '60', IncludeFilter: '' }))
    expect(left).toEqual([{ artifact: 'Lab.Watcher', kind: 'alike', like: [ofServer, ofClients] }])
    expect(leftLines(left).join('\n')).toContain(`--as Lab.Watcher=${ofServer} or --as Lab.Watcher=${ofClients}`)
  })
})
