import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { printProblem } from '../pipeline/config/problem.ts'
import { readScenarios } from '../pipeline/scenarios/read-scenarios.ts'
import { runScenario } from '../pipeline/scenarios/run-scenario.ts'

const folder = new URL('scenarios/', import.meta.url)
const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'))

describe.each(files)('%s', (file) => {
  const { scenarios, problems } = readScenarios(readFileSync(new URL(file, folder), 'utf8'), file)

  it('is read without a problem', () => {
    expect(problems.map(printProblem)).toEqual([])
    expect(scenarios).not.toEqual([])
    expect(scenarios.map(({ name }) => name)).toEqual([...new Set(scenarios.map(({ name }) => name))])
  })

  it.each(scenarios.map((scenario) => [scenario.name, scenario] as const))('%s', async (_, scenario) => {
    const { failures } = await runScenario(scenario)
    expect(failures.join('\n')).toBe('')
  })
})
