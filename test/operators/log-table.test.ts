import fc from 'fast-check'
import { RE2JS } from 're2js'
import { describe, expect, it } from 'vitest'
import {
  type IncludeRow,
  isNotifying,
  type LogLine,
  type LogMatch,
  type LogRow,
  logTable,
} from '../../operators/log-table.ts'
import { compilePattern } from '../../schemas/pattern.ts'
import { hostileTexts, patternTexts } from '../schemas/patterns.ts'

type Cells = readonly [artifact: string, level: string, message: string]

const row = ([artifact, level, message]: Cells): LogRow => ({
  artifact: compilePattern(artifact),
  level: compilePattern(level),
  message: compilePattern(message),
})
const includeRow = (cells: Cells, severity = '', extra: IncludeRow['extra'] = []): IncludeRow => ({
  ...row(cells),
  severity,
  extra,
})
const line = (artifact: string, level: string, message: string): LogLine => ({ artifact, level, message })
const severityOf = (include: readonly IncludeRow[], asked: LogLine, exclude: readonly LogRow[] = []): string | null =>
  logTable({ include, exclude })(asked)?.severity ?? null

const errors = includeRow(['.+', 'ERROR', '.+'], 'medium')
const forks = includeRow(['.+', 'DEFAULT', 'fork/exec .+ no such file'], 'high')
const boom = line('X', 'ERROR', 'boom\n')

describe('a table of log lines', () => {
  it('EM-01: gives the severity of the row that chooses a line', () =>
    expect(logTable({ include: [errors], exclude: [] })(boom)).toEqual({ severity: 'medium', extra: [] }))

  it('EM-02: leaves other levels alone', () => expect(severityOf([errors], line('X', 'DEFAULT', 'boom'))).toBe(null))

  it('EM-03: may choose by the message what the level does not show', () =>
    expect(severityOf([forks, errors], line('X', 'DEFAULT', 'fork/exec /x: no such file or directory'))).toBe('high'))

  it('EM-04: goes by the first row that matches', () =>
    expect(severityOf([includeRow(['.+', '', '.+'], 'low'), includeRow(['.+', 'ERROR', '.+'], 'high')], boom)).toBe(
      'low',
    ))

  it('EM-05: takes any level where the cell is blank', () =>
    expect(severityOf([includeRow(['', '', ''], 'info')], line('X', 'INFO', ''))).toBe('info'))

  it('EM-06: chooses nothing without rows', () => expect(severityOf([], boom)).toBe(null))

  it('EM-07: never chooses what the artifacts log that tell alerts or make them of logs', () => {
    const all = [includeRow(['', '', ''], 'info')]
    for (const artifact of [
      'Server.Monitor.Alerts',
      'Server.Monitor.Alerts.UserMessage',
      'Server.Monitor.Errors.Alert',
      'Server.Monitor.Client.Errors.Alert',
      'Server.Monitor.Alerts/Source',
    ])
      expect([artifact, severityOf(all, line(artifact, 'ERROR', 'boom'))]).toEqual([artifact, null])
  })

  it('EM-08: chooses what a copy of them under another name logs', () => {
    for (const artifact of [
      'Custom.Server.Monitor.Alerts',
      'Server.Monitor.Alerts2',
      'Server.Monitor.FlowCompletion',
    ]) {
      expect(isNotifying(artifact)).toBe(false)
      expect(severityOf([errors], line(artifact, 'ERROR', 'boom'))).toBe('medium')
    }
  })

  it('EM-12: gives no severity where the row has none', () =>
    expect(severityOf([includeRow(['.+', 'ERROR', '.+'])], boom)).toBe(''))

  it('EM-13: passes on what further columns say, in their order, and no blank cell', () => {
    const extra = [
      ['Explanation', 'Disk full'],
      ['Team', ' '],
      ['artifact', 'x'],
      ['Runbook', ''],
    ] as const
    expect(logTable({ include: [includeRow(['.+', 'ERROR', '.+'], 'high', extra)], exclude: [] })(boom)?.extra).toEqual(
      [
        ['Explanation', 'Disk full'],
        ['artifact', 'x'],
      ],
    )
  })

  it('EM-16: rejects what a row of the second table matches, whichever row chose it', () => {
    const exclude = [row(['Generic\\.Client\\.Stats$', '.+', '.+']), row(['', '', 'expected'])]
    expect(severityOf([errors], line('Generic.Client.Stats', 'ERROR', 'boom'), exclude)).toBe(null)
    expect(severityOf([forks, errors], line('X', 'ERROR', 'an Expected trouble'), exclude)).toBe(null)
    expect(severityOf([errors], boom, exclude)).toBe('medium')
  })

  it('EM-19: takes a cell of digits for text', () =>
    expect(severityOf([includeRow(['', '', '404'], 'low')], line('X', 'ERROR', 'HTTP 404'))).toBe('low'))

  it('needs a character where the cell asks for one', () =>
    expect(severityOf([errors], line('X', 'ERROR', ''))).toBe(null))

  it('is, for any table and line, what trying one row after the other gives', () => {
    const patterns = fc.oneof(fc.constantFrom('', '.+', '^a', 'ERROR'), patternTexts)
    const cells = fc.tuple(fc.oneof(fc.constantFrom('', 'a', '.+'), patterns), patterns, patterns)
    const lines = fc.tuple(fc.constantFrom('a', 'ab', 'K', 'Server.Monitor.Alerts'), hostileTexts, hostileTexts)
    const isFound = (pattern: string, text: string): boolean =>
      pattern === '' || pattern === '.' || RE2JS.compile(pattern, RE2JS.CASE_INSENSITIVE).test(text)
    const matches = (row: Cells, given: Cells): boolean => row.every((cell, n) => isFound(cell, given[n] ?? ''))
    fc.assert(
      fc.property(
        fc.array(cells, { maxLength: 5 }),
        fc.array(cells, { maxLength: 2 }),
        fc.array(lines, { minLength: 1, maxLength: 5 }),
        (include, exclude, given) => {
          const judge = logTable({
            include: include.map((each, n) => includeRow(each, String(n))),
            exclude: exclude.map(row),
          })
          for (const each of given) {
            const place = include.findIndex((one) => matches(one, each))
            const isOut = each[0] === 'Server.Monitor.Alerts' || exclude.some((one) => matches(one, each))
            const expected: LogMatch | null = place < 0 || isOut ? null : { severity: String(place), extra: [] }
            expect(judge(line(...each))).toEqual(expected)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('answers the same however many artifacts and levels it was asked about before', () => {
    const judge = logTable({
      include: [errors, includeRow(['^odd', '', ''], 'low')],
      exclude: [row(['', '^skip', ''])],
    })
    for (let n = 0; n < 5000; n += 1) {
      const artifact = `${n % 2 === 0 ? 'even' : 'odd'}${n}`
      expect(judge(line(artifact, `level${n}`, 'x'))?.severity).toBe(n % 2 === 0 ? undefined : 'low')
      expect(judge(line(artifact, 'ERROR', 'x'))?.severity).toBe('medium')
      expect(judge(line(artifact, `skip${n}ERROR`, 'x'))).toBe(null)
    }
  })
})
