import { Command, InvalidArgumentError } from '@commander-js/extra-typings'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { ConnectorError } from '../../connectors/errors.ts'
import { readApiConfig } from '../../connectors/velociraptor/api-config.ts'
import { openVelociraptor } from '../../connectors/velociraptor/grpc.ts'
import { orgs, serverMonitoring } from '../../connectors/velociraptor/lookups.ts'
import { instead } from '../config/did-you-mean.ts'
import { withoutPassword } from '../config/init.ts'
import { printProblem, shown } from '../config/problem.ts'
import { readConfiguration } from '../config/read-configuration.ts'
import { readFileFromDisk } from '../config/surroundings.ts'
import { entriesOf } from '../import/event-table.ts'
import { known } from '../import/import-monitor.ts'
import { type ImportPlan, planImport } from '../import/import-plan.ts'
import { importReport, leftLines, switchOffVql } from '../import/import-report.ts'
import { type Pasted, readPasted } from '../import/pasted.ts'
import { type ImportSettings, relayText } from '../import/relay-text.ts'

const parseKnown = (text: string): string => {
  if (!known.has(text)) throw new InvalidArgumentError(`${shown(text)}: ${instead(text, [...known.keys()])}.`)
  return text
}

type Renames = ReadonlyMap<string, string>

const parseAs = (text: string, before: Renames = new Map()): Renames => {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Write NAME=ARTIFACT.')
  return new Map([...before, [text.slice(0, at), parseKnown(text.slice(at + 1))]])
}

export const importCommand = () =>
  new Command('import')
    .description(
      "Writes a relay.yaml with the monitors and parameters of the running server's own notification artifacts; changes nothing there.",
    )
    .option('-o, --output <file>', 'the file to write; -: standard output', 'relay.yaml')
    .option('--force', 'write over a file that is there')
    .option(
      '--api-config <file>',
      'API configuration, as `velociraptor config api_client` writes it',
      './api.config.yaml',
    )
    .option('--org <id>', 'organisation whose table is read', 'root')
    .option('--from <file>', 'read the table, or parameters, from a file with JSON or CSV instead; -: standard input')
    .option('--artifact <name>', 'with --from: the artifact whose parameters the file holds', parseKnown)
    .option('--as <name=artifact>', 'take an artifact of another name for a copy of this one; may be repeated', parseAs)
    .option('--gui-url <url>', 'where links in letters lead', 'https://velociraptor.example.org/app/index.html')
    .option('--mail-url <url>', 'mail server', 'smtps://relay@mail.example.org')
    .option('--mail-from <address>', 'letters come from, where no monitor says it', 'velociraptor@example.org')
    .option('--json', 'what was done as one JSON object')
    .action(async (options) => {
      process.exitCode = await importTable(options)
      process.exit()
    })

interface ImportOptions {
  readonly output: string
  readonly force?: true
  readonly apiConfig: string
  readonly org: string
  readonly from?: string
  readonly artifact?: string
  readonly as?: Renames
  readonly guiUrl: string
  readonly mailUrl: string
  readonly mailFrom: string
  readonly json?: true
}

const importTable = async (options: ImportOptions): Promise<number> => {
  const { output, force, from, artifact, as = new Map() } = options
  const file = output === '-' ? null : output
  if (file !== null && existsSync(file) && force !== true)
    return refuse(`${file} is there already: name another with -o, or write over it with --force`)
  if (artifact !== undefined && from === undefined) return refuse('--artifact goes with --from FILE')
  const found = from === undefined ? await tableOfServer(options) : pastedFrom(from, artifact ?? null)
  if (typeof found === 'number') return found
  const table = { ...found, problems: [...found.problems, ...strayRenames(as, found)] }
  for (const problem of table.problems) console.error(`${from ?? 'the table'}: ${problem}`)
  if (table.entries.length === 0) return refuse('There is nothing to import. Nothing was written.')
  const plan = planImport(table.entries, as)
  if (plan.monitors.length === 0) {
    console.error(
      [
        ...leftLines(plan.left),
        '',
        'None of the notification artifacts is among them: there is nothing to import. Nothing was written.',
      ]
        .join('\n')
        .trimStart(),
    )
    return 1
  }
  return write(plan, table, options)
}

