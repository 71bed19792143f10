import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings'
import { setImmediate } from 'node:timers/promises'
import { ConnectorError } from '../../connectors/errors.ts'
import type { Tell } from '../../schemas/happenings.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { Configuration, HttpSettings } from '../config/configuration.ts'
import { howToListen, parseListen } from '../config/read-http.ts'
import { inAppChannel } from '../monitors/in-app-channel.ts'
import { openObserving } from '../observing/observing.ts'
import { watchCertificate } from '../runtime/certificate-watch.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { logTo, standardOutput } from '../runtime/telemetry.ts'
import { keepYoungHeapSmall } from '../runtime/young-heap.ts'
import { type Service, startService, type StageName, stageNames } from '../service.ts'
import { openWorld, type OpenedWorld } from './open-world.ts'
import { printProblems, readFiles } from './read-files.ts'
import { version } from './version.ts'

/** A stop must not take longer than service managers wait. */
const longestStopMs = 9000
const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A time, or a duration before now. */
export const parseSince = (text: string): EpochMs => {
  const duration = /^(\d+)(ms|s|m|h|d)$/.exec(text)
  if (duration !== null) return Date.now() - Number(duration[1]) * (units[duration[2] as string] as number)
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(at))
    throw new InvalidArgumentError('Give a duration such as 2h, or a time such as 2026-04-22T14:00:00Z.')
  if (at > Date.now()) throw new InvalidArgumentError('That lies in the future.')
  return at
}

const parseStages = (text: string): readonly StageName[] => {
  const names = text.split(',').map((name) => name.trim())
  const wrong = names.filter((name) => !(stageNames as readonly string[]).includes(name))
  if (wrong.length > 0) throw new InvalidArgumentError(`Stages are ${stageNames.join(', ')}.`)
  return names as unknown as readonly StageName[]
}

export const runCommand = () =>
  new Command('run')
    .description('Runs the service until it is told to stop (SIGTERM, Ctrl-C).')
    .option('-c, --config <file>', 'the configuration', 'relay.yaml')
    .addOption(
      new Option('--stages <names>', `only these, with commas between: ${stageNames.join(', ')}`).argParser(
        parseStages,
      ),
    )
    .option(
      '--since <when>',
      'where a first run begins: a duration before now (2h) or a time; default: now',
      parseSince,
    )
    .option(
      '--listen <host:port>',
      'where /metrics, /healthz and /readyz are, instead of what the configuration says; off: nowhere',
      parseListenOption,
    )
    .action(async ({ config, stages, since, listen }) => {
      const where = listen === 'off' ? null : listen
      process.exitCode = await run(config, { stages: stages ?? stageNames, since: since ?? null, listen: where })
      // Timers of libraries must not hold a stopped service.
      process.exit()
    })

/** Not null for off: commander makes an empty text of it. */
const parseListenOption = (text: string): HttpSettings | 'off' => {
  if (text === 'off') return text
  const address = parseListen(text)
  if (address === null) throw new InvalidArgumentError(`It is no address: ${howToListen}; or off.`)
  return address
}

interface RunOptions {
  readonly stages: readonly StageName[]
  readonly since: EpochMs | null
  /** null: nowhere; undefined: as the configuration says. */
  readonly listen: HttpSettings | null | undefined
}

const run = async (file: string, { stages, since, listen }: RunOptions): Promise<number> => {
  // Whoever starts a service may change its file at once: until it is ready, SIGHUP is remembered.
  let reloadNow = (): void => void (isReloadAsked = true)
  let isReloadAsked = false
  process.on('SIGHUP', () => reloadNow())
  const { configuration, apiConfig, problems } = readFiles(file)
  if (printProblems(problems) || configuration === null || apiConfig === null) return 2
  const log = logTo(standardOutput(), configuration.logLevel)
  const observing = openObserving({ configuration, clock: systemClock(), log, version })
  const { tell } = observing
  try {
    await observing.listen(listen === undefined ? configuration.http : listen)
  } catch (cause) {
    fail(cause, tell)
    return 2
  }
  tell({ name: 'relay started', pid: process.pid, stages: stages.join(',') })
  const stopAsked = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => resolve(signal))
  })
  const begin = async (): Promise<{ world: OpenedWorld; service: Service }> => {
    const world = await openWorld(configuration, apiConfig, { tell, watched: observing.watched })
    keepYoungHeapSmall()
    const service = await startService({ ...world, look: observing.look }, { configuration, stages, since })
    for (const warning of apiConfig.warnings)
      if (warning.kind === 'certificate ends soon')
        service.note({ name: 'api certificate ends soon', daysLeft: warning.daysLeft })
    watchCertificate(apiConfig.expiresAt, world.clock, (happening) => {
      tell(happening)
      service.note(happening)
    })
    // What its log refuses is known by now: another process may run its tasks.
    await Promise.race([service.failed, setImmediate()])
    return { world, service }
  }
  let begun
  try {
    begun = await Promise.race([begin(), stopAsked])
  } catch (cause) {
    return fail(cause, tell)
  }
  if (typeof begun === 'string') {
    tell({ name: 'relay stopping', reason: begun })
    return 0
  }
  const { world, service } = begun
  tell({ name: 'relay ready', ms: Math.round(performance.now()) })
  reloadNow = () => reload(file, configuration, service, tell)
  if (isReloadAsked) reloadNow()
  let code = 0
  try {
    tell({ name: 'relay stopping', reason: await Promise.race([stopAsked, service.failed]) })
  } catch (cause) {
    code = fail(cause, tell)
  }
  const isStopped = await Promise.race([
    service
      .stop()
      .then(() => world.close())
      .then(() => observing.close())
      .then(() => true),
    new Promise<boolean>((resolve) => void setTimeout(resolve, longestStopMs, false).unref()),
  ])
  tell({ name: 'relay stopped', in_time: isStopped })
  return code
}

/** Takes the monitors of the changed file; one with errors changes nothing, and other parts wait for a restart. */
const reload = (file: string, running: Configuration, service: Service, tell: Tell): void => {
  const { configuration, problems } = readFiles(file)
  if (printProblems(problems) || configuration === null)
    return tell({ name: 'configuration not reloaded', problems: problems.length })
  // Monitors that send no letters name no channel, and in-app messages need none to be opened.
  const open = new Set([...running.channels.map(({ name }) => name), inAppChannel, ''])
  const fresh = configuration.monitors.find(({ channel }) => !open.has(channel))
  // Letters for a channel that is not open would be given up.
  if (fresh !== undefined)
    return tell({
      name: 'configuration not reloaded',
      reason: `mail channel ${fresh.channel} is new: restart the service`,
    })
  service.reload({ ...configuration, channels: running.channels })
  tell({ name: 'configuration reloaded', monitors: configuration.monitors.length })
  const parts = ['velociraptor', 'channels', 'log', 'http', 'trouble', 'heartbeat', 'logLevel'] as const
  const changed = parts.filter((part) => JSON.stringify(configuration[part]) !== JSON.stringify(running[part]))
  if (changed.length > 0) tell({ name: 'configuration needs restart', parts: changed.join(', ') })
}

/** Says why the service cannot go on. A failure of a connector says what to do; anything else is a defect and shows its place. */
const fail = (cause: unknown, tell: Tell): number => {
  if (cause instanceof ConnectorError) tell({ name: 'relay failed', code: cause.code, reason: cause.message })
  else
    tell({
      name: 'relay failed',
      code: 'DEFECT',
      reason: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
    })
  return 1
}
