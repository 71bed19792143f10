import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readPasted } from '../../../pipeline/import/pasted.ts'
import { recordedTable } from './tables.ts'

const read = (text: string, artifact: string | null = null) => {
  const { entries, problems } = readPasted(text, artifact)
  return {
    entries: entries.map((entry) => [entry.artifact, Object.fromEntries(entry.parameters)] as const),
    problems,
  }
}
const alerts = 'Server.Monitor.Alerts'
const wanted = { entries: [[alerts, { HTML: 'N', Sender: 'a, b' }]], problems: [] }

describe('pasted parameters', () => {
  it.each([
    [
      'the table',
      {
        specs: [
          {
            artifact: alerts,
            parameters: {
              env: [
                { key: 'HTML', value: 'N' },
                { key: 'Sender', value: 'a, b' },
              ],
            },
          },
        ],
      },
    ],
    [
      'a row of a query that asked for it',
      { M: { artifacts: [alerts], specs: [{ artifact: alerts, parameters: { HTML: 'N', Sender: 'a, b' } }] } },
    ],
    ['a list of rows', [{ M: { specs: [{ artifact: alerts, parameters: { HTML: 'N', Sender: 'a, b' } }] } }]],
    ['a spec', { artifact: alerts, parameters: { HTML: 'N', Sender: 'a, b' } }],
    ['a mapping by artifact', { [alerts]: { HTML: 'N', Sender: 'a, b' } }],
  ])('are read as JSON: %s', (_form, value) => {
    expect(read(JSON.stringify(value))).toEqual(wanted)
    expect(read(`\uFEFF${JSON.stringify(value, null, 2).replaceAll('\n', '\r\n')}\r\n`)).toEqual(wanted)
  })

  it('need the name of their artifact where the text does not say it', () => {
    const bare = JSON.stringify({ HTML: 'N', Sender: 'a, b' })
    const pairs = JSON.stringify([
      { key: 'HTML', value: 'N' },
      { key: 'Sender', value: 'a, b' },
    ])
    for (const text of [bare, pairs, 'Parameter,Value\nHTML,N\nSender,"a, b"\n']) {
      expect(read(text, alerts)).toEqual(wanted)
      expect(read(text)).toEqual({ entries: [], problems: [expect.stringContaining('--artifact')] })
    }
  })

  it('are read as CSV, also with a byte order mark and carriage returns', () => {
    const csv = `Artifact,Parameter,Value\n${alerts},HTML,N\n${alerts},Sender,"a, b"\n`
    expect(read(csv)).toEqual(wanted)
    expect(read(`\uFEFF${csv.replaceAll('\n', '\r\n')}`)).toEqual(wanted)
    expect(read(`Artifact,Parameter,Value\n,HTML,N\n${csv.split('\n').slice(1).join('\n')}`)).toEqual({
      ...wanted,
      problems: [expect.stringContaining('line 2 names no artifact')],
    })
  })

  it('say what is wrong with them', () => {
    const problem = (text: string) => read(text, alerts).problems[0]
    expect(problem(' \n')).toBe('is empty')
    expect(problem('{"specs": [')).toContain('is no JSON')
    expect(problem('Name;Wert\nHTML;N')).toContain('its first line must be Artifact,Parameter,Value')
    expect(problem('Parameter,Value\nHTML,"N')).toContain('never closed')
    expect(problem('[1, 2]')).toContain('neither a table')
    expect(problem('{"specs": [{ "artifact": 7 }]}')).toContain('1 of its specs cannot be read')
  })

  it('hold the artifacts without parameters too, each once', () => {
    const { entries } = read(recordedTable)
    expect(entries.map(([artifact]) => artifact).toSorted()).toEqual([
      'Lab.Server.Alerter',
      'Lab.Server.Noisy',
      'Lab.Server.NoisyPlain',
      'Server.Monitor.Alerts',
      'Server.Monitor.FlowCompletion',
      'Server.Monitor.Health',
    ])
  })

  it('never throw, whatever they are', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => Array.isArray(readPasted(text, alerts).entries)))
  })
})
