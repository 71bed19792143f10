import type { EpochMs } from '../../schemas/time.ts'
import { instead } from '../config/did-you-mean.ts'
import { isRecord } from '../config/is-record.ts'
import type { Path, Report } from '../config/problem.ts'
import { shown } from '../config/problem.ts'
import {
  type Expectations,
  filterWords,
  type MailExpectation,
  type OutcomeExpectation,
  type OutcomeWord,
  outcomeWords,
  type RowExpectation,
  type Written,
} from './expectations.ts'
import { isMatcherShaped, type Matcher, readMatcher, readMatcherKeys, scalarText } from './matchers.ts'
import { readMomentAt } from './moments.ts'

export interface ExpectationTerms {
  readonly t0: EpochMs
  readonly report: Report
}

type Item = Readonly<Record<string, unknown>>
type Reader<E> = (value: unknown, path: Path, terms: ExpectationTerms) => E | null

const keys = ['mails', 'messages', 'outcomes', 'alerts', 'happenings', 'configuration'] as const

/** Reads `expect:`. */
export const readExpectations = (value: unknown, path: Path, terms: ExpectationTerms): Expectations => {
  const given = value ?? {}
  if (!isRecord(given)) terms.report(path, `must be a mapping with ${keys.join(', ')}`)
  const item: Item = isRecord(given) ? given : {}
  reportStrange(item, path, keys, terms.report)
  const list = <E>(key: (typeof keys)[number], read: Reader<E>): readonly Written<E>[] | null =>
    readList(item[key], [...path, key], read, terms)
  return {
    mails: list('mails', readMail),
    messages: list('messages', readMessage),
    outcomes: list('outcomes', readOutcome),
    alerts: list('alerts', readRow),
    happenings: list('happenings', readHappening),
    configuration: list('configuration', (each, at, { report }) => readMatcher(each, at, report)),
  }
}

const reportStrange = (item: Item, path: Path, known: readonly string[], report: Report): void => {
  for (const key of Object.keys(item))
    if (!known.includes(key)) report([...path, key], `is not known here: ${instead(key, known)}`, { at: 'key' })
}

const readList = <E>(
  value: unknown,
  path: Path,
  read: Reader<E>,
  terms: ExpectationTerms,
): readonly Written<E>[] | null => {
  if (value === undefined) return null
  if (!Array.isArray(value)) {
    terms.report(path, 'must be a list; [] for none')
    return null
  }
  return value.flatMap((written: unknown, index) => {
    const expectation = read(written, [...path, index], terms)
    return expectation === null ? [] : [{ expectation, written }]
  })
}

const mailKeys = ['to', 'subject', 'text', 'html', 'headers', 'attachments', 'at', 'after', 'before', 'not']
const messageKeys = ['to', 'body', 'at', 'after', 'before', 'not']

const readMail: Reader<MailExpectation> = (value, path, terms) => readLetter(value, path, mailKeys, terms)
const readMessage: Reader<MailExpectation> = (value, path, terms) => readLetter(value, path, messageKeys, terms)

const readLetter = (
  value: unknown,
  path: Path,
  known: readonly string[],
  terms: ExpectationTerms,
): MailExpectation | null => {
  const { t0, report } = terms
  if (!isRecord(value)) {
    report(path, `must be a mapping with some of ${known.join(', ')}`)
    return null
  }
  reportStrange(value, path, known, report)
  const given = <K extends string>(names: readonly K[]): readonly K[] =>
    names.filter((name) => known.includes(name) && value[name] !== undefined)
  const parts = given(['to', 'subject', 'text', 'html', 'body']).map(
    (name) => [name, readMatcher(value[name], [...path, name], report, { ignoreCase: name === 'to' })] as const,
  )
  const times = given(['at', 'after', 'before']).flatMap((name) => {
    const at = readMomentAt(value[name], t0, [...path, name], report)
    return at === undefined ? [] : [[name, at] as const]
  })
  return {
    parts: Object.fromEntries(parts),
    headers: given(['headers']).flatMap((name) => readHeaders(value[name], [...path, name], report)),
    attachments:
      value['attachments'] === undefined
        ? null
        : readAttachments(value['attachments'], [...path, 'attachments'], report),
    times: Object.fromEntries(times),
    not:
      value['not'] === undefined
        ? null
        : readLetter(
            value['not'],
            [...path, 'not'],
            known.filter((key) => key !== 'not'),
            terms,
          ),
  }
}

