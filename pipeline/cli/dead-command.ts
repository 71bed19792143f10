import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ConnectorError } from '../../connectors/errors.ts'
import type { EventLog } from '../../connectors/log/event-log.ts'
import type { Command as LetterCommand } from '../../schemas/generated.ts'
import type { LogSettings } from '../config/configuration.ts'
import { durationMs } from '../config/duration.ts'
import { rateOf } from '../config/read-limits.ts'
import { awaitAnswers, commandLetters } from '../dead/command-letters.ts'
import { chosen, type DeadFilter } from '../dead/choose.ts'
import { countsText, type Done, doneText, listText, showText } from '../dead/dead-texts.ts'
import { type DeadLetterFacts, readDeadLetters } from '../dead/read-dead-letters.ts'
import { singleLine } from '../letters/texts.ts'
import { deathClasses } from '../mailing/death.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { askLine } from './ask-line.ts'
import { openLog } from './open-world.ts'
import { printProblems, readFilesForQuestions } from './read-files.ts'
import { parseSince } from './run-command.ts'

export const deadCommand = () =>
  new Command('dead')
    .description(
      'Letters that could not be delivered: lists them, sends them again, or lets them be. Beside a running service.',
    )
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(deedCommand('redrive', 'Sends letters again that could not be delivered, each once.'))
    .addCommand(deedCommand('drop', 'Lets letters be that could not be delivered: they are not sent any more.'))

const parseClass = (text: string): string => {
  if (!(deathClasses as readonly string[]).includes(text))
    throw new InvalidArgumentError(`Reasons are ${deathClasses.join(', ')}.`)
  return text
}

/** Milliseconds from one letter to the next. */
const parseRate = (text: string): number => {
  const rate = rateOf(text)
  if (rate === null) throw new InvalidArgumentError('Give letters in a time, such as 60/h.')
  return rate.perMs / rate.most
}

const parseWait = (text: string): number => {
  const ms = durationMs(text)
  if (ms === null) throw new InvalidArgumentError('Give a duration such as 30s.')
  return ms
}

const filtered = (name: string) =>
  new Command(name)
    .option('-c, --config <file>', 'the configuration', 'relay.yaml')
    .option('--since <when>', 'only those that died since then: a duration before now (2h) or a time', parseSince)
    .option('--monitor <name>', 'only those of a monitor')
    .option('--channel <name>', 'only those of a mail channel')
    .option('--reason <class>', `only those with a reason of this class: ${deathClasses.join(', ')}`, parseClass)
    .option('--recipient <address>', 'only those to an address, or to @domain')
    .option('--json', 'one JSON object')

const letterWords = 'letters, their notices, events or flows; a beginning is enough'

const listCommand = () =>
  filtered('list')
    .description('Lists letters that could not be delivered, the oldest first.')
    .action(async ({ config, json, ...filter }) => {
      process.exitCode = await withLog(config, async (log) => {
        const letters = chosen(await readDeadLetters(log, 0), { ...filter, words: [] })
        console.log(json === true ? JSON.stringify({ letters }) : listText(letters))
        return 0
      })
    })

const showCommand = () =>
  new Command('show')
    .description('Shows all that is kept of a letter that could not be delivered.')
    .argument('<letter>', letterWords)
    .option('-c, --config <file>', 'the configuration', 'relay.yaml')
    .option('--json', 'one JSON object')
    .action(async (letter, { config, json }) => {
      process.exitCode = await withLog(config, async (log) => {
        const letters = chosen(await readDeadLetters(log, 0), { words: [letter] })
        if (letters.length === 0) return noSuch([letter])
        console.log(json === true ? JSON.stringify({ letters }) : letters.map(showText).join('\n\n'))
        return 0
      })
    })

