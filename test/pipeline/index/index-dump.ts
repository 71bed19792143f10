import { isDeepStrictEqual } from 'node:util'
import type { OutcomeIndex } from '../../../pipeline/index/outcome-index.ts'

/** Everything that an index holds, in order, without the numbers that it gave to lanes, signatures and segments. */
export const dumpOf = ({ database }: OutcomeIndex): Readonly<Record<string, unknown>> => {
  const all = (sql: string): unknown => database.prepare(sql).raw().all()
  const words = database
    .prepare<[], number>('SELECT id FROM segment')
    .pluck()
    .all()
    .map((id) => `SELECT hash, at FROM word_${id}`)
  const lane = "(SELECT topic || '/' || partition FROM lane WHERE id = event >> 40), event & 1099511627775"
  const signature = '(SELECT text FROM signature WHERE id = signature)'.replace('= signature)', '= t.signature)')
  const sumsOf = (table: string): unknown => {
    const signed = (what: string, from: string): unknown =>
      all(
        `SELECT block, ${signature}, ${what} FROM ${from} AS t GROUP BY 1, 2 ORDER BY 1, 2`.replace(
          'SELECT block',
          from === table ? 'SELECT event >> 12' : 'SELECT block',
        ),
      )
    const [counted, kept] = [signed('count(*)', table), signed('sum(count)', `${table}_sum`)]
    if (!isDeepStrictEqual(counted, kept)) throw new Error(`the sums of ${table} are not its rows`)
    return 'as its rows'
  }
  return {
    applied: all('SELECT * FROM applied ORDER BY partition'),
    judged: all(`SELECT ${lane}, at, ${signature} FROM judged AS t ORDER BY at`),
    again: all(`SELECT ${lane}, at FROM again ORDER BY at`),
    delivery: all(`SELECT at, n, ${lane}, ${signature} FROM delivery AS t ORDER BY at, n`),
    judgedSums: sumsOf('judged'),
    deliverySums: sumsOf('delivery'),
    owed: all(`SELECT notice, balance, monitor, ${lane} FROM owed WHERE balance <> 0 ORDER BY notice`),
    aside: all('SELECT * FROM aside ORDER BY at'),
    words: all(`${words.join(' UNION ALL ')} ORDER BY hash, at`),
  }
}
