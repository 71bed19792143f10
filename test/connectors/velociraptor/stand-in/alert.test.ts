import { describe, expect, it } from 'vitest'
import { standInVelociraptor } from '../../../../connectors/velociraptor/stand-in/in-process.ts'
import { createWorld } from '../../../../connectors/velociraptor/stand-in/world.ts'
import { virtualClock } from '../../../../pipeline/runtime/virtual-clock.ts'

const t0 = Date.UTC(2026, 3, 22, 14)
const hour = 3_600_000

/** What the log of a query says of its alerts: which were sent, which suppressed, and what was wrong; and the rows it gave. */
const run = (vql: string, forMs = 0): { readonly said: readonly string[]; readonly rows: readonly string[] } => {
  const clock = virtualClock(t0)
  const world = createWorld({})
  const said: string[] = []
  const rows: string[] = []
  world.emit('root', 'Server.Internal.Alerts', { name: 'seen before', client_id: 'server' }, t0)
  standInVelociraptor(world, { clock })
    .query({ org: 'root', vql })
    .subscribe((message) => {
      if (message.kind === 'rows') rows.push(...message.rows)
      else if (message.level === 'ALERT') said.push(`sent ${(JSON.parse(message.text) as { name: string }).name}`)
      else if (message.text.includes('(Sup): ')) said.push(`${message.level} suppressed`)
      else if (message.level === 'ERROR') said.push(message.text)
    })
  clock.advanceTo(t0 + forMs)
  return { said, rows }
}
const said = (vql: string, forMs = 0): readonly string[] => run(vql, forMs).said
/** Calls one after the other, in one query. */
const calls = (...args: readonly string[]): readonly string[] =>
  said(`SELECT ${args.map((each, n) => `alert(${each}) AS A${n}`).join(', ')} FROM scope()`)
/** The same call at the times at which a clock ticks. */
const ticking = (args: string, periodS: number, ticks: number): readonly string[] =>
  said(`SELECT alert(${args}) FROM clock(period=${periodS})`, ticks * periodS * 1000 + 1)

describe("the server's alert()", () => {
  it('AL-01: holds a name back for 7200 s, as long as it is asked about each hour', () => {
    // The first tick comes after one period.
    expect(ticking("name='n'", 2400, 4)).toEqual(['sent n', 'INFO suppressed', 'INFO suppressed', 'sent n'])
    expect(ticking("name='n'", 1799, 5)).toEqual(['sent n', ...Array<string>(4).fill('INFO suppressed')])
  })

  it('AL-03: holds nothing back where dedup is negative', () =>
    expect(calls("name='n', dedup=-1", "name='n', dedup=-1")).toEqual(['sent n', 'sent n']))

  it('AL-04: takes a dedup of 0 for 7200 s', () => {
    expect(calls("name='n', dedup=0", "name='n', dedup=0")).toEqual(['sent n', 'INFO suppressed'])
    expect(ticking("name='n', dedup=0", 1800, 2)).toEqual(['sent n', 'INFO suppressed'])
  })

  it('AL-05: keeps names apart', () =>
    expect(calls("name='a', dedup=300", "name='b', dedup=300")).toEqual(['sent a', 'sent b']))

  it('AL-06: looks at the name alone, not at the context', () =>
    expect(calls("name='n', x=1", "name='n', x=2")).toEqual(['sent n', 'INFO suppressed']))

  it('AL-07: is not armed by a call whose condition does not hold', () =>
    expect(calls("name='n', condition=FALSE", "name='n', condition=TRUE")).toEqual(['sent n']))

  it('AL-08: takes a condition of NULL for one that does not hold', () =>
    expect(calls("name='n', condition=NULL")).toEqual([]))

  it('AL-14: makes no event where it is called through the API', () => {
    const { rows } = run(
      "LET A = SELECT alert(name='n') AS Sent FROM scope() SELECT * FROM chain(a=A, b={SELECT name FROM monitoring(client_id='server', artifact='Server.Internal.Alerts', start_time=0)})",
    )
    expect(rows).toEqual(['{"Sent":true}', '{"name":"seen before"}'])
  })

  it('forgets a name after an hour in which nobody asked about it, whatever dedup says', () =>
    expect(ticking("name='n', dedup=100000", hour / 1000 + 1, 2)).toEqual(['sent n', 'sent n']))

  it('says what is wrong and sends nothing without a name, or where dedup is a text', () => {
    expect(calls('x=1')).toEqual(['alert: Field name is required'])
    expect(calls("name='n', dedup='5'")).toEqual(['alert: Field dedup should be an int not string.'])
  })

  it('takes an empty name', () => expect(calls("name=''")).toEqual(['sent ']))

  it('answers with true also where it holds back, and with null where it was not sent', () =>
    expect(
      run("SELECT alert(name='n') AS A, alert(name='n') AS B, alert(name='m', condition=0) AS C FROM scope()").rows,
    ).toEqual(['{"A":true,"B":true,"C":null}']))
})
