import { describe, expect, it } from 'vitest'
import { openEqualRows } from '../../../pipeline/sources/equal-rows.ts'
import { anyQueue } from '../../../pipeline/sources/queue-source.ts'
import { substanceHash } from '../../../pipeline/sources/substance.ts'

const queue = anyQueue('Custom.Events/Odd')
const at = 1_776_875_483

describe('any queue', () => {
  it('knows a row again when it is read back: with its time in ms, its keys in another order, and a writer', () => {
    const live = { FileName: 'a', When: '2026-04-22T16:31:23.5Z', ClientId: 'C.1', _ts: at, _Source: 'X', _Queue: 'X' }
    const back = {
      _ts: at * 1000 + 5,
      _Source: 'C.1',
      When: '2026-04-22T16:31:23.500Z',
      ClientId: 'C.1',
      FileName: 'a',
    }
    expect(queue.identify('root', back, 0).id).toBe(queue.identify('root', live, 0).id)
  })

  it('tells rows apart by what they hold, by client, by second, and equal ones by their number', () => {
    const row = { A: 1, ClientId: 'C.1', _ts: at }
    const ids = [
      queue.identify('root', row, 0),
      queue.identify('root', { ...row, A: 2 }, 0),
      queue.identify('root', { ...row, ClientId: 'C.2' }, 0),
      queue.identify('root', { ...row, _ts: at + 1 }, 0),
      queue.identify('root', row, 0, 1),
      queue.identify('O1', row, 0),
    ].map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it.each([
    ['a time', '2026-04-22T16:31:23.5+02:00 host sshd[1]: closed', '2026-04-22T16:31:23.5+02:00 host sshd[2]: failed'],
    ['no time', '2026-99-22T16:31:23Z', '2026-98-22T16:31:23Z'],
  ])('tells texts apart that begin like %s', (_, one, other) => {
    const idOf = (Line: string): string => queue.identify('root', { Line, _ts: at }, 0).id
    expect(idOf(one)).not.toBe(idOf(other))
  })

  it('tells integers beyond 2^53 apart, and keeps them in a row that it shortens', () => {
    const [one, other] = [9_007_199_254_740_993n, 9_007_199_254_740_992n].map((Id) => ({ Id, _ts: at }))
    expect(queue.identify('root', one, 0).id).not.toBe(queue.identify('root', other, 0).id)
    expect(queue.shorten(one)).toContain('"Id":9007199254740993,')
  })

  it('keeps all rows of a queue together, and is told from a row that is none', () => {
    expect(queue.identify('root', { A: 1, _ts: at }, 0)).toMatchObject({
      key: 'root/Custom.Events/Odd',
      receivedAt: at * 1000,
    })
    expect(queue.identify('root', { A: 1 }, 7).receivedAt).toBe(7)
    expect(() => queue.identify('root', null, 0)).toThrow('the row is not an object')
    expect(() => queue.identify('root', { _ts: 'x' }, 0)).toThrow('_ts is not a time')
  })

  it('shortens a row of 5 MiB and says so in it', () => {
    const short = queue.shorten({ FileName: 'x'.repeat(5 * 2 ** 20), ClientId: 'C.1' })
    expect(short.length).toBeLessThan(400_000)
    expect(JSON.parse(short)).toMatchObject({ ClientId: 'C.1', _Shortened: true })
  })
})

describe('equal rows', () => {
  it('are counted within one reading', () => {
    const [live, history] = [openEqualRows(), openEqualRows()]
    const one = substanceHash({ A: 1, _ts: at }, '')
    expect([live.next(one), live.next(one), live.next('other'), live.next(one), history.next(one)]).toEqual([
      0, 1, 0, 2, 0,
    ])
  })

  it('are forgotten once 100,000 others came', () => {
    const rows = openEqualRows()
    rows.next('x')
    for (let n = 0; n < 100_000; n++) rows.next(String(n))
    expect([rows.next('x'), rows.next('99999')]).toEqual([0, 1])
  })
})
