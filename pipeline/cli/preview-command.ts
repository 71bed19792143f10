import { Command } from '@commander-js/extra-typings'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { throwError } from 'rxjs'
import { ConnectorError } from '../../connectors/errors.ts'
import type { OutgoingMail } from '../../connectors/mail/mail.ts'
import { mimeOf } from '../../connectors/mail/mime.ts'
import { groupOf, recipientText } from '../../connectors/message/user-group.ts'
import { openVelociraptor } from '../../connectors/velociraptor/grpc.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import { printProblem } from '../config/problem.ts'
import { openIndexReading } from '../index/index-reading.ts'
import { findEvent, type Preview, previewEvent } from '../index/preview.ts'
import { singleLine, visible } from '../letters/texts.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { readScenarios } from '../scenarios/read-scenarios.ts'
import { runScenario } from '../scenarios/run-scenario.ts'
import { askLog } from './ask-log.ts'
import { readFilesForQuestions } from './read-files.ts'

export const previewCommand = () =>
  new Command('preview')
    .description(
      'Writes the letters of an event, or of a scenario, as HTML, text and .eml, in-app messages as JSON; sends nothing.',
    )
    .argument('<event|scenario>', 'an event or flow of the log, or a scenario file')
    .option('-c, --config <file>', 'the configuration', 'relay.yaml')
    .option('-o, --output <folder>', 'where the letters are left', 'preview')
    .option('--json', 'one JSON object')
    .action(async (what, { config, output, json }) => {
      const say = json === true ? printJson : printText
      process.exitCode = isFile(what)
        ? await previewScenarios(what, output, say)
        : await previewOfEvent(what, config, output, say)
      // A connection that does not come about must not hold the end.
      process.exit()
    })

/** What one monitor or scenario came to. */
interface Written {
  /** The monitor's name, or the scenario's. */
  readonly of: string
  readonly remarks: readonly string[]
  readonly files: readonly string[]
}
type Say = (written: readonly Written[]) => void

const printJson: Say = (written) => console.log(JSON.stringify({ previews: written }))
const printText: Say = (written) => {
  for (const { of, remarks, files } of written) {
    console.log(`${singleLine(of)}:`)
    for (const remark of remarks) console.log(`  ${singleLine(remark)}`)
    for (const file of files) console.log(`  ${file}`)
  }
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true

const safeName = (name: string): string =>
  name
    .replaceAll(/[^\p{L}\p{N}.@_-]+/gu, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 60) || 'letter'

type Part = readonly [ending: string, content: string | Uint8Array | null]

/** Writes a letter's parts, or an in-app message, readable by this user alone; answers with the paths. */
export const writeLetter = (dir: string, name: string, mail: OutgoingMail): readonly string[] =>
  writeParts(
    dir,
    name,
    groupOf(mail.to.address) === null
      ? [
          ['html', mail.html],
          ['txt', mail.text],
          ['eml', mimeOf(mail)],
        ]
      : [['json', indented(mail.text)]],
  )

/** JSON as people read it; any other text as it stands. */
const indented = (text: string): string => {
  try {
    return `${JSON.stringify(JSON.parse(text), null, 2)}\n`
  } catch {
    return text
  }
}

const writeParts = (dir: string, name: string, parts: readonly Part[]): readonly string[] => {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  return parts.flatMap(([ending, content]) => {
    const file = join(dir, `${safeName(name)}.${ending}`)
    // A file that is there keeps its mode otherwise, and a link would lead elsewhere.
    rmSync(file, { force: true })
    if (content === null) return []
    writeFileSync(file, content, { mode: 0o600, flag: 'wx' })
    return [file]
  })
}

/** The n-th (from 0) of some files, so that they are listed in order. */
export const numbered = (n: number): string => String(n + 1).padStart(3, '0')

/** What the n-th (from 0) letter's files are called before their ending; `of`: the monitor or scenario. */
export const letterName = (n: number, of: string, { to: { address } }: OutgoingMail): string =>
  `${numbered(n)}-${of}-${recipientText(address)}`

const previewScenarios = async (file: string, dir: string, say: Say): Promise<number> => {
  const { scenarios, problems } = readScenarios(readFileSync(file, 'utf8'), file, { now: Date.now() })
  for (const problem of problems) console.error(visible(printProblem(problem)))
  if (problems.some(({ level }) => level === 'error')) return 2
  const written: Written[] = []
  let n = 0
  for (const scenario of scenarios) {
    const { letters, messages, failures } = await runScenario(scenario)
    const files = [
      ...letters.flatMap((mail) => writeLetter(dir, letterName(n++, scenario.name, mail), mail)),
      ...messages.flatMap(({ to, body }) =>
        writeParts(dir, `${numbered(n++)}-${scenario.name}-${to}`, [['json', indented(body)]]),
      ),
    ]
    written.push({
      of: scenario.name,
      remarks: [...failures, ...(files.length === 0 ? ['nothing is sent'] : [])],
      files,
    })
  }
  say(written)
  return n === 0 ? 1 : 0
}

const previewOfEvent = (what: string, config: string, dir: string, say: Say): Promise<number> =>
  askLog(config, async (configuration) => {
    const clock = systemClock()
    const reading = await openIndexReading({ settings: configuration.log.kafka ?? configuration.log.embedded, clock })
    const velociraptor = serverOf(config)
    try {
      const event = await findEvent(reading, what)
      if (event === null) {
        console.error(
          `No event, flow or alert ${singleLine(what)} is kept in the log in ${reading.dir}, and no such scenario file is there.`,
        )
        return 1
      }
      const previews = await previewEvent(event, { configuration, velociraptor, clock })
      let n = 0
      say(
        previews.map((preview): Written => ({
          of: preview.monitor,
          remarks: remarksOf(preview),
          files: preview.letters.flatMap((mail) => writeLetter(dir, letterName(n++, preview.monitor, mail), mail)),
        })),
      )
      return n === 0 ? 1 : 0
    } finally {
      await velociraptor.close()
      await reading.close()
    }
  })

const remarksOf = ({ objections, warnings, letters }: Preview): readonly string[] => [
  ...objections.map(({ by, reason }) => `would not be told, ${by}: ${reason}`),
  ...warnings.map((warning) => `warning: ${warning}`),
  ...(letters.length === 0 ? ['nobody to tell: no fixed recipient, creator or metadata address'] : []),
]

/** The server of the configuration; one that never answers where its file cannot be used. */
export const serverOf = (config: string): Velociraptor => {
  const { apiConfig } = readFilesForQuestions(config)
  if (apiConfig !== null) return openVelociraptor({ config: apiConfig, tell: () => undefined })
  const away = new ConnectorError('VELOCIRAPTOR_DENIED', 'the API configuration cannot be used: relay check says why')
  return { query: () => throwError(() => away), close: () => Promise.resolve() }
}
