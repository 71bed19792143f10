import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LogLine } from '../../../../connectors/velociraptor/failures.ts'
import { standInVelociraptor } from '../../../../connectors/velociraptor/stand-in/in-process.ts'
import { readJson, toJson } from '../../../../connectors/velociraptor/stand-in/vql/values.ts'
import { createWorld } from '../../../../connectors/velociraptor/stand-in/world.ts'
import { virtualClock } from '../../../../pipeline/runtime/virtual-clock.ts'

const t0 = 1_795_564_433_688

const answer = (
  vql: string,
  env: Readonly<Record<string, string>> = {},
  forMs = 0,
): { rows: readonly string[]; log: readonly string[] } => {
  const clock = virtualClock(t0)
  const rows: string[] = []
  const log: LogLine[] = []
  standInVelociraptor(createWorld({}), { clock })
    .query({ org: 'root', vql, env })
    .subscribe((message) => (message.kind === 'rows' ? rows.push(...message.rows) : log.push(message)))
  clock.advanceTo(t0 + forMs)
  return { rows, log: log.map(({ text }) => text).filter((text) => !/^Starting query|Sending response/.test(text)) }
}

/** Each pair was asked of a real server (0.77.2), which gave this row. */
const seenLive: readonly (readonly [vql: string, row: string])[] = [
  [
    "SELECT 1 + 1.5 AS A, 3 / 2 AS B, 4 / 2 AS C, 'a' + 'b' AS D, 1 = '1' AS E, 'a' =~ 'A' AS F, NULL = 0 AS G, NOT 1 AS H, 1 AND 2 AS I, 0 OR 'x' AS J FROM scope()",
    '{"A":2.5,"B":1.5,"C":2,"D":"ab","E":false,"F":true,"G":false,"H":false,"I":true,"J":true}',
  ],
  [
    "SELECT 'a' * 2 AS U, 1 + NULL AS V, 'a' + 1 AS W, (1,2) + (2,3) AS X, (1,2) + 2 AS Y, 2 - 'a' AS Z FROM scope()",
    '{"U":"aa","V":null,"W":null,"X":[1,2,2,3],"Y":[1,2,2],"Z":null}',
  ],
  [
    "SELECT 5 =~ '5' AS H, NULL =~ 'x' AS I, NULL =~ '.' AS J, ('ab','cd') =~ 'c' AS K, TRUE = 1 AS L, (1,2)[5] AS O, 1.0 = 1 AS P, 9007199254740993 + 1 AS Q FROM scope()",
    '{"H":true,"I":false,"J":true,"K":true,"L":true,"O":2,"P":true,"Q":9007199254740994}',
  ],
  [
    'SELECT {SELECT 1 AS A, 2 AS B FROM scope()} AS X, {SELECT 1 AS A FROM scope()} AS Y, {SELECT * FROM range(end=2)} AS Z, {SELECT * FROM range(end=0)} AS E, {SELECT _value AS a, 1 AS b FROM range(end=2)} AS W FROM scope()',
    '{"X":{"A":1,"B":2},"Y":1,"Z":[0,1],"E":null,"W":[{"a":0,"b":1},{"a":1,"b":1}]}',
  ],
  [
    'LET X = SELECT 1 AS A FROM scope() LET Y(a) = a + 1 SELECT X, X.A AS XA, Y(a=2) AS YY FROM scope()',
    '{"X":[{"A":1}],"XA":[1],"YY":3}',
  ],
  [
    "SELECT format(format='%v-%s-%d-%05.2f', args=[1,'a',3,4.5]) AS F, str(str=NULL) AS S, format(format='%v %v', args=[1]) AS M, format(format='%d', args='x') AS G FROM scope()",
    '{"F":"1-a-3-04.50","S":"Null","M":"1 %!v(MISSING)","G":"%!d(string=x)"}',
  ],
  [
    "SELECT timestamp(epoch='2026-01-02T10:00:00.100+02:00') AS A, timestamp(epoch=1700000000123) AS B, timestamp(epoch='1700000000.5') AS D, timestamp(epoch=1700000000).Unix AS F FROM scope()",
    '{"A":"2026-01-02T08:00:00.1Z","B":"2023-11-14T22:13:20.123Z","D":null,"F":1700000000}',
  ],
  ["SELECT len(list={SELECT * FROM range(end=3)}) AS A, len(list='abc') AS B FROM scope()", '{"A":0,"B":3}'],
  [
    "SELECT array(_={ SELECT artifact FROM M.specs }) AS Specs FROM foreach(row={ SELECT dict(specs=(dict(artifact='x'), dict(artifact='z'))) AS M FROM scope() })",
    '{"Specs":[{"artifact":"x"},{"artifact":"z"}]}',
  ],
  ['SELECT * FROM range(end=3) LIMIT 0', '{"_value":0}'],
  ['SELECT _value AS _value, _value + 1 AS V FROM range(end=2) WHERE V = 2', '{"_value":1,"V":2}'],
  ['SELECT *, 9 AS _value FROM range(end=1)', '{"_value":9}'],
  [
    'SELECT enumerate(items=_value) AS E, sum(item=_value) AS S, max(item=_value) AS M FROM range(end=4) GROUP BY 1',
    '{"E":[0,1,2,3],"S":6,"M":3}',
  ],
]

