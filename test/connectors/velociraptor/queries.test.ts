import { describe, expect, it } from 'vitest'
import {
  clientsHistoryQuery,
  seenClientsQuery,
  serverHistoryQuery,
} from '../../../connectors/velociraptor/history-query.ts'
import { parseVql } from '../../../connectors/velociraptor/stand-in/vql/parser.ts'
import { checkedQueueName, watchQuery } from '../../../connectors/velociraptor/watch-query.ts'
import { exactJson, parseExact } from '../../../connectors/velociraptor/exact-json.ts'

describe('a query that watches queues', () => {
  it('holds one member for each queue and a heartbeat, and no name in its text', () => {
    const { vql, env } = watchQuery(['System.Flow.Completion', 'Lab.Client.Multi/Beta', 'System.Flow.Completion'])
    expect(env).toEqual({ Q0: 'System.Flow.Completion', Q1: 'Lab.Client.Multi/Beta' })
    expect(vql).not.toMatch(/System|Lab/)
    expect(vql.match(/watch_monitoring/g)).toHaveLength(2)
    expect(vql).toContain('clock(period=2)')
    expect(parseVql(vql)).toHaveLength(1)
  })

  it.each(['', ' ', "A'B", 'A"B', 'A/', '/A', 'A//B', 'A.B/C/D', 'A\nB', '../x', 'A..B', 'A B', 'x'.repeat(300)])(
    'refuses the name %j',
    (name) => {
      expect(() => checkedQueueName(name)).toThrow(/cannot name an event queue/)
      expect(() => watchQuery([name])).toThrow(expect.objectContaining({ code: 'VELOCIRAPTOR_REFUSED' }))
      expect(() => serverHistoryQuery({ queue: name, fromMs: 1 })).toThrow(/cannot name/)
      expect(() => clientsHistoryQuery({ queue: name, fromMs: 1, clients: [] })).toThrow(/cannot name/)
    },
  )
})

describe('a query of history', () => {
  it('gives times as whole ms, since a decimal point would read everything', () => {
    expect(serverHistoryQuery({ queue: 'A.B', fromMs: 1_700_000_000_123.9 }).env).toEqual({
      QueueName: 'A.B',
      FromMs: '1700000000123',
    })
  })

  it('goes through clients seen since an hour before, by their ids and no id in its text', () => {
    expect(seenClientsQuery({ fromMs: 1_700_003_600_000 }).env).toEqual({ SeenSinceUs: '1700000000000000' })
    const { env, vql } = clientsHistoryQuery({ queue: 'A.B', fromMs: 1, clients: ['server', "C.'"] })
    expect(env['Clients']).toBe(`[{"CId":"server"},{"CId":"C.'"}]`)
    expect(vql).not.toContain('C.')
  })
})

describe('exact JSON', () => {
  it('keeps integers of any size and reads the rest as ever', () => {
    const text =
      '{"a":9007199254740993,"b":[1,-18446744073709551615],"c":1.5,"d":"9007199254740993","e":1234567890123456.5}'
    expect(parseExact(text)).toEqual({
      a: 9_007_199_254_740_993n,
      b: [1, -18_446_744_073_709_551_615n],
      c: 1.5,
      d: '9007199254740993',
      e: 1234567890123456.5,
    })
    expect(exactJson(parseExact('{"a":9007199254740993}'))).toBe('{"a":9007199254740993}')
  })
})
