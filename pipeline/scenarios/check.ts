import { printProblem, type Problem } from '../config/problem.ts'
import type { Happening } from '../../schemas/happenings.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { isRecord } from '../config/is-record.ts'
import { visible } from '../letters/texts.ts'
import type { Became } from './became.ts'
import type { Expectations, MailExpectation, OutcomeExpectation, RowExpectation, Written } from './expectations.ts'
import { type Matcher, scalarText } from './matchers.ts'
import { pairUp } from './pairing.ts'
import type { SentMail } from './sent-mail.ts'

/** An in-app message as its reader gets it. */
export interface SentMessage {
  readonly at: EpochMs
  readonly to: string
  readonly body: string
}

/** What came of a scenario. */
export interface Played {
  readonly mails: readonly SentMail[]
  readonly messages: readonly SentMessage[]
  readonly became: readonly Became[]
  /** Rows of alerts that monitors made. */
  readonly alerts: readonly unknown[]
  readonly happenings: readonly Happening[]
}

/** Everything that was expected and did not come, one readable block each; none: the scenario passes. */
export const checkPlayed = (expect: Expectations, played: Played, t0: EpochMs): readonly string[] => [
  ...(expect.mails === null ? [] : checkLetters('mail', expect.mails, played.mails.map(mailView), t0)),
  ...(expect.messages === null ? [] : checkLetters('message', expect.messages, played.messages.map(messageView), t0)),
  ...checkOutcomes(expect.outcomes ?? [], played.became),
  ...checkRows('alert', expect.alerts, played.alerts),
  ...(expect.alerts?.length === 0 && played.alerts.length > 0
    ? [block('no alert was expected, but there are', played.alerts.map(json))]
    : []),
  ...checkRows('happening', expect.happenings, played.happenings),
]

/** Compares the problems of a configuration with what is expected of them. */
export const checkProblems = (
  expected: readonly Written<Matcher>[],
  problems: readonly Problem[],
): readonly string[] => {
  const texts = problems.map((problem) =>
    printProblem({ ...problem, file: '', line: 0, column: 0 }).replace(/^:0:0:? /, ''),
  )
  if (expected.length === 0 && problems.length > 0)
    return [block('configuration: no problem was expected, but there are', texts)]
  const fits = (want: number, at: number): boolean => {
    const matcher = expected[want]?.expectation
    // A scalar may be the bare message; the other matchers see the path before it too.
    return (
      matcher !== undefined &&
      [texts[at] ?? null, problems[at]?.message ?? null].some((text) => matcher.faults(text).length === 0)
    )
  }
  return pairUp(expected.length, problems.length, fits).flatMap((found, want) =>
    found === null
      ? [
          block(
            `configuration: no problem is ${json(expected[want]?.written)}`,
            texts.length === 0 ? ['there are none'] : texts,
          ),
        ]
      : [],
  )
}

const json = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? 'undefined'

const block = (heading: string, lines: readonly string[]): string =>
  visible([heading, ...lines.flatMap((line) => line.split('\n').map((part) => `  ${part}`))].join('\n'))

/** A letter or message as expectations look at it. */
interface LetterView {
  readonly title: string
  readonly at: EpochMs
  readonly parts: Readonly<Partial<Record<keyof MailExpectation['parts'], string | null>>>
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly attachments: SentMail['attachments']
}

const mailView = ({ to, subject, text, html, at, headers, attachments }: SentMail): LetterView => ({
  title: `to ${to}: ${subject}`,
  at,
  parts: { to: to.toLowerCase(), subject, text, html },
  headers,
  attachments,
})

const messageView = ({ to, body, at }: SentMessage): LetterView => ({
  title: `to ${to}: ${body.split('\n')[0] ?? ''}`,
  at,
  parts: { to: to.toLowerCase(), body },
  headers: new Map(),
  attachments: [],
})

type Part = readonly [name: string, faults: readonly string[]]

/** A moment as scenarios write it. */
export const relative = (at: EpochMs, t0: EpochMs): string => {
  const ms = at - t0
  return ms === 0
    ? 'T'
    : `T${ms < 0 ? '-' : '+'}${Math.abs(ms) % 1000 === 0 ? `${Math.abs(ms) / 1000}s` : `${Math.abs(ms)}ms`}`
}

/** What goes out within the second that begins at the expected moment has gone out then: the server itself gathers rows for longer. */
const atOnceMs = 1000

