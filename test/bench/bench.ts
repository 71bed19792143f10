/**
 * `npm run bench [-- name…] [--json]`: measures each row beside its baseline in the same run and prints a table, or with `--json` one
 * object a line: { name, value, unit, baseline, ratio, bar, ok }. Rates and times are medians of at least three rounds in which value and
 * baseline take turns; a ratio is the median of the rounds' own ratios. Ends with 1 when a bar is missed, or when a baseline does not
 * reach within 40 % what is known of it (`baseline too slow: …`), as a slow baseline would flatter; with 2 for a name that is none.
 * Everything is on the disk of the system's temporary directory and on 127.0.0.1, and is removed at the end.
 */
import Table from 'cli-table3'
import { parseArgs } from 'node:util'
import { type BenchRow, type Figure, isKept, rounded, slownessOf } from './measure.ts'
import { alerts } from './rows/alerts.ts'
import { backfill } from './rows/backfill.ts'
import { clientLogs } from './rows/client-logs.ts'
import { deliver } from './rows/deliver.ts'
import { drain } from './rows/drain.ts'
import { events } from './rows/events.ts'
import { kafka } from './rows/kafka.ts'
import { latency } from './rows/latency.ts'
import { letters } from './rows/letters.ts'
import { log } from './rows/log.ts'
import { outage } from './rows/outage.ts'
import { patterns } from './rows/patterns.ts'
import { replay } from './rows/replay.ts'
import { start } from './rows/start.ts'

const rows: readonly BenchRow[] = [
  log,
  drain,
  backfill,
  events,
  alerts,
  patterns,
  clientLogs,
  letters,
  deliver,
  outage,
  start,
  latency,
  replay,
  ...kafka,
]

const help = `Usage: npm run bench [-- name…] [-- --json]

Measures, each figure beside its baseline in the same run:
${rows.map(({ name, about }) => `  ${name.padEnd(15)}${about}`).join('\n')}

kafka means all that begin with it. Without names all of them, which takes some minutes. --json: one object a line.
Ends with 1 when a bar is missed or a baseline is too slow to be compared with. Ratios count: run it on a quiet machine.`

const barText = ({ bar, unit }: Figure): string | null => {
  if (bar === null) return null
  const parts = [
    bar.least === undefined ? '' : `>= ${bar.least} ${unit}`,
    bar.most === undefined ? '' : `<= ${bar.most} ${unit}`,
    bar.ratio === undefined ? '' : `ratio >= ${bar.ratio}`,
    bar.mostRatio === undefined ? '' : `ratio <= ${bar.mostRatio}`,
  ]
  return parts.filter((part) => part !== '').join(' and ')
}

const isOk = (figure: Figure): boolean => isKept(figure) && slownessOf(figure) === null

const jsonLine = (figure: Figure): string => {
  const { name, value, unit, baseline, ratio } = figure
  return JSON.stringify({ name, value, unit, baseline, ratio, bar: barText(figure), ok: isOk(figure) })
}

const printTable = (figures: readonly Figure[]): void => {
  const table = new Table({
    head: ['what', 'value', 'baseline', 'ratio', 'bar', 'ok'],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'right', 'left', 'left'],
  })
  for (const figure of figures) {
    const { name, value, unit, baseline, ratio } = figure
    table.push([
      name,
      `${rounded(value)} ${unit}`,
      baseline === null ? '' : rounded(baseline),
      ratio === null ? '' : rounded(ratio),
      barText(figure) ?? '',
      isOk(figure) ? 'yes' : 'NO',
    ])
  }
  console.log(table.toString())
  for (const { name, note } of figures) console.log(`${name}: ${note}`)
}

/** By its name, or by what the names of several begin with. */
const isMeant = (row: BenchRow, name: string): boolean => row.name === name || row.name.startsWith(`${name}-`)

const chosen = (names: readonly string[]): readonly BenchRow[] | string => {
  const unknown = names.filter((name) => !rows.some((row) => isMeant(row, name)))
  if (unknown.length > 0)
    return `there is no row ${unknown.join(', ')}: there are ${rows.map(({ name }) => name).join(', ')}`
  return names.length === 0 ? rows : rows.filter((row) => names.some((name) => isMeant(row, name)))
}

const run = async (names: readonly string[], isJson: boolean): Promise<number> => {
  const wanted = chosen(names)
  if (typeof wanted === 'string') {
    console.error(wanted)
    return 2
  }
  const figures: Figure[] = []
  for (const row of wanted) {
    if (!isJson) console.error(`measuring ${row.name}: ${row.about}`)
    const measured = await row.measure()
    figures.push(...measured)
    if (isJson) for (const figure of measured) console.log(jsonLine(figure))
  }
  if (!isJson) printTable(figures)
  for (const figure of figures) {
    const slowness = slownessOf(figure)
    if (slowness !== null) console.error(`baseline too slow: ${figure.name}: ${slowness}`)
  }
  return figures.every(isOk) ? 0 : 1
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } },
})
if (values.help) console.log(help)
else process.exitCode = await run(positionals, values.json)
