import { shown } from '../config/problem.ts'
import type { ImportPlan, LeftArtifact } from './import-plan.ts'

/** Where a plan came from, and where it goes. */
export interface ImportOccasion {
  /** null: pasted. */
  readonly org: string | null
  readonly entries: number
  /** The file that was written; null: standard output. */
  readonly file: string | null
}

/** VQL that takes an artifact out of the server's table of events; null: its name is none that VQL takes plainly. */
export const switchOffVql = (artifact: string): string | null =>
  /^[\w.]+$/.test(artifact) ? `SELECT rm_server_monitoring(artifact='${artifact}') FROM scope()` : null

const block = (title: string, lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]

const alikeText = ({ artifact, like }: LeftArtifact): string =>
  `${shown(artifact)} has the parameters of ${like.join(' and of ')}: import it with ${like.map((name) => `--as ${shown(artifact)}=${name}`).join(' or ')}`

/** What became no monitor, and why. */
export const leftLines = (left: readonly LeftArtifact[]): readonly string[] => {
  const stays = left.filter(({ kind }) => kind === 'other').map(({ artifact }) => shown(artifact))
  return [
    ...block('Perhaps copies under another name:', left.filter(({ kind }) => kind === 'alike').map(alikeText)),
    ...(stays.length === 0 ? [] : ['', `Stay as they are: ${stays.join(', ')}.`]),
  ]
}

/** What was done, what differs, and what is left to do. */
export const importReport = (
  { monitors, channels, left }: ImportPlan,
  { org, entries, file }: ImportOccasion,
): string => {
  const differing = monitors.flatMap(({ name, parameters, differences }) => [
    ...parameters.flatMap((parameter) =>
      parameter.differences.map(({ id, text }) => `${id} ${name}, ${parameter.name}: ${text}`),
    ),
    ...differences.map(({ id, parameter, text }) => `${id} ${name}, ${parameter} (not set): ${text}`),
  ])
  const lost = monitors.flatMap(({ name, left: some }) => some.map((one) => `${name}: ${shown(one.name)} ${one.why}`))
  const placeholders = channels.map(
    ({ name, secret, variable }) =>
      `${channels.length === 1 ? 'mail' : `mail.channels.${name}`}: url, from, and ${variable}: what the secret ${shown(secret)} holds`,
  )
  const off = monitors.map(
    ({ from }) => switchOffVql(from) ?? `${shown(from)}: Server Events in the GUI, Update server monitoring table`,
  )
  return [
    `${file ?? 'The configuration'} ${file === null ? 'stands on standard output' : 'is written'}: ${monitors.length} monitor(s) from ${entries} server event artifact(s)${org === null ? '' : ` of organisation ${org}`}.`,
    ...block('To fill in:', placeholders),
    ...block('Differs from the server on purpose; the same stands beside each parameter:', differing),
    ...block('NOT TAKEN OVER, the default holds instead:', lost),
    ...block(
      'Once the relay runs, switch these off on the server, else everything is told twice. In a notebook or the shell:',
      off,
    ),
    ...leftLines(left),
    ...(file === null ? [] : ['', `Then: relay check -c ${file}`]),
  ].join('\n')
}
