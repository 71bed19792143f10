import type { EpochMs } from '../../schemas/time.ts'
import { instead } from '../config/did-you-mean.ts'
import { isRecord } from '../config/is-record.ts'
import { byPosition, pathText, type Path, type Problem, type Report } from '../config/problem.ts'
import { readConfigurationOf, type ReadConfiguration } from '../config/read-configuration.ts'
import { relayShape } from '../config/relay-shape.ts'
import type { Surroundings } from '../config/surroundings.ts'
import { openYamlDocuments, type Source } from '../config/yaml-source.ts'
import { scalarText } from './matchers.ts'
import { readMomentAt } from './moments.ts'
import { readExpectations } from './read-expectations.ts'
import { readTimeline } from './read-timeline.ts'
import { orgIdsOf, readWorld } from './read-world.ts'
import type { Scenario } from './scenario.ts'

/** `problems` say why a file cannot be read as scenarios; with one of them, `scenarios` is not the whole file. */
export interface ReadScenarios {
  readonly scenarios: readonly Scenario[]
  readonly problems: readonly Problem[]
}

const ownKeys = ['name', 'world', 'timeline', 'until', 'expect']
const relayKeys = Object.keys(relayShape.shape)

export interface ReadScenariosOptions {
  /** T of every scenario, epoch ms, whatever stands in its world: for playing one now. */
  readonly now?: EpochMs
}

/** Reads the scenarios of a file: one a document. Never throws: all problems are reported at once, each with its place. */
export const readScenarios = (text: string, file: string, options: ReadScenariosOptions = {}): ReadScenarios => {
  const problems: Problem[] = []
  const scenarios: Scenario[] = []
  const documents = openYamlDocuments(text)
  for (const { source, problems: faults } of documents) {
    for (const fault of faults) problems.push({ file, path: '', level: 'error', ...fault })
    if (source === null) continue
    const scenario = readScenario(source, file, problems, options)
    if (scenario !== null) scenarios.push(scenario)
  }
  if (documents.length === 0)
    problems.push({ file, path: '', level: 'error', line: 1, column: 1, message: 'holds no scenario' })
  return { scenarios, problems: problems.toSorted(byPosition) }
}

const readScenario = (
  written: Source,
  file: string,
  problems: Problem[],
  options: ReadScenariosOptions,
): Scenario | null => {
  const before = problems.length
  const report: Report = (path, message, { level = 'error', at = 'value' } = {}) => {
    problems.push({ file, ...written.positionOf(path, at), path: pathText(path), message, level })
  }
  const value = withPlainIntegers(written.value, report)
  if (!isRecord(value)) {
    report([], `must be a mapping with ${[...ownKeys, ...relayKeys].join(', ')}`)
    return null
  }
  for (const key of Object.keys(value))
    if (!ownKeys.includes(key) && !relayKeys.includes(key))
      report([key], `is not known here: ${instead(key, [...ownKeys, ...relayKeys])}`, { at: 'key' })
  const named = readNow(value['world'], ['world'], report)
  const t0 = options.now ?? named
  const orgs = orgIdsOf(value['world'])
  const scenario: Scenario = {
    ...written.positionOf([], 'value'),
    name: readName(value['name'], report),
    file,
    now: t0,
    world: readWorld(value['world'], ['world'], { t0, orgs, report, others: ['now'] }),
    timeline: readTimeline(value['timeline'], ['timeline'], { t0, orgs, report }),
    until: value['until'] === undefined ? null : (readMomentAt(value['until'], t0, ['until'], report) ?? null),
    expect: readExpectations(value['expect'], ['expect'], { t0, report }),
    configuration: readRelay({ ...written, value }, value, orgs, file),
  }
  return problems.length > before ? null : scenario
}

const readName = (value: unknown, report: Report): string => {
  const name = scalarText(value)
  if (name === undefined || name.trim() === '')
    report(['name'], 'is missing: say in one sentence what the scenario shows')
  return name ?? ''
}

const defaultNow = Date.UTC(2026, 0, 1)

const readNow = (world: unknown, path: Path, report: Report): EpochMs => {
  const now: unknown = isRecord(world) ? world['now'] : undefined
  if (now === undefined) return defaultNow
  const at = [...path, 'now']
  const isRelative = typeof now === 'string' && now.startsWith('T')
  if (isRelative) report(at, 'is T itself: write a time such as 2026-04-22T14:42:27Z')
  return isRelative ? 0 : (readMomentAt(now, 0, at, report) ?? 0)
}

const least = -(2n ** 63n)
const most = 2n ** 64n - 1n

/** Integers as numbers where these hold them exactly, else as bigint; what 64 bits do not hold is reported. Shared parts stay shared. */
const withPlainIntegers = (value: unknown, report: Report): unknown => {
  const done = new Map<object, unknown>()
  const convert = (part: unknown, path: Path): unknown => {
    if (typeof part === 'bigint') {
      if (part < least || part > most) report(path, 'does not fit into 64 bits: put it in quotes if it is text')
      return Number.isSafeInteger(Number(part)) ? Number(part) : part
    }
    if (typeof part !== 'object' || part === null) return part
    if (!done.has(part))
      done.set(
        part,
        Array.isArray(part)
          ? part.map((item, index) => convert(item, [...path, index]))
          : Object.fromEntries(Object.entries(part).map(([key, item]) => [key, convert(item, [...path, key])])),
      )
    return done.get(part)
  }
  return convert(value, [])
}

const defaultVelociraptor = {
  api_config: 'api.config.yaml',
  gui_url: 'https://velociraptor.example.org/app/index.html',
}
const defaultChannel = { url: 'smtps://mail.example.org', from: 'Velociraptor <velociraptor@example.org>' }

const filledChannel = (channel: unknown): unknown =>
  isRecord(channel) ? { ...defaultChannel, ...channel } : (channel ?? defaultChannel)

const filledMail = (mail: unknown): unknown => {
  if (!isRecord(mail) || !isRecord(mail['channels'])) return filledChannel(mail)
  return {
    ...mail,
    channels: Object.fromEntries(
      Object.entries(mail['channels']).map(([name, channel]) => [name, filledChannel(channel)]),
    ),
  }
}

/** Nothing outside of the file is read: a scenario runs anywhere, and no secret comes into it. */
const nowhere = (file: string): Surroundings => ({
  file,
  env: new Proxy<Record<string, string>>(
    {},
    {
      get: () => 'secret',
      has: () => true,
      getOwnPropertyDescriptor: () => ({ value: 'secret', configurable: true, enumerable: true, writable: true }),
    },
  ),
  readFile: () => ({ text: '-----BEGIN CERTIFICATE-----', readableByOthers: false }),
})

/** The part of a scenario that stands in relay.yaml elsewhere; what is left out there gets a default here. */
const readRelay = (
  source: Source,
  value: Readonly<Record<string, unknown>>,
  orgs: readonly string[],
  file: string,
): ReadConfiguration => {
  const { velociraptor, monitors } = value
  const filled = {
    velociraptor:
      velociraptor === undefined || isRecord(velociraptor)
        ? { ...defaultVelociraptor, orgs: ['root', ...orgs.filter((id) => id !== 'root')], ...velociraptor }
        : velociraptor,
    mail: filledMail(value['mail']),
    monitors: monitors ?? [],
    ...Object.fromEntries(
      ['log', 'trouble', 'log_level'].filter((key) => value[key] !== undefined).map((key) => [key, value[key]]),
    ),
  }
  return readConfigurationOf({ ...source, value: filled }, nowhere(file))
}
