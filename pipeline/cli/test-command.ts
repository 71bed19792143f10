import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isRecord } from '../config/is-record.ts'
import { printProblem, type Problem } from '../config/problem.ts'
import { singleLine, visible } from '../letters/texts.ts'
import { readScenarios } from '../scenarios/read-scenarios.ts'
import { runScenario } from '../scenarios/run-scenario.ts'
import type { Scenario } from '../scenarios/scenario.ts'

export interface TestOptions {
  /** One JSON object a line instead of text. */
  readonly json: boolean
  /** Takes one line, or several with line breaks between. */
  readonly print: (text: string) => void
}

/**
 * Runs the scenarios of files; of a directory, those of every .yaml and .yml file in it and below. Answers with the exit code:
 * 0 all passed, 1 some failed, 2 some file cannot be read as scenarios (those of the others run all the same).
 */
export const testCommand = async (files: readonly string[], { json, print }: TestOptions): Promise<0 | 1 | 2> => {
  const say = (fact: Readonly<Record<string, unknown>>, text: string): void => print(json ? JSON.stringify(fact) : text)
  const { scenarios, problems } = readAll(files)
  for (const problem of problems) say({ problem: printProblem(problem), ...problem }, visible(printProblem(problem)))
  let failed = 0
  for (const scenario of scenarios) {
    const begun = performance.now()
    const failures = await failuresOf(scenario)
    if (failures.length > 0) failed++
    const { name, file, line } = scenario
    const ms = Math.round(performance.now() - begun)
    say({ name, ok: failures.length === 0, file, line, ms, failures }, textOf(scenario, failures))
  }
  const passed = scenarios.length - failed
  say({ passed, failed }, `${passed} passed, ${failed} failed`)
  if (problems.length > 0) return 2
  return failed > 0 ? 1 : 0
}

/** A defect in the relay is a failure of the scenario that shows it. */
const failuresOf = async (scenario: Scenario): Promise<readonly string[]> => {
  try {
    return (await runScenario(scenario)).failures
  } catch (cause) {
    return [cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)]
  }
}

const textOf = ({ name, file, line }: Scenario, failures: readonly string[]): string => {
  const shown = singleLine(name)
  if (failures.length === 0) return `ok ${shown}`
  const indented = failures.map((failure) =>
    visible(failure)
      .split('\n')
      .map((part) => `  ${part}`)
      .join('\n'),
  )
  return [`FAILED ${shown} (${singleLine(file)}:${line})`, ...indented].join('\n')
}

const readAll = (files: readonly string[]): { scenarios: readonly Scenario[]; problems: readonly Problem[] } => {
  const scenarios: Scenario[] = []
  const problems: Problem[] = []
  const problem = (file: string, message: string): void =>
    void problems.push({ file, line: 1, column: 1, path: '', level: 'error', message })
  for (const named of files) {
    const found = filesOf(named)
    if (found.length === 0) problem(named, 'there is no .yaml file in this directory')
    for (const file of found) {
      const text = contentsOf(file)
      if (text === null) {
        problem(file, 'cannot be read: is it there, and may this user read it?')
        continue
      }
      const read = readScenarios(text, file)
      problems.push(...read.problems)
      if (read.problems.length === 0) scenarios.push(...read.scenarios)
    }
  }
  return { scenarios, problems }
}

const contentsOf = (file: string): string | null => {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    if (isRecord(cause) && typeof cause['code'] === 'string') return null
    throw cause
  }
}

const filesOf = (named: string): readonly string[] => {
  if (statSync(named, { throwIfNoEntry: false })?.isDirectory() !== true) return [named]
  return readdirSync(named, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.ya?ml$/.test(file))
    .toSorted()
    .map((file) => join(named, file))
}