const deedCommand = (kind: LetterCommand['kind'], description: string) =>
  filtered(kind)
    .description(`${description} Name letters, or choose them by options, or --all.`)
    .argument('[letters...]', letterWords)
    .option('--all', 'all that there are')
    .option(
      '--rate <rate>',
      'redrive: not faster than this, such as 60/h; the limits of the channel hold all the same',
      parseRate,
    )
    .addOption(
      new Option('--wait <time>', 'how long the answer of the service is waited for')
        .argParser(parseWait)
        .default(10_000, '10s'),
    )
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('-y, --yes', 'do not ask before several')
    .action(async (words, { config, json, all, rate, wait, dryRun, yes, ...filter }) => {
      if (words.length === 0 && all !== true && Object.values(filter).every((value) => value === undefined)) {
        console.error(`Name letters, or choose them by options (relay dead ${kind} --help), or --all.`)
        process.exitCode = 2
        return
      }
      const deed: Deed = {
        kind,
        filter: { ...filter, words },
        everyMs: rate ?? 0,
        waitMs: wait,
        isDry: dryRun === true,
        isSure: yes === true,
        isJson: json === true,
      }
      process.exitCode = await withLog(config, (log) => doDeed(log, deed))
    })

interface Deed {
  readonly kind: LetterCommand['kind']
  readonly filter: DeadFilter
  readonly everyMs: number
  readonly waitMs: number
  readonly isDry: boolean
  readonly isSure: boolean
  readonly isJson: boolean
}

const doDeed = async (
  log: EventLog,
  { kind, filter, everyMs, waitMs, isDry, isSure, isJson }: Deed,
): Promise<number> => {
  const all = chosen(await readDeadLetters(log, 0), filter)
  const letters = all.filter(({ asked }) => asked === null)
  if (all.length === 0) return noSuch(filter.words)
  if (isDry || letters.length === 0) {
    if (isJson) console.log(JSON.stringify({ kind, dry_run: isDry, letters: all }))
    else console.log([listText(all), countsText(kind, letters, all.length - letters.length)].join('\n'))
    return 0
  }
  if (!isSure && letters.length > 1) {
    console.error(countsText(kind, letters, all.length - letters.length))
    const refusal = await refusalOf()
    if (refusal !== null) return refusal
  }
  const commanded = await commandLetters(log, letters, { kind, now: Date.now(), everyMs })
  const answers = await awaitAnswers(log, commanded, waitMs)
  const done = commanded.map(({ command }, n): Done => {
    const answer = answers.get(command.id)
    const facts = letters[n] as DeadLetterFacts
    return { facts, command: command.id, answer: answer?.outcome ?? null, reason: answer?.reason ?? '' }
  })
  console.log(isJson ? JSON.stringify({ kind, dry_run: false, letters: done }) : doneText(kind, done))
  return done.some(({ answer }) => answer === 'declined') ? 1 : 0
}

/** The exit code of whoever does not want it, or cannot be asked; null: it is to be done. */
const refusalOf = async (): Promise<1 | 2 | null> => {
  if (!process.stdin.isTTY) {
    console.error('Nothing was done: add --yes to do it, or --dry-run to see the letters.')
    return 2
  }
  if (/^y(es)?$/i.test((await askLine('Do it? [y/N] ')) ?? '')) return null
  console.error('Nothing was done.')
  return 1
}

const noSuch = (words: readonly string[]): number => {
  if (words.length === 0) console.error('No letter that could not be delivered is like that.')
  for (const word of words)
    console.error(
      `There is no letter ${singleLine(word)} that could not be delivered: relay why ${singleLine(word)} tells what became of it.`,
    )
  return 1
}

const quiet = (): void => undefined

/** Opens the log of a configuration beside whoever runs on it. Answers with the exit code: 2 for a configuration that cannot be used, 1 where the log cannot. */
const withLog = async (file: string, ask: (log: EventLog) => Promise<number>): Promise<number> => {
  const { configuration, problems } = readFilesForQuestions(file)
  if (configuration === null) {
    printProblems(problems)
    return 2
  }
  try {
    const log = await openExisting(configuration.log)
    try {
      return await ask(log)
    } finally {
      await log.close()
    }
  } catch (cause) {
    if (!(cause instanceof ConnectorError)) throw cause
    console.error(singleLine(cause.message))
    return 1
  }
}

const openExisting = async (settings: LogSettings): Promise<EventLog> => {
  const { kafka, embedded } = settings
  if (kafka === null && !existsSync(join(embedded.dir, 'log.db')))
    throw new ConnectorError('LOG_DENIED', `there is no log in ${embedded.dir}: it is made by the first relay run`)
  return openLog(settings, systemClock(), quiet)
}
