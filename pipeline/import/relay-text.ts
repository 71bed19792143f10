import { printable } from '../config/problem.ts'
import { yamlText } from '../config/yaml-text.ts'
import { isRecord } from '../config/is-record.ts'
import type { ImportedChannel, ImportPlan } from './import-plan.ts'
import type { ImportedMonitor, ImportedParameter } from './import-monitor.ts'

/** What a table of events does not say. */
export interface ImportSettings {
  /** Path of the API configuration. */
  readonly apiConfig: string
  readonly guiUrl: string
  /** Of the mail server, without a password. */
  readonly mailUrl: string
  /** From where no monitor names one. */
  readonly from: string
  readonly org: string
}

const widest = 116

/** A comment at an indentation, in lines of readable length. */
const comment = (indent: string, text: string): readonly string[] => {
  const lines: string[] = []
  for (const word of printable(text).split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < widest) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(`${indent}# ${lines.length === 0 ? '' : '  '}${word}`)
  }
  return lines
}

const scalar = (value: unknown): string => (typeof value === 'string' ? yamlText(value) : String(value))

/** A cell may stand as a number: tables take every cell as it is written. */
const cellText = (cell: unknown): string =>
  typeof cell === 'string' && /^(?:0|[1-9]\d{0,8})$/.test(cell) ? cell : scalar(cell)

const row = (value: unknown): string =>
  isRecord(value)
    ? `{ ${Object.entries(value)
        .map(([key, cell]) => `${yamlText(key)}: ${cellText(cell)}`)
        .join(', ')} }`
    : scalar(value)

const assignment = (indent: string, { name, value }: ImportedParameter): readonly string[] => {
  if (!Array.isArray(value)) return [`${indent}${name}: ${isRecord(value) ? row(value) : scalar(value)}`]
  const items: readonly unknown[] = value
  if (!items.some(isRecord)) return [`${indent}${name}: [${items.map(row).join(', ')}]`]
  return [`${indent}${name}:`, ...items.map((item) => `${indent}  - ${row(item)}`)]
}

const parameterLines = (indent: string, parameter: ImportedParameter): readonly string[] => [
  ...parameter.differences.flatMap(({ id, text }) => comment(indent, `${id}: ${text}`)),
  ...parameter.remarks.flatMap((remark) => comment(indent, `${parameter.name} ${remark}`)),
  ...assignment(indent, parameter),
]

const monitorLines = (monitor: ImportedMonitor): readonly string[] => {
  const { name, artifact, from, parameters, left, differences } = monitor
  const indent = '      '
  return [
    ...(from === artifact
      ? []
      : comment('  ', `On the server ${from}: a copy of ${artifact} may do more than its original. Compare its VQL.`)),
    `  - name: ${name}`,
    `    artifact: ${artifact}`,
    ...left.flatMap((one) => comment('    ', `NOT TAKEN OVER: ${one.name} ${one.why}`)),
    ...differences.flatMap(({ id, parameter, text }) => comment('    ', `${id} ${parameter}: ${text}`)),
    ...(parameters.length === 0
      ? []
      : ['    parameters:', ...parameters.flatMap((parameter) => parameterLines(indent, parameter))]),
    '',
  ]
}

const channelLines = (
  indent: string,
  { secret, variable, from }: ImportedChannel,
  settings: ImportSettings,
): readonly string[] => [
  ...comment(indent, `FILL IN: what the server keeps in its secret ${secret}; no user of the API may read it.`),
  ...comment(indent, 'smtps:// is TLS from the first byte (465), smtp:// is STARTTLS (587).'),
  `${indent}url: ${yamlText(settings.mailUrl)}`,
  settings.mailUrl.includes('@')
    ? `${indent}password: { env: ${variable} } # or { file: ./mail.password }; never the password itself`
    : `${indent}# password: { env: ${variable} } # with a user in the url`,
  `${indent}from: ${yamlText(from ?? settings.from)}`,
  ...comment(indent, 'Only these domains for addresses that come from user names or client metadata:'),
  `${indent}# allowed_domains: [example.org]`,
]

const mailLines = (channels: readonly ImportedChannel[], settings: ImportSettings): readonly string[] => {
  const [only] = channels
  if (channels.length === 1 && only !== undefined) return ['mail:', ...channelLines('  ', only, settings), '']
  return [
    'mail:',
    '  channels:',
    ...channels.flatMap((channel) => [`    ${channel.name}:`, ...channelLines('      ', channel, settings)]),
    '',
  ]
}

/** The text of a relay.yaml for a plan, commented. It reads back without errors once its placeholders are filled in. */
export const relayText = ({ monitors, channels }: ImportPlan, settings: ImportSettings): string =>
  [
    '# Made by `relay import` from the table of server events of a Velociraptor server. Lines with a D-number say where',
    "# the relay deliberately does otherwise than the server's artifact. `relay check` says what is missing.",
    '',
    'velociraptor:',
    `  api_config: ${yamlText(settings.apiConfig)}`,
    ...comment('  ', 'Where the links in letters lead.'),
    `  gui_url: ${yamlText(settings.guiUrl)}`,
    ...(settings.org === 'root' ? [] : [`  orgs: [${yamlText(settings.org)}]`]),
    '',
    ...mailLines(channels, settings),
    ...(monitors.length === 0 ? ['monitors: []'] : ['monitors:', ...monitors.flatMap(monitorLines)]),
  ]
    .join('\n')
    .trimEnd() + '\n'
