import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type IncludeRow, logTable } from '../../../operators/log-table.ts'
import { severityRank } from '../../../operators/severity.ts'
import type { Parameter } from '../../../pipeline/config/parameters.ts'
import { parseServerCsv } from '../../../pipeline/config/server-csv.ts'
import { serverErrorsParameters } from '../../../pipeline/monitors/errors-parameters.ts'
import { orReady, readyErrors } from '../../../pipeline/monitors/ready-errors.ts'

const [, ...examples] = parseServerCsv(
  readFileSync(new URL('../../fixtures/ready-errors.csv', import.meta.url), 'utf8'),
).rows.map(({ cells: [message = '', level = '', example = ''] }) => ({ message, level, example }))
const rows = readyErrors()
/** Rows by their place, so that it shows which one chose a line. */
const placeOf = logTable({
  include: rows.map((row, place) => ({ ...row, severity: String(place) })),
  exclude: [],
})
const chosenBy = (level: string, message: string): string | null => {
  const match = placeOf({ artifact: 'Server.Monitor.Health', level, message: `${message}\n` })
  return match === null ? null : (rows[Number(match.severity)]?.message.text ?? null)
}

describe('the ready table of errors', () => {
  it('has an example of each row, in their order', () =>
    expect(rows.map(({ message }) => message.text)).toEqual(examples.map(({ message }) => message)))

  it.each(examples)('%# takes by «$message» and by no row before: $example', ({ message, level, example }) =>
    expect(chosenBy(level, example)).toBe(message),
  )

  it('says of each how severe it is and what it means, and of no two the same', () => {
    for (const { severity, extra } of rows) {
      expect(['low', 'medium', 'high', 'critical']).toContain(severity)
      expect(severityRank(severity)).toBeGreaterThan(1)
      expect(extra).toEqual([['Explanation', expect.stringMatching(/^[A-Z].{15,160}\.$/)]])
    }
    expect(new Set(rows.map(({ extra }) => extra[0]?.[1])).size).toBe(rows.length)
  })

  it.each([
    ['ERROR', 'Cannot connect to <backend>'],
    ['ERROR', 'error line of a server collection'],
  ])('takes whatever is logged at level %s: %s', (level, message) => expect(chosenBy(level, message)).toBe(''))

  it.each([
    ['DEFAULT', 'server_monitoring: Collecting <green>Server.Monitor.Errors.Alert</>'],
    ['DEFAULT', 'server_monitoring: Finished collecting Server.Monitor.Client.Errors.Alert'],
    ['DEFAULT', 'Time 129: Server.Monitor.Errors.Alert: Waiting for rows.'],
    ['DEFAULT', 'Time 0: Q: Sending response part 0 9 B (1 rows).'],
    ['DEFAULT', 'Starting query execution.'],
    ['DEFAULT', 'RemoveDirectory: removing tempdir /var/tmp/tmp1294828240'],
    [
      'DEFAULT',
      'generate: registered new query for SELECT * FROM query(query={ SELECT * FROM monitoring(artifact="X") })',
    ],
    ['DEFAULT', 'Flow F.DC2KQRQ6VH9H4 (Linux.Sys.Users) completed'],
    ['DEFAULT', 'upload_S3: Uploading /srv/failed.zip to bucket'],
    ['DEFAULT', 'artifact_set: added Custom.X to repository'],
    ['DEFAULT', 'import_collection: Copying /a to /b'],
    ['DEFAULT', 'plain'],
    ['INFO', 'no space left on device'],
    ['DEBUG', 'Query Stats: {"RowsScanned":0,"PluginsCalled":1}'],
    ['WARN', 'quota exceeded for /home'],
    ['ALERT', '{"name":"ERROR: connection refused"}'],
  ])('leaves alone at level %s: %s', (level, message) => expect(chosenBy(level, message)).toBe(null))
})

type Problem = readonly [place: number, message: string]

describe('a table that may be ready', () => {
  const row = rows[0] as IncludeRow
  const own = { Artifact: '', Level: 'INFO', Message: 'mine', Severity: 'low' }
  const readRow = (value: unknown, place: number, said: Problem[]): IncludeRow | undefined => {
    if (typeof value !== 'object') return void said.push([place, 'must be a row'])
    return { ...row, severity: (value as typeof own).Severity }
  }
  const parameter: Parameter<readonly IncludeRow[]> = orReady({
    fallback: [row],
    schema: z.array(z.unknown()),
    read(value, path, { report }) {
      if (!Array.isArray(value)) return void report(path, 'must be a list')
      const said: Problem[] = []
      const read = value.map((each: unknown, place) => readRow(each, place, said))
      for (const [place, message] of said) report([...path, place], message)
      return said.length > 0 ? undefined : read.filter((each) => each !== undefined)
    },
  })
  const read = (value: unknown) => {
    const problems: string[] = []
    const severities = parameter
      .read(value, ['t'], {
        report: (path, message) => problems.push(`${path.join('.')} ${message}`),
        writtenAt: () => undefined,
      })
      ?.map(({ severity }) => severity)
    return { severities, problems }
  }
  const ready = rows.map(({ severity }) => severity)

  it('is the ready one where the word stands in its place', () => {
    expect(read('ready')).toEqual({ severities: ready, problems: [] })
    expect(parameter.fallback).toEqual([row])
  })

  it('may have rows of its own before and behind the ready ones', () =>
    expect(read([own, 'ready', { ...own, Severity: 'high' }]).severities).toEqual(['low', ...ready, 'high']))

  it('says so to editors', () =>
    expect(serverErrorsParameters.IncludeFilter.schema.meta()).toMatchObject({
      description: expect.stringMatching(/^Which lines become alerts.*The word ready, alone or between rows/) as string,
      default: [],
    }))

  it('is read as before without the word', () => {
    expect(read([own]).severities).toEqual(['low'])
    expect(read('redy')).toEqual({
      severities: undefined,
      problems: ['t must be a table, or the word ready: did you mean that?'],
    })
    expect(read('steady on')).toEqual({ severities: undefined, problems: ['t must be a list'] })
  })

  it('names the place in the whole list where a row is wrong', () =>
    expect(read(['x', own, 'ready', own, 'y'])).toEqual({
      severities: undefined,
      problems: ['t.0 must be a row', 't.4 must be a row'],
    }))
})
