import { Command } from '@commander-js/extra-typings'
import type { Outcome } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'
import { findEvents, findOutcomes, type FoundEvent } from '../index/find-events.ts'
import { type IndexReading, openIndexReading } from '../index/index-reading.ts'
import { eventsWaitingFor, findOnTheWay, type OnTheWay } from '../index/on-the-way.ts'
import { type Step, type Story, storyOf } from '../index/story.ts'
import { singleLine } from '../letters/texts.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { askLog } from './ask-log.ts'

export const whyCommand = () =>
  new Command('why')
    .description(
      'Tells what became of an event and why, also when nobody was told. Beside a running service, or without one.',
    )
    .argument('<id>', 'an event, flow, client, hunt, recipient, Message-ID or monitor')
    .option('-c, --config <file>', 'the configuration', 'relay.yaml')
    .option('--all', `list all events that are found, not the newest ${mostListed}`)
    .option('--json', 'one JSON object')
    .action(async (id, { config, all, json }) => {
      process.exitCode = await askLog(config, async ({ log }) => {
        const reading = await openIndexReading({ settings: log.kafka ?? log.embedded, clock: systemClock() })
        if (reading.hasGaps) console.error(`Index brought up to date: ${reading.readAfresh} outcome(s) read.`)
        try {
          const answer = await why(reading, id, { most: all === true ? Infinity : mostListed })
          if (answer.found === 'nothing' && json !== true) console.error(whyText(answer))
          else console.log(json === true ? JSON.stringify(answer) : whyText(answer))
          return answer.found === 'nothing' ? 1 : 0
        } finally {
          await reading.close()
        }
      })
    })

const mostListed = 20

/** A line about one event of several. */
export interface Listed {
  readonly event: string
  readonly at: number
  readonly flow: string
  readonly client: string
  /** Each monitor's verdict. */
  readonly verdicts: readonly { readonly monitor: string; readonly outcome: string; readonly by: readonly string[] }[]
}

export type Answer =
  | { readonly found: 'one'; readonly id: string; readonly story: Story; readonly onTheWay: readonly OnTheWay[] }
  | {
      readonly found: 'several'
      readonly id: string
      readonly events: readonly Listed[]
      readonly isAll: boolean
      readonly onTheWay: readonly OnTheWay[]
    }
  | { readonly found: 'on the way'; readonly id: string; readonly onTheWay: readonly OnTheWay[] }
  | {
      readonly found: 'nothing'
      readonly id: string
      readonly dir: string
      readonly since: number | null
      readonly outcomes: number
    }

/** What is known of whatever an id names. Several events are listed, the newest first, `most` at most. */
export const why = async (reading: IndexReading, id: string, { most }: { readonly most: number }): Promise<Answer> => {
  const word = id.trim()
  const found = await findEvents(reading, word, most + 1)
  const known = new Set(found.map(({ event }) => event))
  const onTheWay = await findOnTheWay(reading, word)
  const waiting = (await eventsWaitingFor(reading, word)).filter((event) => !known.has(event))
  const more = (await Promise.all(waiting.map((event) => findEvents(reading, event, 1)))).flat()
  const all = [...more, ...found].toSorted((a, b) => b.at - a.at)
  const [first] = all
  if (first === undefined)
    return onTheWay.length > 0
      ? { found: 'on the way', id: word, onTheWay }
      : { found: 'nothing', id: word, ...(await lookedAt(reading)) }
  if (all.length === 1)
    return { found: 'one', id: word, story: (await storyOf(reading, first.event)) as Story, onTheWay }
  const events: Listed[] = []
  for (const one of all.slice(0, most)) events.push(await listed(reading, one))
  return { found: 'several', id: word, events, isAll: all.length <= most, onTheWay }
}

