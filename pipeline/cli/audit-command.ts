import { Command } from '@commander-js/extra-typings'
import Table from 'cli-table3'
import { auditLog } from '../index/audit.ts'
import type { Audit, Finding, FindingKind, MonitorSums } from '../index/audit-work.ts'
import { singleLine } from '../letters/texts.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { askLog } from './ask-log.ts'
import { parseSince } from './run-command.ts'

export const auditCommand = () =>
  new Command('audit')
    .description(
      'Proves that every event has its verdicts and every notice its delivery, or names what is missing (exit code 1).',
    )
    .option('-c, --config <file>', 'the configuration', 'relay.yaml')
    .option(
      '--since <when>',
      'only events written since then: a duration before now (2h) or a time; default: all that is kept',
      parseSince,
    )
    .option('--from-log', 'believe no index: read every record of the log')
    .option('--json', 'one JSON object')
    .action(async ({ config, since, fromLog, json }) => {
      process.exitCode = await askLog(config, async ({ log }) => {
        const audit = await auditLog(
          { settings: log.kafka ?? log.embedded, clock: systemClock(), fromLog: fromLog === true },
          since ?? null,
        )
        console.log(json === true ? JSON.stringify(audit) : auditText(audit))
        return audit.found === 0 ? 0 : 1
      })
    })

const columns: readonly (readonly [string, (sums: MonitorSums) => string | number])[] = [
  ['monitor', ({ monitor }) => (monitor === '' ? '(none could be asked)' : singleLine(monitor))],
  ['events', ({ events }) => events],
  ['told', ({ told }) => told],
  ['duplicate', ({ duplicate }) => duplicate],
  ['objected', ({ objected, objectedBy }) => [objected, ...byFilter(objectedBy)].join('\n')],
  ['no recipients', ({ noRecipients }) => noRecipients],
  ['rejected', ({ rejected }) => rejected],
  ['replayed', ({ replayed }) => replayed],
  ['notices', ({ notices }) => notices],
  ['delivered', ({ delivered }) => delivered],
  ['undeliverable', ({ undeliverable }) => undeliverable],
  ['dropped', ({ dropped }) => dropped],
  ['waiting', ({ waiting }) => waiting],
]

const byFilter = (by: MonitorSums['objectedBy']): readonly string[] =>
  Object.entries(by)
    .toSorted(([, a], [, b]) => b - a)
    .map(([filter, count]) => `${singleLine(filter)} ${count}`)

/** The audit for people: a table of monitors, what else was counted, and what is wrong, by name. */
export const auditText = (audit: Audit): string => {
  const { monitors, events, lanes, aside, findings, found, readAfresh, everyRecord, since } = audit
  const table = new Table({
    head: columns.map(([name]) => name),
    style: { head: [], border: [] },
    colAligns: columns.map((_, n) => (n === 0 ? 'left' : 'right')),
  })
  for (const sums of monitors) table.push(columns.map(([, value]) => value(sums)))
  const ahead = lanes.reduce((sum, lane) => sum + lane.ahead, 0)
  const rejected = Object.entries(aside).map(([topic, count]) => `${count} of ${topic === '' ? 'the source' : topic}`)
  return [
    ...(monitors.length === 0 ? [] : [table.toString()]),
    `${events} event(s) with verdicts${since === null ? '' : ` since ${new Date(since).toISOString()}`}, ${ahead} not judged yet.`,
    ...(rejected.length === 0 ? [] : [`Rejected before they were events, or as notices: ${rejected.join(', ')}.`]),
    everyRecord
      ? 'Each record of events and outcomes was looked up in the log.'
      : "The log's positions were compared with the index (--from-log reads every record).",
    ...(readAfresh === 0 ? [] : [`${readAfresh} outcome(s) were read from the log itself.`]),
    ...findings.map(findingText),
    ...(found > findings.length ? [`… and ${found - findings.length} more`] : []),
    found === 0 ? 'All is accounted for.' : `NOT all is accounted for: ${found} finding(s).`,
  ].join('\n')
}

const sentences: Record<FindingKind, string> = {
  'no verdict': 'the event has no verdict',
  'verdicts twice': 'the event got its verdicts twice',
  'verdict of nothing': 'there are verdicts, and no such event',
  'monitor left out': 'the event has no verdict of the monitor',
  'monitor twice': 'the event has several verdicts of the monitor',
  lost: 'the event was removed with age or for room before it was judged',
  'no delivery': 'the notice was neither delivered, nor does it wait',
  'delivered twice': 'the notice was delivered twice, or never decided',
  index: 'the index does not add up: delete outcomes.index.db beside the log, it is made anew',
}

const findingText = ({ kind, id, notice, monitor, topic, partition, offset }: Finding): string => {
  const facts = [
    id,
    notice === '' ? '' : `notice ${notice}`,
    monitor === '' ? '' : `monitor ${monitor}`,
    offset < 0 ? '' : `${topic}/${partition}/${offset}`,
  ]
  return `${kind.toUpperCase()}: ${facts
    .filter((fact) => fact !== '')
    .map(singleLine)
    .join(', ')}: ${sentences[kind]}`
}