describe('VQL as the real server understands it', () => {
  it.each(seenLive)('%s', (vql, row) => {
    expect(answer(vql).rows).toEqual([row])
  })

  it('lets OR bind tighter than AND', () => {
    expect(answer('SELECT 1 OR 0 AND 0 AS A, 0 AND 0 OR 1 AS B, 0 OR 1 AND 1 OR 0 AS C FROM scope()').rows).toEqual([
      '{"A":false,"B":false,"C":true}',
    ])
  })

  it('runs chains in order, or at once', () => {
    const members = 'a={SELECT Unix AS A FROM clock(period=1) LIMIT 2}, b={SELECT 2 AS A FROM scope()}'
    expect(answer(`SELECT * FROM chain(${members})`, {}, 9000).rows).toEqual([
      `{"A":${Math.floor(t0 / 1000) + 1}}`,
      `{"A":${Math.floor(t0 / 1000) + 2}}`,
      '{"A":2}',
    ])
    expect(answer(`SELECT * FROM chain(async=TRUE, ${members})`, {}, 9000).rows[0]).toBe('{"A":2}')
  })

  it('runs a query for each row, one after the other or several at once', () => {
    const vql = (workers: number): string =>
      `SELECT * FROM foreach(row={SELECT _value AS N FROM range(end=3)}, query={SELECT N, Unix FROM clock(period=2) LIMIT 1}, workers=${workers})`
    const at = Math.floor(t0 / 1000)
    expect(answer(vql(1), {}, 20_000).rows).toEqual([
      `{"N":0,"Unix":${at + 2}}`,
      `{"N":1,"Unix":${at + 4}}`,
      `{"N":2,"Unix":${at + 6}}`,
    ])
    expect(answer(vql(2), {}, 20_000).rows).toEqual([
      `{"N":0,"Unix":${at + 2}}`,
      `{"N":1,"Unix":${at + 2}}`,
      `{"N":2,"Unix":${at + 4}}`,
    ])
  })

  it('reads variables as text and never as VQL', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(answer('SELECT V FROM scope()', { V: value }).rows).toEqual([`{"V":${toJson(value)}}`])
      }),
      { numRuns: 100 },
    )
  })

  it.each([
    ['SELECT 1 AS A WHERE 1', 'CT 1 AS A |WHERE : 1:15: unexpected token "WHERE"'],
    ["SELECT ' FROM scope()", `SELECT |' FROM sco: 1:8: lexer: invalid input text "' FROM scope()".`],
    ['SELECT 1 AS A FROM scope() x', 'M scope() |: 1:28: unexpected token "x".'],
    ['SELECT { SELECT 1 AS A FROM scope() }[0] AS B FROM scope()', 'unexpected token "["'],
    ['SELEC 1', '|SELEC : 1:1: unexpected token "SELEC" (expected <select>'],
  ])('says where %j is wrong', (vql, says) => {
    const { rows, log } = answer(vql)
    expect(rows).toEqual([])
    expect(log).toHaveLength(1)
    expect(log[0]).toContain(says)
  })

  it('names the scopes it has searched, the request first', () => {
    expect(answer('SELECT nope FROM range(end=1)', { Mine: '1' }).log).toEqual([
      'Symbol nope not found. Current Scope is [NULL], [Mine, _SessionId, $device_manager, config, $acl, Artifact, $repository, $root], [$Query], [_value]',
    ])
  })
})

