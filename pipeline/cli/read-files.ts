import { readFileSync } from 'node:fs'
import { type ApiConfig, readApiConfig } from '../../connectors/velociraptor/api-config.ts'
import type { Configuration } from '../config/configuration.ts'
import { type Problem, printProblem } from '../config/problem.ts'
import { readConfiguration } from '../config/read-configuration.ts'
import { readFileFromDisk, type Surroundings } from '../config/surroundings.ts'

/** relay.yaml and the API configuration that it names, both checked. */
export interface ReadFiles {
  readonly configuration: Configuration | null
  readonly apiConfig: ApiConfig | null
  readonly problems: readonly Problem[]
}

const unreadable = (file: string, cause: unknown): Problem => {
  const code = (cause as NodeJS.ErrnoException).code ?? ''
  const message =
    code === 'ENOENT'
      ? 'there is no such file: make one with relay init, or name it with -c'
      : `cannot be read (${code})`
  return { file, line: 1, column: 1, path: '', message, level: 'error' }
}

/** Reads both files; everything wrong in either is in `problems`. Opens nothing. */
export const readFiles = (file: string): ReadFiles => readBoth(file, {})

/** As `readFiles`, for a command that sends no mail: it works also where the mail servers' secrets are not, as beside a service that has them. */
export const readFilesForQuestions = (file: string): ReadFiles => readBoth(file, { sendsNoMail: true })

const readBoth = (file: string, how: Pick<Surroundings, 'sendsNoMail'>): ReadFiles => {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    return { configuration: null, apiConfig: null, problems: [unreadable(file, cause)] }
  }
  const { configuration, problems } = readConfiguration(text, {
    file,
    env: process.env,
    readFile: readFileFromDisk,
    ...how,
  })
  if (configuration === null) return { configuration, apiConfig: null, problems }
  const { apiConfig: path, serverName } = configuration.velociraptor
  const reading = readApiConfig(path, { now: Date.now(), ...(serverName === null ? {} : { serverName }) })
  const found = reading.problems.map(({ text: message, line, column, ...place }): Problem => ({
    ...place,
    line: Math.max(1, line),
    column: Math.max(1, column),
    path: '',
    message,
    level: 'error',
  }))
  return { configuration, apiConfig: reading.config, problems: [...problems, ...found] }
}

/** Prints problems, one a line, on standard error. Says whether one of them is an error. */
export const printProblems = (problems: readonly Problem[]): boolean => {
  for (const problem of problems) console.error(printProblem(problem))
  return problems.some(({ level }) => level === 'error')
}