const partsOf = (expectation: MailExpectation, letter: LetterView, t0: EpochMs): readonly Part[] => {
  const { parts, headers, attachments, times } = expectation
  const when = (name: keyof MailExpectation['times'], holds: (moment: EpochMs) => boolean): readonly Part[] => {
    const moment = times[name]
    return moment === undefined
      ? []
      : [[name, holds(moment) ? [] : [`is not ${relative(moment, t0)}: it went out at ${relative(letter.at, t0)}`]]]
  }
  return [
    ...Object.entries(parts).map(([name, matcher]): Part => [
      name,
      matcher.faults(letter.parts[name as keyof typeof parts] ?? null),
    ]),
    ...headers.map((header): Part => [
      `header ${header.name}`,
      headerFaults(header, letter.headers.get(header.name) ?? []),
    ]),
    ...(attachments === null ? [] : [['attachments', attachmentFaults(attachments, letter.attachments)] as const]),
    ...when('at', (moment) => letter.at >= moment && letter.at < moment + atOnceMs),
    ...when('after', (moment) => letter.at >= moment),
    ...when('before', (moment) => letter.at <= moment),
  ]
}

const headerFaults = (
  { occurrences, isList }: MailExpectation['headers'][number],
  actual: readonly string[],
): readonly string[] => {
  if (!isList)
    return actual.some((value) => noFaults(occurrences[0], value))
      ? []
      : (occurrences[0]?.faults(actual[0] ?? null) ?? [])
  if (occurrences.length !== actual.length)
    return [`stands there ${actual.length} times, not ${occurrences.length}: ${json(actual)}`]
  return occurrences.flatMap((matcher, index) => matcher.faults(actual[index] ?? null))
}

const noFaults = (matcher: Matcher | undefined, value: string | null): boolean =>
  matcher === undefined || matcher.faults(value).length === 0

const attachmentFaults = (
  expected: NonNullable<MailExpectation['attachments']>,
  actual: SentMail['attachments'],
): readonly string[] => {
  if (expected.length !== actual.length)
    return [`are ${actual.length}, not ${expected.length}: ${json(actual.map(({ name }) => name))}`]
  return expected.flatMap(({ name, content }, index) => {
    const attachment = actual[index]
    return [
      ...(name?.faults(attachment?.name ?? null).map((fault) => `number ${index + 1}: the name ${fault}`) ?? []),
      ...content.faults(attachment?.content ?? null).map((fault) => `number ${index + 1}: ${fault}`),
    ]
  })
}

/** What of an expectation does not hold of a letter. */
const letterFaults = (expectation: MailExpectation, letter: LetterView, t0: EpochMs): readonly string[] => [
  ...partsOf(expectation, letter, t0).flatMap(([name, faults]) => faults.map((fault) => `${name} ${fault}`)),
  ...(expectation.not === null ? [] : partsOf(expectation.not, letter, t0))
    .filter(([, faults]) => faults.length === 0)
    .map(([name]) => `${name} is what it must not be`),
]

const checkLetters = (
  word: string,
  expected: readonly Written<MailExpectation>[],
  letters: readonly LetterView[],
  t0: EpochMs,
): readonly string[] => {
  const faults = expected.map(({ expectation }) => letters.map((letter) => letterFaults(expectation, letter, t0)))
  const pairs = pairUp(expected.length, letters.length, (want, at) => faults[want]?.[at]?.length === 0)
  const left = letters.map((_, index) => index).filter((index) => !pairs.includes(index))
  const missing = pairs.flatMap((found, want) => (found === null ? [want] : []))
  const taken = new Set<number>()
  const blocks = missing.map((want) => {
    const nearest = left
      .filter((at) => !taken.has(at))
      .toSorted((a, b) => (faults[want]?.[a]?.length ?? 0) - (faults[want]?.[b]?.length ?? 0))[0]
    if (nearest === undefined)
      return block(`no ${word} is left for ${json(expected[want]?.written)}`, [`${letters.length} went out`])
    taken.add(nearest)
    const letter = letters[nearest] as LetterView
    return block(`no ${word} is ${json(expected[want]?.written)}`, [
      `the nearest (${relative(letter.at, t0)}) ${letter.title}`,
      ...(faults[want]?.[nearest] ?? []).map((fault) => `- ${fault}`),
    ])
  })
  const unexpected = left.filter((at) => !taken.has(at)).map((at) => letters[at] as LetterView)
  if (unexpected.length === 0) return blocks
  const heading = `${unexpected.length} ${word}${unexpected.length === 1 ? '' : 's'} more than expected (${expected.length}) went out`
  return [
    ...blocks,
    block(
      heading,
      unexpected.map(({ at, title }) => `${relative(at, t0)} ${title}`),
    ),
  ]
}