describe('VQL of the stand-in', () => {
  it('runs a query for each item of a list, in order and no more at once than there are workers', () => {
    const vql = (workers: number): string =>
      `SELECT * FROM foreach(row=(1, 2, 3), query={SELECT _value AS N, Unix FROM clock(period=2) LIMIT 1}, workers=${workers})`
    const at = Math.floor(t0 / 1000)
    const seconds = (workers: number): readonly number[] =>
      answer(vql(workers), {}, 20_000).rows.map((row) => (JSON.parse(row) as { Unix: number }).Unix - at)
    expect(seconds(1)).toEqual([2, 4, 6])
    expect(seconds(2)).toEqual([2, 2, 4])
    expect(seconds(9)).toEqual([2, 2, 2])
  })

  it('gives a dictionary as rows of its keys and values, as a value and as a source', () => {
    const rows = ['{"_key":"b","_value":1}', '{"_key":"a","_value":[2]}']
    expect(answer('SELECT * FROM items(item=dict(b=1, a=(2,)))').rows).toEqual(rows)
    expect(answer('SELECT items(item=dict(b=1, a=(2,))) AS I FROM scope()').rows).toEqual([`{"I":[${rows.join(',')}]}`])
    expect(answer("SELECT * FROM items(item='b')").rows).toEqual([])
  })

  it('orders rows by a column, either way, and counts to the limit after that', () => {
    const vql = (rest: string): string => `SELECT _value AS N FROM foreach(row=(2, 3, 1)) ORDER BY N ${rest}`
    expect(answer(vql('')).rows).toEqual(['{"N":1}', '{"N":2}', '{"N":3}'])
    expect(answer(vql('DESC LIMIT 2')).rows).toEqual(['{"N":3}', '{"N":2}'])
  })

  it('gives nothing where an argument is missing or is none of the signature, and says so', () => {
    expect(answer('SELECT len() AS A FROM scope()')).toEqual({
      rows: ['{"A":null}'],
      log: ['len: Field list is required'],
    })
    expect(answer('SELECT now(at=1) AS A FROM scope()')).toEqual({
      rows: ['{"A":null}'],
      log: ['now: Unexpected arg at'],
    })
    expect(answer('SELECT * FROM range(start=1)')).toEqual({ rows: [], log: ['range: Field end is required'] })
  })

  it('tells a moment in the unit that is asked for', () => {
    const vql =
      'LET M = timestamp(epoch=1700000000123) SELECT M.Unix AS A, M.UnixMilli AS B, M.UnixMicro AS C, M.UnixNano AS D, M.Other AS E FROM scope()'
    expect(answer(vql).rows).toEqual([
      '{"A":1700000000,"B":1700000000123,"C":1700000000123000,"D":1700000000123000000,"E":null}',
    ])
  })
})

describe('JSON of the server', () => {
  it('is read and written without loss, in the order of its keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value)
        expect(JSON.parse(toJson(readJson(text)))).toEqual(JSON.parse(text))
      }),
      { numRuns: 500 },
    )
    const text = '{"2":1,"1":[9007199254740993,-18446744073709551615,1.5],"":null}'
    expect(toJson(readJson(text))).toBe(text)
  })

  it.each(['', '{', '[1,]', '{"a"}', 'nul', '1 2', '"a'])('refuses %j', (text) => {
    expect(() => readJson(text)).toThrow(SyntaxError)
  })
})
