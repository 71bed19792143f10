import { Command, InvalidArgumentError } from '@commander-js/extra-typings'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { printProblem } from '../config/problem.ts'
import { singleLine } from '../letters/texts.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { readScenarios } from '../scenarios/read-scenarios.ts'
import type { Scenario, TimelineEntry } from '../scenarios/scenario.ts'
import { serveScenario, type ServeOptions } from '../scenarios/serve-scenario.ts'

const parsePort = (text: string): number => {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('A port is a number from 0 to 65535.')
  return port
}

export const simulateCommand = () =>
  new Command('simulate')
    .description('A stand-in Velociraptor server plays a scenario over gRPC, beginning now; it answers until Ctrl-C.')
    .argument('<file>', 'a scenario file')
    .option('--name <name>', 'which scenario of the file; default: the first')
    .option('--port <port>', 'where it listens; 0: any port that is free', parsePort, 0)
    .option('--listen <address>', 'address of this machine that it listens on; 0.0.0.0: all of them', '127.0.0.1')
    .option('--advertise <host>', 'name or address for api.config.yaml; default: what it listens on')
    .option('--dir <folder>', 'where api.config.yaml is written', 'relay-simulation')
    .option('--end', 'end when the timeline has been played')
    .action(async (file, { name, end, ...serving }) => {
      process.exitCode = await simulate(file, { name: name ?? null, endsWithTimeline: end === true, ...serving })
      process.exit()
    })

interface SimulateOptions extends Pick<ServeOptions, 'port' | 'listen' | 'advertise' | 'dir'> {
  readonly name: string | null
  readonly endsWithTimeline: boolean
}

/** The wanted scenario of a file, or what is wrong with it on standard error. */
const readScenario = (file: string, name: string | null): Scenario | null => {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    console.error(`${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'})`)
    return null
  }
  const { scenarios, problems } = readScenarios(text, file, { now: Date.now() })
  for (const problem of problems) console.error(printProblem(problem))
  if (problems.some(({ level }) => level === 'error')) return null
  const scenario = name === null ? scenarios[0] : scenarios.find((one) => one.name === name)
  if (scenario === undefined)
    console.error(`${file} has no scenario of that name; it has: ${scenarios.map((one) => one.name).join('; ')}`)
  return scenario ?? null
}

const simulate = async (file: string, { name, endsWithTimeline, ...serving }: SimulateOptions): Promise<number> => {
  const scenario = readScenario(file, name)
  if (scenario === null) return 2
  const clock = systemClock()
  const { address, apiConfig, played, close } = await serveScenario(scenario, {
    ...serving,
    clock,
    onEntry: (entry, isPlayed) =>
      console.log(`${new Date().toISOString()}  ${isPlayed ? '' : 'not played here: '}${describe(entry)}`),
  })
  console.log(
    `${singleLine(scenario.name)}\nlistening on ${address}; in relay.yaml: velociraptor: { api_config: ${resolve(apiConfig)} }`,
  )
  const asked = new Promise<void>((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop())
  })
  await Promise.race([asked, played.then(() => (endsWithTimeline ? undefined : asked))])
  await close()
  return 0
}

const describe = (entry: TimelineEntry): string => {
  switch (entry.kind) {
    case 'event':
      return `event in ${entry.queue}`
    case 'log':
      return `${entry.level} line of ${entry.artifact}`
    case 'set':
      return `the world changes: ${Object.keys(entry.change).join(', ')}`
    case 'fault':
      return `fault ${entry.fault}`
    case 'dead':
      return `${entry.deed} dead letters`
  }
}