const outcomeFaults = (expected: OutcomeExpectation, actual: Became): readonly string[] => {
  const { client, org, monitor, outcome, by, of, reason } = expected
  const isOfMonitor = monitor === null || [actual.monitor, actual.artifact].includes(monitor) || actual.monitor === ''
  const sameSet =
    by === null || (by.every((word) => actual.by.includes(word)) && actual.by.every((word) => by.includes(word)))
  return [
    ...(expected.event === null || actual.names.has(expected.event)
      ? []
      : [`event is ${[...actual.names].join(' or ')}`]),
    ...(client === null || client === actual.client ? [] : [`client is ${actual.client}`]),
    ...(org === null || org === actual.org ? [] : [`org is ${actual.org}`]),
    ...(isOfMonitor ? [] : [`monitor is ${actual.monitor}`]),
    ...(outcome === null || outcome === actual.outcome ? [] : [`outcome is ${actual.outcome}`]),
    ...(sameSet ? [] : [`by is ${json(actual.by)}`]),
    ...(of === null || (actual.of.length === 0 ? noFaults(of, null) : actual.of.some((name) => noFaults(of, name)))
      ? []
      : [`of is ${json(actual.of)}`]),
    ...(reason === null ? [] : reason.faults(actual.reason).map((fault) => `reason ${fault}`)),
  ]
}

const outcomeText = ({ names, org, client, monitor, outcome, by, of, reason }: Became): string =>
  [
    `${[...names].join(' = ') || 'an event without a name'} (client ${client || '?'}${org === 'root' ? '' : `, org ${org}`})`,
    `${monitor === '' ? 'every monitor' : monitor}: ${outcome}`,
    by.length === 0 ? '' : `by ${by.join(', ')}`,
    of.length === 0 ? '' : `of ${of[0]}`,
    reason === '' ? '' : `(${reason.replaceAll('\n', '; ')})`,
  ]
    .filter((part) => part !== '')
    .join(' ')

/** Expectations that name the same event are met by outcomes in the order in which they arrived. */
const checkOutcomes = (
  expected: readonly Written<OutcomeExpectation>[],
  became: readonly Became[],
): readonly string[] => {
  const next = new Map<string, number>()
  return expected.flatMap(({ expectation, written }) => {
    const { event, client, org, monitor } = expectation
    const key = JSON.stringify([event, client, org, monitor])
    const from = next.get(key) ?? 0
    const found = became.findIndex((actual, index) => index >= from && outcomeFaults(expectation, actual).length === 0)
    if (found !== -1) {
      next.set(key, found + 1)
      return []
    }
    const ofEvent = became.filter(({ names }) => event === null || names.has(event))
    const shown = (ofEvent.length > 0 ? ofEvent : became).slice(0, 20).map(outcomeText)
    const where =
      ofEvent.length > 0
        ? 'what became of it'
        : became.length > 0
          ? 'nothing is known of this event; what became of others'
          : 'no event became anything'
    return [
      block(`no outcome${from > 0 ? ' after those before' : ''} is ${json(written)}`, [
        where,
        ...shown.map((line) => `- ${line}`),
      ]),
    ]
  })
}

const rowFaults = (expected: RowExpectation, actual: unknown, path: string): readonly string[] => {
  switch (expected.kind) {
    case 'matcher':
      return expected.matcher.faults(textOf(actual)).map((fault) => `${path} ${fault}`)
    case 'list':
      return Array.isArray(actual) && actual.length === expected.items.length
        ? expected.items.flatMap((item, index) => rowFaults(item, actual[index], `${path}[${index}]`))
        : [`${path} is not a list of ${expected.items.length} but ${json(actual)}`]
    case 'row':
      return expected.fields.flatMap(([name, value]) =>
        rowFaults(value, isRecord(actual) ? actual[name] : undefined, path === '' ? name : `${path}.${name}`),
      )
  }
}

const textOf = (value: unknown): string | null =>
  value === null || value === undefined ? null : (scalarText(value) ?? json(value))

const checkRows = (
  word: string,
  expected: readonly Written<RowExpectation>[] | null,
  rows: readonly unknown[],
): readonly string[] => {
  if (expected === null) return []
  const faults = expected.map(({ expectation }) => rows.map((row) => rowFaults(expectation, row, '')))
  const pairs = pairUp(expected.length, rows.length, (want, at) => faults[want]?.[at]?.length === 0)
  return pairs.flatMap((found, want) => {
    if (found !== null) return []
    const farness = (at: number): number => {
      const found = faults[want]?.[at] ?? []
      // A row of another name is another matter.
      return found.length + (found.some((fault) => fault.startsWith('name ')) ? rows.length : 0)
    }
    const nearest = rows.map((_, at) => at).toSorted((a, b) => farness(a) - farness(b))[0]
    const said =
      nearest === undefined
        ? [`there is no ${word} at all`]
        : [`the nearest ${json(rows[nearest])}`, ...(faults[want]?.[nearest] ?? []).map((fault) => `- ${fault}`)]
    return [block(`no ${word} is ${json(expected[want]?.written)}`, said)]
  })
}
