import { z } from 'zod'
import type { SeverityRule } from '../../operators/alert-severity.ts'
import { compilePattern } from '../../schemas/pattern.ts'
import type { Parameter, Reading, ValuesOf } from '../config/parameters.ts'
import { flag, jsonList, pattern, plainText, readParameters, text, whole } from '../config/parameters.ts'
import type { Path } from '../config/problem.ts'
import { patternCell, table } from '../config/table-parameter.ts'
import {
  clientMetadata,
  defaultSecret,
  executorDomains,
  recipients,
  sender,
  sendInterval,
  spacing,
} from './mail-parameters.ts'

const mostRows = 100
const longestKey = 1000
const longestValue = 10_000

/** Texts, as a list or as the server's JSON text; numbers as they were written. */
const texts = (description: string): Parameter<readonly string[]> => ({
  fallback: [],
  schema: z
    .union([z.array(z.union([z.string(), z.number(), z.boolean()])), z.string()])
    .meta({ description, default: [] }),
  read(value, path, reading) {
    const isJson = typeof value === 'string'
    const list = isJson ? jsonList(value) : value
    if (!Array.isArray(list)) return void reading.report(path, 'must be a list of texts')
    const read = list.map((item: unknown, index) => {
      const at = isJson ? path : [...path, index]
      // What is written where a JSON text stands is all of it.
      const word = plainText(item, at, isJson ? { ...reading, writtenAt: () => undefined } : reading)
      if (word === undefined) reading.report(at, 'must be text, not a list or a mapping')
      return word
    })
    return read.includes(undefined) ? undefined : read.filter((word) => word !== undefined)
  },
})

const rule = (member: string, regex = '', replacement = ''): SeverityRule => ({
  member,
  pattern: compilePattern(regex),
  replacement,
})

const severityTable = table({
  description:
    'How a severity is derived; rows in order, the last that gives one wins. Member of the context (dots lead into nested ones), Regex that it must match, Replace for what a match becomes',
  columns: ['Member', 'Regex', 'Replace'],
  readRow(row): SeverityRule | undefined {
    const member = row.cell('Member').trim()
    const found = patternCell(row, 'Regex')
    if (member === '') return void row.report('Member', 'is missing: name the member of the context')
    if (found === undefined) return undefined
    if (found.isBlank && row.cell('Replace') !== '') row.report('Replace', 'does nothing without a Regex', 'warning')
    return { member, pattern: found, replacement: row.cell('Replace') }
  },
})

/** What the artifact derives severities by unless told otherwise. */
const defaultSeverities: readonly SeverityRule[] = [
  rule('level', '(?i)warn', 'medium'),
  rule('level', '(?i)error', 'high'),
  rule('Level', '(?i)warn', 'medium'),
  rule('Level', '(?i)error', 'high'),
  rule('severity'),
  rule('Severity'),
]

/** The parameters of Server.Monitor.Alerts under the artifact's own names. */
export const alertsParameters = {
  ServerSecret: text(defaultSecret, 'The mail channel: a name under `mail.channels`'),
  Recipients: recipients('Who is told of every alert; a display name is allowed'),
  NotifyExecutor: flag(false, 'Also tell the user who started the flow that an alert comes from'),
  NotifyExecutorDomains: executorDomains,
  Sender: sender('The From address; blank: that of the mail channel'),
  HTML: flag(true, 'Send an HTML part beside the plain text'),
  AlertMsgInclude: pattern('.+', "The alert's name must match; blank: any"),
  AlertMsgExclude: pattern('', "The alert's name must not match; blank: none is left out"),
  SendInterval: sendInterval,
  IncludeClientDetails: flag(true, 'Show the client'),
  ClientMetadata: clientMetadata,
  IncludeFlowDetails: flag(true, 'Show the flow that an alert comes from'),
  IncludeArtifactDetails: flag(
    false,
    'Show the artifact that raised the alert: its definition, and how it was set to run',
  ),
  KeepEmptyRows: flag(false, 'Keep rows without a value in the tables of the letter'),
  SeverityTransforms: { ...severityTable, fallback: defaultSeverities },
  SeverityThreshold: texts(
    'Severities that are told, case ignored; empty: any. Alerts without a severity are always told',
  ),
  FlattenContext: flag(true, 'Show nested context as rows of its own: a.b.0.c'),
  ContextInclude: pattern('.+', 'Keys of the context that are shown; blank: all'),
  ContextExclude: pattern('', 'Keys of the context that are not shown; blank: none'),
  ContextFieldLimit: whole(100, 'Characters of a key, 1000 at most; longer ones are cut in the middle', {
    least: 2,
    cap: longestKey,
  }),
  ContextValueLimit: whole(1000, 'Characters of a value, 10000 at most', { least: 1, cap: longestValue }),
  ContextRowLimit: whole(30, 'Rows of the context, 100 at most', { least: 1, cap: mostRows }),
}

/** Parameters of Server.Monitor.Alerts, ready to use: limits within their bounds, patterns compiled, `SendInterval` in seconds or -1 for none, `Sender` null when blank. */
export type AlertsParameters = ValuesOf<typeof alertsParameters>

/** Reads the parameters; reports everything that is wrong or looks unmeant. null when there was an error. */
export const readAlertsParameters = (value: unknown, path: Path, reading: Reading): AlertsParameters | null => {
  const read = readParameters(alertsParameters, value, path, reading)
  if (read === null) return null
  const warn = (name: string, message: string): void => reading.report([...path, name], message, { level: 'warning' })
  if (read.Recipients.length === 0 && !read.NotifyExecutor)
    warn('Recipients', 'nobody is told by this monitor: set Recipients or NotifyExecutor')
  if (read.NotifyExecutorDomains.length > 0 && !read.NotifyExecutor)
    warn('NotifyExecutorDomains', 'does nothing without NotifyExecutor: true')
  if (read.ClientMetadata.length > 0 && !read.IncludeClientDetails)
    warn('ClientMetadata', 'does nothing without IncludeClientDetails: true')
  return { ...read, SendInterval: spacing(read.SendInterval) }
}
