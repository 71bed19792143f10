import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isRecord } from '../../../pipeline/config/is-record.ts'
import { known } from '../../../pipeline/import/import-monitor.ts'
import { plan, recordedTable, tableOf, written } from './tables.ts'
import { readPasted } from '../../../pipeline/import/pasted.ts'

const flows = 'Server.Monitor.FlowCompletion'
const alerts = 'Server.Monitor.Alerts'
const plainOf = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** The server's own texts, read without the file in between. */
const readDirectly = (artifact: string, parameters: ReadonlyMap<string, unknown>): Record<string, unknown> => {
  const all = known.get(artifact)?.parameters ?? {}
  return Object.fromEntries(
    [...parameters].map(([name, value]) => [
      name,
      all[name]?.read(value, [], { report: () => undefined, writtenAt: () => undefined }),
    ]),
  )
}

describe('an imported relay.yaml', () => {
  it('has the monitors of the recorded table with the same parameters, and is accepted', () => {
    const { configuration, problems } = written(plan(recordedTable))
    expect(problems).toEqual([])
    const given = readPasted(recordedTable, null).entries.filter(({ artifact }) => known.has(artifact))
    expect(given.map(({ parameters }) => parameters.size)).toEqual([4, 9])
    for (const { artifact, parameters } of given) {
      const monitor = configuration?.monitors.find((one) => one.artifact === artifact)
      expect(plainOf(monitor?.parameters)).toMatchObject(plainOf(readDirectly(artifact, parameters)) as object)
    }
  })

  it('says each difference with its number beside its parameter, and no other', () => {
    const { text } = written(
      plan(tableOf(flows, { NewClientArtifacts: '', ClientLabelsToIgnore: '.*', DelayThreshold: '5' })),
    )
    expect(text).toMatch(/# D-01: blank means none.*\n.*# {3}[^\n]*\n\s+NewClientArtifacts: ""\n/)
    expect(text).toMatch(/# D-10: .*\n(?:.*# .*\n)?\s+ClientLabelsToIgnore: '\.\*'\n/)
    expect(text).toMatch(/\n\s+DelayThreshold: 5\n/)
    const other = written(
      plan(tableOf(flows, { NewClientArtifacts: '.+', ClientLabelsToIgnore: 'vip', SendInterval: '-1' })),
    )
    expect(other.text).not.toContain('D-01')
    expect(other.text).not.toContain('D-10')
    expect(other.text).not.toContain('D-58')
  })

  it('writes what the relay refuses as the nearest that it takes', () => {
    const { text, configuration, problems } = written(
      plan(
        tableOf(alerts, {
          Recipients: 'Address\nsoc@example.org\n',
          ContextRowLimit: '0',
          SendInterval: '',
          ContextFieldLimit: '1',
        }),
      ),
    )
    expect(problems).toEqual([])
    expect(configuration?.monitors[0]?.parameters).toMatchObject({
      ContextRowLimit: 100,
      ContextFieldLimit: 1000,
      SendInterval: 60,
    })
    expect(text).toContain('ContextRowLimit was 0 on the server.')
    // The server reads a blank number as 0.
    const blank = written(
      plan(
        tableOf(alerts, {
          Recipients: 'Address\nsoc@example.org\n',
          ContextRowLimit: '',
          ContextFieldLimit: '',
          ContextValueLimit: ' ',
        }),
      ),
    )
    expect(blank.problems).toEqual([])
    expect(blank.configuration?.monitors[0]?.parameters).toMatchObject({
      ContextRowLimit: 100,
      ContextFieldLimit: 1000,
      ContextValueLimit: 10_000,
    })
    expect(blank.text).not.toContain('NOT TAKEN OVER')
  })

  it('leaves out what is unknown or wrong, says why, and never writes the value of an unknown parameter', () => {
    const planned = plan(
      tableOf(alerts, {
        SmtpPassword: 'hunter3',
        AlertMsgInclude: '(',
        HTML: 'perhaps',
        Recipients: [{ a: 1 }],
        ContextInclude: 7,
      }),
    )
    const { text, configuration } = written(planned)
    expect(planned.monitors[0]?.left.map(({ name }) => name)).toEqual([
      'SmtpPassword',
      'AlertMsgInclude',
      'HTML',
      'Recipients',
    ])
    expect(text).toMatch(/# NOT TAKEN OVER: AlertMsgInclude is no pattern/)
    expect(text).toMatch(/# NOT TAKEN OVER: SmtpPassword is no parameter/)
    expect(text).not.toContain('hunter3')
    expect(configuration).not.toBeNull()
  })

  it('has a channel with a placeholder for each secret of the server', () => {
    const specs = [
      { artifact: flows, parameters: { Secret: 'hunts & flows', Sender: 'Flows <flows@example.org>' } },
      { artifact: alerts, parameters: {} },
    ]
    const { text, configuration, problems } = written(plan(JSON.stringify({ specs })))
    expect(problems.filter((problem) => !problem.includes('warning'))).toEqual([])
    expect(configuration?.channels.map(({ name, from }) => [name, from.address])).toEqual([
      ['hunts-flows', 'flows@example.org'],
      ['notify_mail_secret', 'velociraptor@example.org'],
    ])
    expect(configuration?.monitors.map(({ channel }) => channel)).toEqual(['hunts-flows', 'notify_mail_secret'])
    expect(text).toContain('{ env: RELAY_MAIL_PASSWORD_HUNTS_FLOWS }')
  })

  it('names copies of an artifact apart, and says that they may differ', () => {
    const specs = [alerts, `Custom.${alerts}`, 'Lab.Mailer'].map((artifact) => ({
      artifact,
      parameters: { HTML: 'N' },
    }))
    const { text, configuration } = written(plan(JSON.stringify({ specs }), { 'Lab.Mailer': alerts }))
    expect(configuration?.monitors.map(({ name }) => name)).toEqual(['alerts', 'alerts-2', 'alerts-3'])
    expect(text).toContain('On the server Lab.Mailer: a copy')
  })

  it('recognises a renamed artifact by its parameters, and says so instead of guessing', () => {
    const planned = plan(tableOf('Lab.Mailer', { SeverityThreshold: '[]', ContextRowLimit: '5' }))
    expect(planned.monitors).toEqual([])
    expect(planned.left).toEqual([{ artifact: 'Lab.Mailer', kind: 'alike', like: [alerts] }])
  })

  it('keeps any text of any parameter, and steers no terminal', () => {
    const anyText = fc
      .oneof(
        fc.string({ unit: 'binary', maxLength: 20 }),
        fc.string({
          unit: fc.constantFrom(...':#\'"[]{},&*!|>%@`-?. \n\r\t~\\true05e\u202e\u009b\u001b'),
          maxLength: 12,
        }),
      )
      .filter((text) => text.isWellFormed())
    fc.assert(
      fc.property(anyText, fc.array(anyText, { maxLength: 3 }), (field, cells) => {
        const rows = cells.map((cell) => ({ Field: 'F', Alias: cell }))
        const planned = plan(tableOf(flows, { NotifyMetadataEMail: field, ClientMetadata: rows.slice(0, 1) }))
        const { text, configuration } = written(planned)
        expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202a-\u202e]/u)
        const monitor = configuration?.monitors[0]
        expect(monitor).toMatchObject({
          artifact: flows,
          parameters: {
            NotifyMetadataEMail: field,
            ClientMetadata: cells.slice(0, 1).map((Alias) => ({ Alias })),
          },
        })
      }),
    )
  })

  it('knows no difference of a parameter that is none', async () => {
    const { differences } = await import('../../../pipeline/import/differences.ts')
    for (const [artifact, all] of Object.entries(differences)) {
      const parameters = known.get(artifact)?.parameters
      if (isRecord(parameters)) for (const { parameter } of all) expect(Object.keys(parameters)).toContain(parameter)
    }
  })
})
