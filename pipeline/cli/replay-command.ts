import { Command, InvalidArgumentError } from '@commander-js/extra-typings'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ConnectorError } from '../../connectors/errors.ts'
import type { EventLog } from '../../connectors/log/event-log.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { Configuration } from '../config/configuration.ts'
import { configurationHash } from '../config/hash.ts'
import { readRules } from '../config/read-rules.ts'
import { singleLine } from '../letters/texts.ts'
import { openProgress } from '../replay/progress.ts'
import { openReplayFile, removeReplayFile, type ReplayFile, settingIn } from '../replay/replay-file.ts'
import { type ReplayRange, rangeText } from '../replay/replay-range.ts'
import { replay, type Replayed } from '../replay/replay.ts'
import type { ReplayWork } from '../replay/replay-work.ts'
import { amountOf, send, type SendTerms } from '../replay/send.ts'
import { publishSchemas } from '../runtime/decoding.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { kindOfTopic, kinds } from '../kinds/kinds.ts'
import { monitorsOf } from '../monitors/monitors-of.ts'
import { openLog } from './open-world.ts'
import { printProblems, readFilesForQuestions } from './read-files.ts'
import { checkRange, parseDuration, parseMoment, parsePositions, rangeOf } from './replay-arguments.ts'
import { writeReplayLetters } from './replay-letters.ts'
import { openProgressLine } from './replay-progress.ts'
import { holdSending, isConfirmed } from './replay-sending.ts'
import { jsonLines, pairLines, sumsText } from './replay-text.ts'

/** Topics of events that can be replayed. */
const replayable = kinds.map((some) => some.with(({ topic }) => topic.name))
const mostListed = 20

const parsePartition = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Give the number of a partition, from 0.')
  return Number(text)
}

const parseTopic = (text: string): string => {
  if (!replayable.includes(text))
    throw new InvalidArgumentError(`Topics that can be replayed: ${replayable.join(', ')}.`)
  return text
}

export const replayCommand = () =>
  new Command('replay')
    .description(
      'Judges events of the log again, by the present rules or others, and tells who would be told that was not, and who was told ' +
        'that would not. Changes nothing unless --send is given.',
    )
    .option('-c, --config <file>', 'the configuration', 'relay.yaml')
    .option('--from <when>', 'events received from then on: a duration before now (2h) or a time', parseMoment)
    .option('--to <when>', 'events received before then; default: now', parseMoment)
    .option('--partition <number>', 'with --positions: events of one partition', parsePartition)
    .option('--positions <A..B>', 'offsets from A up to B, without B', parsePositions)
    .option('--topic <name>', 'the topic of events', parseTopic, replayable[0] ?? '')
    .option('--monitors <file>', 'another set of rules: the `monitors:` of this file')
    .option(
      '--warm-up <duration>',
      'judge only so much before the range for what monitors remember; default: all that is kept, which is exact',
      parseDuration,
    )
    .option('--letters <folder>', 'write the letters of what would be gained, as HTML, text and .eml')
    .option('--all', `list all pairs, not the first ${mostListed} of each kind`)
    .option('--json', 'one JSON object a line: each pair, then the sums')
    .option('--send', 'tell what would be gained, after a confirmation')
    .option('--yes', 'with --send: without asking')
    .option('--again', 'with --send: also who was told already, once for each --name')
    .option('--name <name>', 'with --send: the name of this replay on record; default: the hash of its rules')
    .option('--resume <file>', 'go on with a replay that was interrupted')
    .action(async (options) => {
      process.exitCode = await replayWith(options)
      // A connection that does not come about must not hold the end.
      process.exit()
    })

interface Options {
  readonly config: string
  readonly from?: EpochMs
  readonly to?: EpochMs
  readonly partition?: number
  readonly positions?: { readonly from: number; readonly to: number }
  readonly topic: string
  readonly monitors?: string
  readonly warmUp?: number
  readonly letters?: string
  readonly all?: true
  readonly json?: true
  readonly send?: true
  readonly yes?: true
  readonly again?: true
  readonly name?: string
  readonly resume?: string
}