const readHeaders = (value: unknown, path: Path, report: Report): MailExpectation['headers'] => {
  if (!isRecord(value)) {
    report(path, 'must be a mapping: header name to matcher')
    return []
  }
  return Object.entries(value).map(([name, written]) => {
    const at = [...path, name]
    const list: readonly unknown[] | null = Array.isArray(written) ? written : null
    const occurrences =
      list === null
        ? [readMatcher(written, at, report)]
        : list.map((item, index) => readMatcher(item, [...at, index], report))
    return { name: name.toLowerCase(), occurrences, isList: list !== null }
  })
}

const readAttachments = (value: unknown, path: Path, report: Report): NonNullable<MailExpectation['attachments']> => {
  if (!Array.isArray(value)) {
    report(path, 'must be a list of attachments, in order; [] for none')
    return []
  }
  return value.flatMap((item: unknown, index) => {
    const at = [...path, index]
    if (!isRecord(item)) {
      report(at, 'must be a mapping with name and matchers for the content')
      return []
    }
    const name = item['name'] === undefined ? null : readMatcher(item['name'], [...at, 'name'], report)
    return [{ name, content: readMatcherKeys(item, at, report, {}, ['name']) }]
  })
}

const outcomeKeys = ['event', 'client', 'org', 'monitor', 'outcome', 'by', 'of', 'reason']

const readOutcome: Reader<OutcomeExpectation> = (value, path, { report }) => {
  if (!isRecord(value)) {
    report(path, `must be a mapping with some of ${outcomeKeys.join(', ')}`)
    return null
  }
  reportStrange(value, path, outcomeKeys, report)
  const text = (key: string): string | null => {
    if (value[key] === undefined) return null
    const read = scalarText(value[key])
    if (read === undefined) report([...path, key], 'must be text')
    return read ?? null
  }
  const matcher = (key: string): Matcher | null =>
    value[key] === undefined ? null : readMatcher(value[key], [...path, key], report)
  return {
    event: text('event'),
    client: text('client'),
    org: text('org'),
    monitor: text('monitor'),
    outcome: readOutcomeWord(value['outcome'], [...path, 'outcome'], report),
    by: value['by'] === undefined ? null : readFilters(value['by'], [...path, 'by'], report),
    of: matcher('of'),
    reason: matcher('reason'),
  }
}

const readOutcomeWord = (value: unknown, path: Path, report: Report): OutcomeWord | null => {
  if (value === undefined) return null
  const word = outcomeWords.find((each) => each === value)
  if (word === undefined)
    report(
      path,
      `is no outcome: ${typeof value === 'string' ? `${shown(value)}: ${instead(value, outcomeWords)}` : `known are ${outcomeWords.join(', ')}`}`,
    )
  return word ?? null
}

const readFilters = (value: unknown, path: Path, report: Report): readonly string[] => {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  for (const [index, word] of list.entries())
    if (!filterWords.some((each) => each === word))
      report(
        Array.isArray(value) ? [...path, index] : path,
        `is no filter: ${typeof word === 'string' ? `${shown(word)}: ${instead(word, filterWords)}` : `known are ${filterWords.join(', ')}`}`,
      )
  return list.filter((word) => typeof word === 'string')
}

const readRow: Reader<RowExpectation> = (value, path, { report }) => {
  if (isRecord(value)) return rowOf(value, path, report)
  report(path, 'must be a mapping: a part of the row')
  return null
}

const readHappening: Reader<RowExpectation> = (value, path, { report }) => {
  if (typeof value === 'string') return rowOf({ name: value }, path, report)
  if (isRecord(value) && value['name'] !== undefined) return rowOf(value, path, report)
  report(path, 'must be a mapping with name, and whatever else must be said')
  return null
}

const rowOf = (value: unknown, path: Path, report: Report): RowExpectation => {
  if (Array.isArray(value))
    return { kind: 'list', items: value.map((item, index) => rowOf(item, [...path, index], report)) }
  if (!isRecord(value) || isMatcherShaped(value)) return { kind: 'matcher', matcher: readMatcher(value, path, report) }
  return {
    kind: 'row',
    fields: Object.entries(value).map(([name, part]) => [name, rowOf(part, [...path, name], report)] as const),
  }
}