/** Names that `--as` gives, of no artifact of the table. */
const strayRenames = (as: Renames, { entries }: Pasted): readonly string[] => {
  const names = entries.map(({ artifact }) => artifact)
  return [...as.keys()]
    .filter((name) => !names.includes(name))
    .map((name) => `--as names ${shown(name)}, which is not there: ${instead(name, names.map(shown))}`)
}

const refuse = (message: string): 2 => {
  console.error(message)
  return 2
}

const write = (plan: ImportPlan, { entries, problems }: Pasted, options: ImportOptions): number => {
  const { output, from, org, json, apiConfig, guiUrl, mailUrl, mailFrom } = options
  const settings: ImportSettings = { apiConfig, guiUrl, mailUrl: withoutPassword(mailUrl), from: mailFrom, org }
  const text = relayText(plan, settings)
  const file = output === '-' ? null : output
  const filled = Object.fromEntries(
    plan.channels.map(({ variable }) => [variable, process.env[variable] ?? 'not set yet']),
  )
  const env = { ...process.env, ...filled }
  const check = readConfiguration(text, { file: file ?? 'relay.yaml', env, readFile: readFileFromDisk })
  for (const problem of check.problems) console.error(printProblem(problem))
  if (check.configuration === null) return refuse('Nothing was written: what is named above would not be accepted.')
  if (file === null) process.stdout.write(text)
  else writeFileSync(file, text, { mode: 0o600 })
  const print = file === null ? console.error : console.log
  if (json === true) print(JSON.stringify(factsOf(plan)))
  else print(importReport(plan, { org: from === undefined ? org : null, entries: entries.length, file }))
  const isWhole = problems.length === 0 && plan.monitors.every(({ left }) => left.length === 0)
  return isWhole ? 0 : 1
}

const factsOf = ({ monitors, channels, left }: ImportPlan): unknown => ({
  monitors: monitors.map((monitor) => ({ ...monitor, switch_off: switchOffVql(monitor.from) })),
  channels,
  left,
})

const pastedFrom = (from: string, artifact: string | null): Pasted | 2 => {
  try {
    return readPasted(readFileSync(from === '-' ? 0 : from, 'utf8'), artifact)
  } catch (cause) {
    return refuse(`${from} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'})`)
  }
}

const tableOfServer = async ({ apiConfig, org }: ImportOptions): Promise<Pasted | 1 | 2> => {
  const { config, problems } = readApiConfig(apiConfig, { now: Date.now() })
  for (const { file, line, column, text } of problems)
    console.error(`${file}:${Math.max(1, line)}:${Math.max(1, column)}: ${text}`)
  if (config === null)
    return refuse('Name the API configuration with --api-config, or give what was copied with --from.')
  const velociraptor = openVelociraptor({ config })
  try {
    const visible = (await orgs(velociraptor)).map(({ id }) => id)
    if (!visible.includes(org))
      return refuse(`there is no organisation ${shown(org)} that this user may see: ${instead(org, visible)}`)
    const others = visible.filter((id) => id !== org)
    if (others.length > 0)
      console.error(`Organisation(s) ${others.join(', ')} have tables of their own: relay import --org ID -o FILE`)
    const { entries, unread } = entriesOf((await serverMonitoring(velociraptor, org)) ?? {})
    return { entries, problems: unread === 0 ? [] : [`${unread} of its specs cannot be read: they are left out`] }
  } catch (cause) {
    if (!(cause instanceof ConnectorError)) throw cause
    console.error(cause.message)
    return 1
  } finally {
    await velociraptor.close()
  }
}