const replayWith = async (options: Options): Promise<number> => {
  const { configuration, problems } = readFilesForQuestions(options.config)
  if (configuration === null) {
    printProblems(problems)
    return 2
  }
  const wrong = wrongUse(options)
  if (wrong !== null) return say(wrong, 2)
  if (options.resume !== undefined && !existsSync(options.resume))
    return say(`There is no file ${singleLine(options.resume)}: it is gone once its replay is done.`, 2)
  const plan = options.resume === undefined ? planOf(options) : planIn(options.resume)
  if (typeof plan === 'string') return say(plan, 2)
  const judging = rulesOf(configuration, plan.monitors)
  if (judging === null) return 2
  try {
    return await run({ options, plan, configuration, judging })
  } catch (cause) {
    if (!(cause instanceof ConnectorError)) throw cause
    return say(singleLine(cause.message), 1)
  }
}

const say = (text: string, code: number): number => {
  console.error(text)
  return code
}

const wrongUse = ({ send: isSent, yes, again, name, json }: Options): string | null => {
  if (isSent !== true && (yes === true || again === true || name !== undefined))
    return '--yes, --again and --name belong to --send.'
  if (isSent === true && yes !== true && (!process.stdin.isTTY || json === true))
    return '--send asks before it sends: run it in a terminal, or add --yes.'
  if (name !== undefined && !/^[\w.-]{1,60}$/.test(name))
    return '--name: letters, digits, `.`, `_` and `-`, 60 at most.'
  return null
}

/** What is replayed: enough to go on with it later. */
interface Plan {
  readonly range: ReplayRange
  readonly topic: string
  readonly monitors: string | null
  readonly warmUpMs: number | null
  readonly listsKept: boolean
  /** The hash of the rules; null: not begun. */
  readonly rules: string | null
}

/** What is kept is written down only for those who ask for it: it is the most. */
const needsKept = ({ json, again }: Options): boolean => json === true || again === true

const planOf = (options: Options): Plan | string => {
  const range = rangeOf(options, Date.now())
  if (typeof range === 'string') return range
  const { topic, monitors = null, warmUp = null } = options
  return { range, topic, monitors, warmUpMs: warmUp, listsKept: needsKept(options), rules: null }
}

const planIn = (path: string): Plan | string => {
  const plan = settingIn(path, 'plan')
  return plan === undefined ? `${singleLine(path)} is no replay that was begun.` : (JSON.parse(plan) as Plan)
}

/** The configuration with the rules that judge; null: what is wrong with them was said. */
const rulesOf = (configuration: Configuration, path: string | null): Configuration | null => {
  if (path === null) return configuration
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    console.error(`${singleLine(path)} cannot be read (${(cause as NodeJS.ErrnoException).code ?? ''})`)
    return null
  }
  const { monitors, problems } = readRules(text, path, configuration)
  printProblems(problems)
  return monitors === null ? null : { ...configuration, monitors }
}

interface Setting {
  readonly options: Options
  readonly plan: Plan
  readonly configuration: Configuration
  readonly judging: Configuration
}

const dirOf = ({ log }: Configuration): string => log.kafka?.stateDir ?? log.embedded.dir

