import { describe, expect, it } from 'vitest'
import type { Dictionary } from '../../../connectors/velociraptor/lookups.ts'
import { flowEventOf } from '../../../pipeline/sources/flow-event.ts'
import { isFinal, type LookedUp, stateOf } from '../../../pipeline/sources/looked-up.ts'
import { decode, encode } from '../../../schemas/codec.ts'
import type { RawEvent } from '../../../schemas/generated.ts'
import { completionRow, flowRecord } from './hand-velociraptor.ts'

const raw = (row: object = completionRow('F.1', 1_776_869_007), more: Partial<RawEvent> = {}): RawEvent => ({
  org: 'root',
  queue: 'System.Flow.Completion',
  id: 'id',
  received_at: 1_776_869_007_412,
  read_at: 1_776_869_008_000,
  origin: 'live',
  row: JSON.stringify(row),
  ...more,
})
const lookups = (more: Partial<LookedUp> = {}): LookedUp => ({
  orgName: 'Root',
  flow: flowRecord(),
  client: {},
  metadata: {},
  hunt: null,
  definitions: new Map(),
  ...more,
})
const flowOf = (record: Dictionary, more: Partial<LookedUp> = {}) =>
  flowEventOf(raw(), lookups({ flow: flowRecord(record), ...more })).flow

describe('the event of a completion', () => {
  it('has the server’s times in milliseconds, and null where it has none', () => {
    expect(flowOf({ create_time: 1_776_868_947_900_001, start_time: 0 })).toMatchObject({
      created_at: 1_776_868_947_900,
      started_at: null,
    })
    expect(flowOf({ create_time: undefined, start_time: '1776868947000000' })).toMatchObject({
      created_at: null,
      started_at: 1_776_868_947_000,
    })
  })

  it('FC-70 completes when it was received, where the row does not say', () => {
    const { Timestamp: _, ...row } = completionRow('F.1', 5)
    expect(flowEventOf(raw(row), lookups()).completed_at).toBe(1_776_869_007_412)
    expect(flowEventOf(raw(), lookups()).completed_at).toBe(1_776_869_007_000)
  })

  it('is told once for each time that a flow was made', () => {
    const once = (create_time: unknown) =>
      flowEventOf(raw(), lookups({ flow: flowRecord({ create_time }) })).told_once_as
    expect(once(5n)).toBe('root/C.1/F.1/5')
    expect(new Set([once(5), once('5'), once(6), once(undefined)]).size).toBe(3)
  })

  it('has the arguments of every spec, those of redacted parameters without their value, long ones cut', () => {
    const specs = [
      {
        artifact: 'A',
        parameters: {
          env: [
            { key: 'Path', value: '/tmp' },
            { key: 'Token', value: 'hush' },
          ],
        },
      },
      { artifact: 'B', parameters: { env: [{ key: 'Token', value: 'x'.repeat(9999) }] } },
    ]
    const definitions = new Map([
      ['A', { parameters: [{ name: 'Token', type: 'Redacted' }] }],
      ['B', null],
    ])
    const flow = flowOf({ request: { specs, artifacts: ['A', 'B'] } }, { definitions })
    expect(flow.specs).toBe(2)
    expect(flow.arguments).toEqual([
      { artifact: 'A', name: 'Path', value: '/tmp', redacted: false },
      { artifact: 'A', name: 'Token', value: '', redacted: true },
      { artifact: 'B', name: 'Token', value: 'x'.repeat(4096), redacted: false },
    ])
  })

  it('has the definitions of the requested artifacts, known or not', () => {
    const event = flowEventOf(
      raw(),
      lookups({
        flow: flowRecord({ request: { artifacts: ['A', 'B'] } }),
        definitions: new Map([
          ['A', { required_permissions: ['EXECVE'] }],
          ['B', null],
        ]),
      }),
    )
    expect(event.definitions).toEqual([
      { name: 'A', known: true, required_permissions: ['EXECVE'] },
      { name: 'B', known: false, required_permissions: [] },
    ])
  })

  it('has a hunt when its flow belongs to one, known or not', () => {
    const of = (flow: string, hunt: Dictionary | null) =>
      flowEventOf(raw(completionRow(flow, 5)), lookups({ hunt })).hunt
    expect(of('F.1', { tags: ['x'] })).toBeNull()
    expect(of('F.1.H', null)).toEqual({ id: 'H.1', known: false, description: '', tags: [] })
    expect(of('F.1.H', { hunt_description: 'd', tags: ['x'] })).toEqual({
      id: 'H.1',
      known: true,
      description: 'd',
      tags: ['x'],
    })
  })

  it.each<[string, Dictionary]>([
    ['nothing', {}],
    [
      'nulls',
      { state: null, status: null, request: null, query_stats: null, create_time: null, artifacts_with_results: null },
    ],
    [
      'other kinds',
      {
        state: [],
        status: 7,
        request: 'x',
        query_stats: [1, null, []],
        create_time: {},
        execution_duration: 'x',
        total_collected_rows: -1,
      },
    ],
    [
      'numbers too large',
      {
        create_time: 2 ** 70,
        total_collected_rows: 1e300,
        total_uploaded_bytes: 18_446_744_073_709_551_615n,
        execution_duration: Infinity,
      },
    ],
  ])('can be written though the record holds %s', (_, record) => {
    const event = flowEventOf(
      raw(),
      lookups({ flow: record, client: record, metadata: { n: 1, o: { a: 1n } }, hunt: record }),
    )
    expect(decode('FlowEvent', encode('FlowEvent', event)).id).toBe('id')
  })

  it('is read from the row itself where the server has no record: a server collection', () => {
    const row = {
      ...completionRow('F.1', 5, 'server'),
      Flow: { state: 2, request: { creator: 'a', artifacts: ['S'] } },
    }
    expect(flowEventOf(raw(row), lookups({ flow: null, client: null, metadata: null }))).toMatchObject({
      client: { id: 'server', known: false },
      flow: { state: 'FINISHED', creator: 'a', artifacts: ['S'] },
    })
  })
})

describe('the state of a flow', () => {
  it.each([
    [2, 'FINISHED'],
    [3, 'ERROR'],
    ['FINISHED', 'FINISHED'],
    [99, 'UNSET'],
    [undefined, 'UNSET'],
    ['', 'UNSET'],
  ])('%s is %s', (value, name) => expect(stateOf(value)).toBe(name))

  it.each([
    ['FINISHED', true],
    ['ERROR', true],
    [2, true],
    ['IN_PROGRESS', false],
    ['RUNNING', false],
    [undefined, false],
  ])('%s is final: %s', (state, expected) => expect(isFinal({ state })).toBe(expected))
})