const listed = async (reading: IndexReading, { event, outcome, at }: FoundEvent): Promise<Listed> => {
  const isJudgement = outcome.verdicts.length > 0 && outcome.replay === ''
  const judged = isJudgement ? outcome : ((await verdictsOf(reading, event)) ?? outcome)
  const verdicts = judged.verdicts.map(({ monitor, outcome, objections }) => ({
    monitor,
    outcome,
    by: [...new Set(objections.map(({ by }) => by))],
  }))
  return { event, at, flow: outcome.flow, client: outcome.client, verdicts }
}

const verdictsOf = async (reading: IndexReading, event: string): Promise<Outcome | undefined> => {
  const found = await findOutcomes(reading, event)
  return found.find(({ value }) => value.event === event && value.verdicts.length > 0 && value.replay === '')?.value
}

/** Where was looked, and since when the log tells of outcomes. */
const lookedAt = async ({
  log,
  dir,
  snapshot,
}: IndexReading): Promise<{ dir: string; since: number | null; outcomes: number }> => {
  const topic = topics.outcomes.name
  let since: number | null = null
  let outcomes = 0
  for (let partition = 0; partition < log.partitions; partition++) {
    const { floor, end } = snapshot.edges(topic, partition)
    outcomes += end - floor
    for await (const [record] of log.read({ topic, partition })) {
      if (record !== undefined) since = Math.min(since ?? Infinity, record.timestamp)
      break
    }
  }
  return { dir, since, outcomes }
}

const time = (at: number): string => new Date(at).toISOString()

/** An answer for a terminal: every text of others on one line, with visible escapes. */
export const whyText = (answer: Answer): string => {
  switch (answer.found) {
    case 'nothing': {
      const since =
        answer.since === null ? 'there are none yet' : `${answer.outcomes} of them, since ${time(answer.since)}`
      return `Nothing is known of ${singleLine(answer.id)}: looked at the outcomes of the log in ${answer.dir} (${since}), and at what is on its way.`
    }
    case 'on the way':
      return answer.onTheWay.map(onTheWayText).join('\n')
    case 'several':
      return [
        ...answer.events.map(listedText),
        answer.isAll
          ? `${answer.events.length} events; one alone: relay why EVENT`
          : `The newest ${answer.events.length} events; --all lists the others. One alone: relay why EVENT`,
        ...answer.onTheWay.map(onTheWayText),
      ].join('\n')
    case 'one':
      return [...storyText(answer.story), ...answer.onTheWay.map(onTheWayText)].join('\n')
  }
}

const onTheWayText = ({ event, where }: OnTheWay): string => singleLine(`On its way: ${event}: ${where}`)

const listedText = ({ event, at, verdicts }: Listed): string =>
  singleLine(`${time(at)}  ${event}  ${verdicts.map(verdictText).join('; ')}`)

const verdictText = ({ monitor, outcome, by }: Listed['verdicts'][number]): string => {
  if (by.length === 0) return `${monitor}: ${outcome}`
  return `${monitor}: ${outcome} (${by.join(', ')}${outcome === 'told' ? ' overruled' : ''})`
}

const storyText = ({ event, org, client, host, flow, hunt, name, steps }: Story): readonly string[] => [
  singleLine(
    [
      ...(name === '' ? [] : [`Alert ${name}`]),
      ...(flow === '' ? [] : [`${name === '' ? 'Flow' : 'flow'} ${flow}`]),
      `client ${client}${host === '' ? '' : ` (${host})`}`,
      ...(hunt === '' ? [] : [`hunt ${hunt}`]),
      `organisation ${org}`,
    ].join(', '),
  ),
  singleLine(`event ${event}`),
  '',
  ...steps.flatMap(stepText),
]

const indent = ' '.repeat(26)

const stepText = ({ at, monitor, text, details }: Step): readonly string[] => [
  singleLine(`${time(at)}  ${monitor === '' ? '' : `${monitor}: `}${text}`),
  ...details.map((detail) => `${indent}  ${singleLine(detail)}`),
]
