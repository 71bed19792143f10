import { RE2JS } from 're2js'
import { readFileSync } from 'node:fs'
import { type IncludeRow, type LogLine, logTable } from '../../../operators/log-table.ts'
import { parseServerCsv } from '../../../pipeline/config/server-csv.ts'
import { readyErrors } from '../../../pipeline/monitors/ready-errors.ts'
import { compilePattern } from '../../../schemas/pattern.ts'
import { type BenchRow, type Figure, type Paired, paired, perCpuSecond } from '../measure.ts'

const mostPatterns = 110
const lineLength = 110
const count = 100_000
const baselineCount = 3000
const longLength = 65_536
const longCount = 40

const rows = readyErrors().slice(0, mostPatterns)
const [, ...examples] = parseServerCsv(
  readFileSync(new URL('../../fixtures/ready-errors.csv', import.meta.url), 'utf8'),
).rows.map(({ cells }) => cells[2] ?? '')

/** The same numbers in each run. */
const openNumbers = (seed: number): ((below: number) => number) => {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return state % below
  }
}
const numbers = openNumbers(7)
const oneOf = <T>(list: readonly T[]): T => list[numbers(list.length)] as T

const line = (message: string): LogLine => ({ artifact: `Server.Monitor.X${numbers(20)}`, level: 'DEFAULT', message })
const filled = (text: string, length: number): string => text.padEnd(length, ` ${text}`).slice(0, length)

const harmless = [
  (n: number) =>
    `server_monitoring: Collecting <green>Custom.Server.Watch${n}</> in ${n % 60} s for rows of organisation ${n % 7}`,
  (n: number) =>
    `Time ${n}: Custom.Server.Watch/Source: Sending response part ${n % 50} ${n % 900} kB (${n % 1000} rows).`,
  (n: number) =>
    `generate: registered new query for SELECT * FROM monitoring(start_time=now() - ${n}, artifact="X${n % 9}")`,
  (n: number) =>
    `Row ${n} of host${n % 500}.example.org was read from /srv/store/clients/C.${n}/monitoring/x.json in ${n % 90} ms`,
]
/** No two are alike; one of a hundred is an error. */
const ordinary: readonly LogLine[] = Array.from({ length: count }, (_, n) =>
  line(`${n % 100 === 0 ? `${n} ${oneOf(examples)}` : filled(oneOf(harmless)(n), lineLength)}\n`),
)

const halfOf = (text: string): string => {
  const from = numbers(text.length)
  return text.slice(from, from + 4 + numbers(24))
}
const halves = (length: number): string => {
  let text = ''
  while (text.length < length) text += halfOf(oneOf(examples))
  return text.slice(0, length)
}
const letters = (length: number): string => Array.from({ length }, () => (numbers(2) === 0 ? 'a' : 'b')).join('')

/** Pieces of what the patterns look for, and few letters in any order. */
const hostile: readonly LogLine[] = Array.from({ length: count }, (_, n) =>
  line(n % 2 === 0 ? halves(lineLength) : letters(lineLength)),
)
const longLines = (make: (length: number) => string): readonly LogLine[] =>
  Array.from({ length: longCount }, () => line(make(longLength)))

/** Each makes a backtracking engine, or a table of states, very large. */
const hostilePatterns = [
  'a.+b.+c',
  '(x+x+)+y',
  '(a|aa)+$',
  '(.*e){12}z',
  '[a-q][^u-z]{13}x',
  '(e?){30}e{30}',
  '.{200}x.{200}',
  '(\\w+\\s?)*!$',
  '(.*)(.*)(.*)(.*)9#',
  'e.{20}$',
]

const judging = (include: readonly IncludeRow[]): ((lines: readonly LogLine[]) => void) => {
  const judge = logTable({ include, exclude: [] })
  return (lines) => {
    for (const each of lines) judge(each)
  }
}
const judged = judging(rows)

const expressions = rows.map(({ message }) => RE2JS.compile(message.text, RE2JS.CASE_INSENSITIVE))
const loop = (lines: readonly LogLine[]): void => {
  for (const { message } of lines) expressions.some((expression) => expression.test(message))
}

const withHostile = (pattern: string): IncludeRow => ({
  artifact: compilePattern(''),
  level: compilePattern(''),
  message: compilePattern(pattern),
  severity: 'low',
  extra: [],
})

const rateOf = (work: (lines: readonly LogLine[]) => void, lines: readonly LogLine[]): number =>
  perCpuSecond(lines.length, () => work(lines))

/** The one that is slowed most. */
const slowest = async (): Promise<Paired & { readonly pattern: string }> => {
  let worst: (Paired & { readonly pattern: string }) | undefined
  const some = ordinary.slice(0, count / 5)
  for (const pattern of hostilePatterns) {
    const beside = judging([withHostile(pattern), ...rows])
    const measured = await paired(
      () => rateOf(beside, some),
      () => rateOf(judged, some),
    )
    if (worst === undefined || measured.ratio < worst.ratio) worst = { ...measured, pattern }
  }
  if (worst === undefined) throw new Error('no hostile pattern')
  return worst
}

const measurePatterns = async (): Promise<readonly Figure[]> => {
  const few = ordinary.slice(0, baselineCount)
  rateOf(judged, ordinary)
  const plain = await paired(
    () => rateOf(judged, ordinary),
    () => rateOf(loop, few),
  )
  const { pattern, ...beside } = await slowest()
  const lines = await paired(
    () => rateOf(judged, hostile),
    () => rateOf(judged, ordinary),
  )
  const long = longLines(halves)
  const calm = longLines((length) => filled(harmless.map((each) => each(numbers(count))).join(' '), length))
  const longer = await paired(
    () => rateOf(judged, long),
    () => rateOf(judged, calm),
  )
  const unit = 'lines/CPU s'
  const atMostTen = { ratio: 0.1 }
  return [
    {
      name: 'log lines judged',
      ...plain,
      unit,
      bar: { least: 50_000 },
      reference: null,
      note: `${rows.length} rows of the ready table over lines of ${lineLength} characters, no two alike, against asking RE2 for one pattern after the other`,
    },
    {
      name: 'beside a hostile pattern',
      ...beside,
      unit,
      bar: atMostTen,
      reference: null,
      note: `the slowest of ${hostilePatterns.length} hostile patterns, ${pattern}, as the first row, against the same lines without it`,
    },
    {
      name: 'hostile log lines',
      ...lines,
      unit,
      bar: atMostTen,
      reference: null,
      note: 'lines of pieces of what the patterns look for, and of two letters in any order, against ordinary ones of that length',
    },
    {
      name: 'long hostile log lines',
      ...longer,
      unit,
      bar: atMostTen,
      reference: null,
      note: `lines of ${longLength} characters of such pieces, against ordinary ones of that length`,
    },
  ]
}

/** How fast log lines are judged by a table of patterns. */
export const patterns: BenchRow = {
  name: 'patterns',
  about:
    'log lines through the table of an error monitor: first match of 110 patterns, hostile patterns, hostile lines',
  measure: measurePatterns,
}
