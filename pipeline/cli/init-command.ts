import { Command } from '@commander-js/extra-typings'
import { existsSync, writeFileSync } from 'node:fs'
import { howToMakeApiConfig, type InitialAnswers, initialConfiguration, passwordVariable } from '../config/init.ts'
import { printProblem } from '../config/problem.ts'
import { readConfiguration } from '../config/read-configuration.ts'
import { readFileFromDisk } from '../config/surroundings.ts'
import { askLine } from './ask-line.ts'

const questions: readonly (readonly [keyof InitialAnswers, string, string])[] = [
  ['guiUrl', 'Address of the Velociraptor GUI', 'https://velociraptor.example.org/app/index.html'],
  ['apiConfig', 'API configuration, as `velociraptor config api_client` writes it', './api.config.yaml'],
  ['mailUrl', 'Mail server', 'smtps://relay@mail.example.org'],
  ['from', 'Letters come from', 'velociraptor@example.org'],
  ['recipient', 'Who is told', 'soc@example.org'],
]

export const initCommand = () =>
  new Command('init')
    .description('Asks a little and writes a commented relay.yaml; says how to make the API configuration.')
    .option('-o, --output <file>', 'the file to write', 'relay.yaml')
    .option('--force', 'write over a file that is there')
    .option('--gui-url <url>', 'address of the Velociraptor GUI; what no option says is asked for at a terminal')
    .option('--api-config <file>', 'API configuration, as `velociraptor config api_client` writes it')
    .option('--mail-url <url>', 'mail server')
    .option('--from <address>', 'letters come from')
    .option('--recipient <address>', 'who is told')
    .action(async ({ output, force, ...given }) => {
      process.exitCode = await init(output, force === true, given)
    })

const init = async (output: string, force: boolean, given: Partial<InitialAnswers>): Promise<number> => {
  if (existsSync(output) && !force) {
    console.error(`${output} is there already: name another with -o, or write over it with --force`)
    return 2
  }
  const answers = await ask(given)
  if (answers === null) {
    console.error('Nothing was written.')
    return 1
  }
  const text = initialConfiguration(answers)
  const { problems } = readConfiguration(text, {
    file: output,
    env: { ...process.env, [passwordVariable]: process.env[passwordVariable] ?? 'not set yet' },
    readFile: readFileFromDisk,
  })
  for (const problem of problems) console.error(printProblem(problem))
  if (problems.some(({ level }) => level === 'error')) {
    console.error('Nothing was written.')
    return 2
  }
  writeFileSync(output, text, { mode: 0o600 })
  console.log(`${output} is written.\n\n${howToMakeApiConfig}\nThen: relay check -c ${output}`)
  return 0
}

/** Answers come from options; what is missing is asked for at a terminal, and takes its default elsewhere. null: whoever was asked went away. */
const ask = async (given: Partial<InitialAnswers>): Promise<InitialAnswers | null> => {
  const answers: Record<string, string> = { ...given }
  for (const [key, question, fallback] of questions) {
    const answer = answers[key] ?? (process.stdin.isTTY ? await askLine(`${question} [${fallback}]: `) : '')
    if (answer === null) return null
    answers[key] = answer.trim() === '' ? fallback : answer.trim()
  }
  return answers as unknown as InitialAnswers
}
