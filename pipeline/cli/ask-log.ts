import { ConnectorError } from '../../connectors/errors.ts'
import type { Configuration } from '../config/configuration.ts'
import { singleLine } from '../letters/texts.ts'
import { printProblems, readFilesForQuestions } from './read-files.ts'

/**
 * Runs a command that asks the log of a configuration. Answers with its exit code: 2 for a configuration that cannot be used, 1
 * where the log cannot be opened. What is wrong with the API configuration does not matter: the server is not asked.
 */
export const askLog = async (file: string, ask: (configuration: Configuration) => Promise<number>): Promise<number> => {
  const { configuration, problems } = readFilesForQuestions(file)
  if (configuration === null) {
    printProblems(problems)
    return 2
  }
  try {
    return await ask(configuration)
  } catch (cause) {
    if (!(cause instanceof ConnectorError)) throw cause
    console.error(singleLine(cause.message))
    return 1
  }
}