const run = async ({ options, plan, configuration, judging }: Setting): Promise<number> => {
  const rules = { monitors: monitorsOf(judging), configuration: configurationHash(judging) }
  if (plan.rules !== null && plan.rules !== rules.configuration)
    return say('The rules have changed since that replay was begun: begin it anew, without --resume.', 2)
  if (needsKept(options) && !plan.listsKept)
    return say('--json and --again need what the interrupted replay did not write down: begin it anew with them.', 2)
  const kind = kindOfTopic(plan.topic)
  if (kind === null) return say(`Topic ${singleLine(plan.topic)} cannot be replayed.`, 2)
  const dir = dirOf(configuration)
  if (configuration.log.kafka === null && !existsSync(join(dir, 'log.db')))
    return say(`There is no log in ${dir}: it is made by the first relay run with this configuration.`, 1)
  const hold = options.send === true ? holdSending(dir) : null
  if (typeof hold === 'string') return say(hold, 1)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const clock = systemClock()
  const log = await openLog(configuration.log, clock, () => undefined)
  const stop = new AbortController()
  process.on('SIGINT', () => stop.abort())
  process.on('SIGTERM', () => stop.abort())
  const line = openProgressLine(process.stderr, () => performance.now())
  try {
    const missing = await checkRange(log, plan.topic, plan.range, plan.warmUpMs)
    if (missing !== '') console.error(missing)
    const path = options.resume ?? join(dir, `replay-${idOf(plan, rules.configuration)}.db`)
    // Of the same plan, a kill left it: what it found may be of a log that has grown since.
    if (options.resume === undefined) removeReplayFile(path)
    const file = openReplayFile(path)
    file.set('plan', JSON.stringify({ ...plan, rules: rules.configuration }))
    const { topic, range, warmUpMs, listsKept } = plan
    const progress = openProgress(line.show, () => performance.now())
    const work = {
      log,
      clock,
      tell: () => undefined,
      file,
      kind,
      topic,
      range,
      rules,
      warmUpMs,
      listsKept,
      progress,
      stop: stop.signal,
    }
    const found = await replay(work)
    line.end()
    if (found === null) {
      file.close()
      return say(
        `Interrupted. What was found is kept; go on with: relay replay -c ${options.config} --resume ${path}`,
        130,
      )
    }
    const code = await tellOf(found, { work, options, judging, line })
    file.close()
    removeReplayFile(path)
    return code
  } finally {
    line.end()
    await log.close()
    hold?.release(true)
  }
}

const idOf = (plan: Plan, rules: string): string =>
  createHash('sha256')
    .update(`${plan.topic} ${rangeText(plan.range)} ${rules} ${plan.warmUpMs ?? ''} ${plan.listsKept}`)
    .digest('hex')
    .slice(0, 8)

interface Telling {
  readonly work: Omit<ReplayWork, 'lost'> & { readonly log: EventLog; readonly file: ReplayFile }
  readonly options: Options
  readonly judging: Configuration
  readonly line: ReturnType<typeof openProgressLine>
}

const tellOf = async (found: Replayed, { work, options, judging, line }: Telling): Promise<number> => {
  const { file, rules, stop } = work
  if (options.json === true) for (const text of jsonLines(file, rules, found)) console.log(text)
  else {
    for (const text of pairLines(file, rules, options.all === true ? Infinity : mostListed)) console.log(text)
    console.log(sumsText(found))
  }
  if (options.letters !== undefined) {
    const written = await writeReplayLetters(options.letters, { work, configuration: judging, config: options.config })
    console.error(`${written} letter(s) in ${dirname(join(options.letters, 'x'))}`)
  }
  if (options.send !== true) return 0
  const terms: SendTerms = { replay: options.name ?? rules.configuration, again: options.again === true }
  const { notices, letters, events, recipients } = amountOf(work, terms, work.clock.now())
  if (notices === 0) return say('Nothing is to be sent.', 0)
  const what = `${letters} letter(s) about ${events} event(s) to ${recipients} recipient(s)`
  if (options.yes !== true && !(await isConfirmed(`Send ${what}? Type yes: `))) return say('Nothing was sent.', 1)
  await publishSchemas(work.log)
  const sent = await send(work, terms)
  line.end()
  if (stop.aborted && sent < notices)
    return say(`Interrupted: ${sent} of ${notices} notices are on their way. The same command sends the others.`, 130)
  console.error(
    `${what}: ${sent} notice(s) are on their way as replay ${terms.replay}. A running service (stage deliver) sends them.`,
  )
  return 0
}
