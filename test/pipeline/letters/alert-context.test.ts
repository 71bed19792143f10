import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { contextRows } from '../../../pipeline/letters/alert-context.ts'
import type { AlertLetterOptions } from '../../../schemas/generated.ts'
import { type AlertDifference, alertEvent } from '../../operators/alert-events.ts'
import { ALERT_OPTIONS } from './alert-notices.ts'

const rowsOf = (difference: AlertDifference, options: Partial<AlertLetterOptions> = {}) =>
  contextRows(alertEvent(difference), { ...ALERT_OPTIONS, ...options })
const shown = (data: unknown, options: Partial<AlertLetterOptions> = {}): readonly string[] =>
  rowsOf({ data }, options).rows.map(({ name, value }) => `${name} = ${typeof value === 'string' ? value : value.kind}`)
const ofJson = (event_data: string, options: Partial<AlertLetterOptions> = {}): readonly string[] =>
  rowsOf({ event: { event_data } }, options).rows.map(
    ({ name, value }) => `${name} = ${typeof value === 'string' ? value : value.kind}`,
  )
const many = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, n]))

const process = { EventID: 1, Hashes: { SHA256: 'A1' }, Conn: [{ Ip: '198.51.100.42', Port: 443 }] }

describe('what else an alert said', () => {
  it('CX-01 is flattened in its own order', () => {
    expect(shown({ Details: process })).toEqual([
      'Details.EventID = 1',
      'Details.Hashes.SHA256 = A1',
      'Details.Conn.0.Ip = 198.51.100.42',
      'Details.Conn.0.Port = 443',
    ])
  })
  it('CX-02 has no row for what is empty', () => expect(shown({ A: {}, B: [], C: 'x' })).toEqual(['C = x']))
  it('CX-03 keeps 0, negative numbers and false, and drops an empty text', () => {
    expect(shown({ ExitCode: -1, Count: 0, Ok: false, Note: '', Nothing: null })).toEqual([
      'ExitCode = -1',
      'Count = 0',
      'Ok = false',
    ])
  })
  it('CX-04 keeps empty values where empty rows are kept', () => {
    expect(shown({ Note: '', N: null }, { keep_empty_rows: true })).toEqual(['Note = ', 'N = '])
  })
  it('CX-05 shows the keys that are asked for, after flattening', () => {
    expect(shown({ Details: { A: 1 }, PID: 2 }, { context_include: '^Details\\.' })).toEqual(['Details.A = 1'])
  })
  it('CX-06 leaves out keys without regard to case', () => {
    expect(shown({ Details: process }, { context_exclude: 'hashes' })).toHaveLength(3)
  })
  it('CX-07 stops at the limit and knows how many there are', () => {
    const { rows, total } = rowsOf({ data: many(45) })
    expect([rows.length, total]).toEqual([30, 45])
  })
  it('CX-11 cuts a long value', () => {
    expect(shown({ a: 'x'.repeat(12_000) }, { longest_value: 10_000 })).toEqual([`a = ${'x'.repeat(10_000)}…`])
  })
  it('cuts a long key in its middle', () => {
    expect(shown({ [`${'a'.repeat(80)}${'b'.repeat(80)}`]: 1 })).toEqual([`${'a'.repeat(50)}…${'b'.repeat(50)} = 1`])
  })
  it('CX-12 has no row at the top for whom an alert of the server names', () => {
    const data = { ClientId: 'C.1', Details: { ClientId: 'C.2' } }
    const names = rowsOf({ data, client: { id: 'C.1' }, event: { reported_by: 'server' } }).rows.map(({ name }) => name)
    expect(names).toEqual(['Details.ClientId'])
  })
  it('shows what is called like it in an alert that a monitor made, and says something else', () => {
    const event = { derived_from: { monitor: 'm', event: 'e' }, artifact: 'L.H', flow_id: '' }
    const data = { ClientId: 'C.1', FlowId: 'F.1', Artifact: 'L.H', ArtifactType: '' }
    const names = (options: Partial<AlertLetterOptions>) =>
      rowsOf({ data, client: { id: 'C.1' }, event }, options).rows.map(({ name }) => name)
    expect(names({})).toEqual(['FlowId'])
    expect(names({ keep_empty_rows: true })).toEqual(['FlowId'])
  })
  it('shows whom an endpoint names, as it names nobody by that', () => {
    expect(shown({ ClientId: 'C.2', Artifact: 'X' })).toEqual(['ClientId = C.2', 'Artifact = X'])
  })
  it('has no row for a severity that is shown, and one for another word', () => {
    const data = { level: 'error', severity: 'high', Severity: 'HIGH' }
    expect(shown(data, { severity: 'high' })).toEqual(['level = error', 'Severity = HIGH'])
  })
  it('CX-13 stands as JSON text where it is not flattened', () => {
    expect(shown({ D: { a: 1 }, L: [1, '<b>'] }, { flatten: false })).toEqual(['D = {"a":1}', 'L = [1,"<b>"]'])
  })
  it('CX-14 leaves times as they are written', () => {
    expect(shown({ T: '2026-04-22T16:25:30.43Z' })).toEqual(['T = 2026-04-22T16:25:30.43Z'])
  })
  it('CX-15 takes the later of two entries that come to one key, in its place', () => {
    expect(ofJson('{"a.b":1,"x":0,"a":{"b":2}}')).toEqual(['x = 0', 'a.b = 2'])
  })
  it('keeps the order of keys that look like numbers, every digit, and what the server escapes', () => {
    expect(ofJson('{"z":12345678901234567890,"10":1e+21,"2":"\\u003cb\\u003e"}')).toEqual([
      'z = 12345678901234567890',
      '10 = 1e+21',
      '2 = <b>',
    ])
    expect(ofJson('{"a":{"b":"\\\\u003c \\u0026"}}', { flatten: false })).toEqual(['a = {"b":"\\\\u003c &"}'])
  })
  it('has no row for an empty key', () => expect(ofJson('{"":1,"a":{"":2,"b":3}}')).toEqual(['a.b = 3']))
  it('is nothing where there is none', () => {
    for (const json of ['null', '{}', '[]', ' {} ']) expect(ofJson(json)).toEqual([])
  })
  it('is one row where it is no object', () => {
    expect(ofJson('"just text"')).toEqual(['event_data = just text'])
    expect(ofJson('[{"a":1},2]')).toEqual(['0.a = 1', '1 = 2'])
  })
  it('stands as JSON text under the tenth segment of a key, however deep it goes', () => {
    const deep = `${'{"k":'.repeat(30)}1${'}'.repeat(30)}`
    expect(ofJson(deep)).toEqual([`${Array(10).fill('k').join('.')} = ${'{"k":'.repeat(20)}1${'}'.repeat(20)}`])
    expect(ofJson(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)[0]).toMatch(/^0(\.0){9} = \[/)
  })
  it('is shown at once with 5,000 keys', () => {
    const { rows, total } = rowsOf({ data: many(5000) }, { most_rows: 100 })
    expect([rows.length, total, rows[99]?.name]).toEqual([100, 5000, 'k99'])
  })
  it('loses nothing on the way, whatever it holds', () => {
    const leaves = (value: unknown): number =>
      typeof value !== 'object' || value === null
        ? 1
        : Object.entries(value).reduce((sum, [key, item]) => sum + (key === '' ? 0 : leaves(item)), 0)
    const key = fc.string({
      unit: fc.constantFrom('a', 'b', 'c', 'd', 'e', '\u202e', '"', '\\'),
      minLength: 0,
      maxLength: 3,
    })
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        fc.constant('x'),
        fc.integer(),
        fc.array(tie('tree')),
        fc.dictionary(key, tie('tree')),
      ),
    }))
    fc.assert(
      fc.property(fc.dictionary(key, tree), (data) => {
        const { total } = rowsOf(
          { data, event: { reported_by: 'C.1' } },
          { keep_empty_rows: true, context_include: '' },
        )
        expect(total).toBe(leaves(data))
      }),
      { numRuns: 200 },
    )
  })
})
