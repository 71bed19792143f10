import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { alertId, readAlert } from '../../../pipeline/sources/alert-row.ts'
import { alerts } from '../../../pipeline/sources/queue-source.ts'

const idOf = (row: unknown): string => alertId('root', row, readAlert(row))
const row = (more: object = {}): object => ({
  client_id: 'C.1',
  name: 'n',
  timestamp: '2026-11-24T08:40:33.476661832Z',
  event_data: { a: 1 },
  artifact: 'A.B',
  artifact_type: 'CLIENT_EVENT',
  _ts: 1_795_509_633,
  ...more,
})

describe('a row of the alert queue', () => {
  it('is read', () => {
    expect(readAlert(row({ flow_id: 'F.1' }))).toEqual({
      client: 'C.1',
      name: 'n',
      flow: 'F.1',
      artifact: 'A.B',
      artifactType: 'CLIENT_EVENT',
      alertedAt: Date.UTC(2026, 10, 24, 8, 40, 33, 476),
      moment: '1795509633.476661832',
      receivedAt: 1_795_509_633_000,
    })
  })

  it('may lack every column, or have others in their place', () => {
    const nothing = {
      client: 'server',
      name: '',
      flow: '',
      artifact: '',
      alertedAt: null,
      moment: '',
      receivedAt: null,
    }
    expect(readAlert({})).toMatchObject(nothing)
    expect(readAlert({ client_id: 7, flow_id: [], artifact: null, timestamp: 'soon' })).toMatchObject(nothing)
    expect(readAlert({ timestamp: '9'.repeat(40) })).toMatchObject(nothing)
  })

  it('is read in a moment though its time has a hundred thousand zeros', () => {
    const timestamp = `2026-11-24T08:40:33.${'0'.repeat(100_000)}1Z`
    const begun = performance.now()
    expect(readAlert({ timestamp }).alertedAt).toBe(Date.UTC(2026, 10, 24, 8, 40, 33))
    expect(performance.now() - begun).toBeLessThan(1000)
  }, 60_000)

  it.each([null, 'text', []])('that is no object is refused: %j', (value) => {
    expect(() => readAlert(value)).toThrow('the row is not an object')
  })

  it('has the same id live and read back, where times are written anew', () => {
    const back = row({ timestamp: '2026-11-24T09:40:33.4766618320+01:00', _ts: 1_795_509_633_999, _Source: '' })
    expect(idOf(back)).toBe(idOf(row()))
    expect(idOf(row())).toMatch(/^root\/C\.1\/A\.B\/1795509633\.476661832\/[\w-]{16}$/)
  })

  it('has another id where name, flow, client, time or what it holds differ', () => {
    const others = [
      { name: 'm' },
      { flow_id: 'F.1' },
      { client_id: 'C.2' },
      { timestamp: '2026-11-24T08:40:33.476661833Z' },
      { event_data: { a: 2 } },
    ]
    expect(new Set([{}, ...others].map((more) => idOf(row(more)))).size).toBe(6)
  })

  it('with a time of whole seconds is known by all it holds', () => {
    const timestamp = '2026-11-24T08:40:33Z'
    expect(idOf(row({ timestamp }))).not.toBe(idOf(row({ timestamp, event_data: { a: 2 } })))
    const back = { ...row({ _ts: 1_795_509_633_100 }), timestamp: '2026-11-24T08:40:33.000Z', event_data: { a: 1 } }
    expect(idOf(back)).toBe(idOf(row({ timestamp })))
  })

  it('nested however deep is identified', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`)
    expect(idOf({ name: 'n', event_data: deep })).toMatch(/^root\/server\/-\//)
  })

  it('has a key that a log takes, however long its name; and the same when it is shortened', () => {
    const long = row({ name: 'x'.repeat(5 * 1_048_576) })
    const { key } = alerts.identify('root', long, 0)
    expect(key.length).toBeLessThan(1000)
    expect(alerts.identify('root', JSON.parse(alerts.shorten(long)), 0).key).toBe(key)
  })

  it('goes to the partition of its organisation and name', () => {
    expect(alerts.identify('O1', row(), 5)).toMatchObject({ key: 'O1/n', receivedAt: 1_795_509_633_000 })
    expect(alerts.identify('O1', row({ _ts: undefined }), 5).receivedAt).toBe(5)
  })

  it('that is recorded live is known again in history', () => {
    const folder = new URL('../../fixtures/velociraptor/', import.meta.url)
    const read = (part: string): readonly string[] =>
      readFileSync(new URL(`${part}/Server.Internal.Alerts.jsonl`, folder), 'utf8')
        .trim()
        .split('\n')
        .map((line) => idOf(JSON.parse(line)))
    expect(readdirSync(folder)).toContain('live')
    expect(new Set(read('history'))).toEqual(new Set(read('live')))
  })
})

describe('a row that is too large for the log', () => {
  const short = (data: unknown): { readonly text: string; readonly row: Record<string, unknown> } => {
    const text = alerts.shorten(row({ event_data: data }))
    return { text, row: JSON.parse(text) as Record<string, unknown> }
  }

  it('loses the ends of long values, and says so', () => {
    const { text, row: kept } = short({ big: 'x'.repeat(5 * 1_048_576), small: 1 })
    expect(kept).toMatchObject({ name: 'n', _Shortened: true, event_data: { big: `${'x'.repeat(12_000)}…`, small: 1 } })
    expect(Buffer.byteLength(text)).toBeLessThan(400_000)
  })

  it.each([
    ['many values', Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`k${n}`, 'x'.repeat(1000)]))],
    ['many lists', Array.from({ length: 300 }, () => Array.from({ length: 300 }, () => 'x'.repeat(100)))],
    [
      'a value that is nested',
      JSON.parse(`${'{"a":"xxxxxxxxxx","b":'.repeat(50)}"${'x'.repeat(500_000)}"${'}'.repeat(50)}`),
    ],
  ])('fits with %s', (_, data) => {
    expect(Buffer.byteLength(short(data).text)).toBeLessThanOrEqual(400_000)
  })
})
