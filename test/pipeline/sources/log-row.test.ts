import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { logKind } from '../../../pipeline/kinds/log-kind.ts'
import { logLineKey, logRowId, readLogRow } from '../../../pipeline/sources/log-row.ts'
import { decode } from '../../../schemas/codec.ts'

/** As a server of 0.77.2 gives them. */
const ofServer = {
  Timestamp: '2026-11-25 09:19:41.25359631 +0000 UTC',
  Level: 'DEFAULT',
  Message: 'server_monitoring: Finished collecting X/Two\n',
  _ts: 1_795_598_381_253,
  _Client: 'server',
  _Queue: 'X/Two',
}
const ofClient = {
  client_time: 1_795_598_385,
  level: 'ERROR',
  message: 'boom\n',
  _ts: 1_795_598_386_221,
  _Client: 'C.50c9507b894a2c0e',
  _Queue: 'Y',
}

describe('a line of a log', () => {
  it('is read as the server writes it for its own artifacts and for those of clients', () => {
    expect(readLogRow(ofServer)).toEqual({
      artifact: 'X/Two',
      client: 'server',
      level: 'DEFAULT',
      message: 'server_monitoring: Finished collecting X/Two',
      loggedAt: Date.UTC(2026, 10, 25, 9, 19, 41, 253),
      storedAt: 1_795_598_381_253,
    })
    expect(readLogRow(ofClient)).toEqual({
      artifact: 'Y',
      client: 'C.50c9507b894a2c0e',
      level: 'ERROR',
      message: 'boom',
      loggedAt: 1_795_598_385_000,
      storedAt: 1_795_598_386_221,
    })
  })

  it.each([
    ['no level', { level: undefined }, { level: '' }],
    ['a level of null', { level: null }, { level: '' }],
    ['a message that is none', { message: { a: 1 } }, { message: '{"a":1}' }],
    ['no time of its own', { client_time: undefined }, { loggedAt: null }],
    ['a time that is none', { client_time: 'soon' }, { loggedAt: null }],
    ['a time after all times', { client_time: 1e300 }, { loggedAt: null }],
    ['lines in its message', { message: 'a\n\nb\n\n' }, { message: 'a\n\nb\n' }],
  ])('may have %s', (_case, change, read) => {
    expect(readLogRow({ ...ofClient, ...change })).toMatchObject(read)
  })

  it.each([
    ['when it was stored', { _ts: undefined }, '_ts is missing'],
    ['whose it is', { _Client: undefined }, 'the line says not whose it is'],
    ['which artifact logged it', { _Queue: 7 }, 'the line says not whose it is'],
  ])('must say %s', (_case, change, reason) => {
    expect(() => readLogRow({ ...ofClient, ...change })).toThrow(reason)
  })

  it('is the same in each reading, and another one where anything differs', () => {
    const idOf = (change: object, copy = 0): string => {
      const row = { ...ofClient, ...change }
      return logRowId('root', row, readLogRow(row), copy)
    }
    const ids = [
      idOf({}),
      idOf({}, 1),
      idOf({ message: 'bang\n' }),
      idOf({ level: 'WARN' }),
      idOf({ client_time: 1 }),
      idOf({ _ts: ofClient._ts + 1 }),
      idOf({ _Client: 'C.2' }),
      idOf({ _Queue: 'Z' }),
    ]
    expect(new Set(ids).size).toBe(ids.length)
    expect(idOf({})).toBe(ids[0])
    expect(logLineKey(ofClient, readLogRow(ofClient))).toBe(logLineKey({ ...ofClient }, readLogRow(ofClient)))
  })

  it('is read or refused with a reason, whatever it holds', () => {
    fc.assert(
      fc.property(fc.object(), fc.anything(), (row, level) => {
        try {
          expect(typeof readLogRow({ ...ofClient, ...row, level }).message).toBe('string')
        } catch (cause) {
          expect(cause).toBeInstanceOf(Error)
        }
      }),
    )
  })

  it('of a client that has vanished is an event all the same, of a client that is not known', () => {
    const raw = {
      org: 'root',
      queue: 'Y',
      id: 'root/C.50c9507b894a2c0e/Y/x.0/1',
      received_at: ofClient._ts,
      read_at: ofClient._ts + 1000,
      origin: 'live' as const,
      row: JSON.stringify(ofClient),
    }
    const row = logKind.readRow(raw)
    const nothing = { orgName: 'root', flow: null, client: null, metadata: null, hunt: null, definitions: new Map() }
    expect(row.asks).toEqual({ client: 'C.50c9507b894a2c0e', flow: '' })
    expect(row.verdictOf(nothing, false)).toBe('complete')
    expect(decode('LogEvent', row.complete(nothing))).toMatchObject({
      artifact: 'Y',
      message: 'boom',
      client: { id: 'C.50c9507b894a2c0e', known: false },
    })
  })
})
