import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Configuration } from '../../../pipeline/config/configuration.ts'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { type ImportPlan, planImport } from '../../../pipeline/import/import-plan.ts'
import { readPasted } from '../../../pipeline/import/pasted.ts'
import { relayText } from '../../../pipeline/import/relay-text.ts'
import { surroundingsOf } from '../config/surroundings-of.ts'

/** The table of server events recorded from a real server. */
export const recordedTable = readFileSync(
  join(import.meta.dirname, '../../fixtures/velociraptor/state/get_server_monitoring.jsonl'),
  'utf8',
)

/** A table with one artifact. */
export const tableOf = (artifact: string, parameters: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({
    specs: [{ artifact, parameters: { env: Object.entries(parameters).map(([key, value]) => ({ key, value })) } }],
  })

export const plan = (text: string, as: Readonly<Record<string, string>> = {}): ImportPlan =>
  planImport(readPasted(text, null).entries, new Map(Object.entries(as)))

/** The text of the file for a plan, and what reading it comes to when its secrets are set. */
export const written = (
  planned: ImportPlan,
): { readonly text: string; readonly configuration: Configuration | null; readonly problems: readonly string[] } => {
  const text = relayText(planned, {
    apiConfig: './api.config.yaml',
    guiUrl: 'https://velociraptor.example.org/app/index.html',
    mailUrl: 'smtps://relay@mail.example.org',
    from: 'velociraptor@example.org',
    org: 'root',
  })
  const env = Object.fromEntries(planned.channels.map(({ variable }) => [variable, 'hunter2']))
  const { configuration, problems } = readConfiguration(text, surroundingsOf({}, env))
  return { text, configuration, problems: problems.map(printProblem) }
}
