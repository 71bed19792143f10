import { z } from 'zod'
import { parseMailboxes, sameAddress } from '../../schemas/addresses.ts'
import type { Mailbox } from '../../schemas/addresses.ts'
import { type Parameter, whole } from '../config/parameters.ts'
import { patternCell, table } from '../config/table-parameter.ts'

const tenYearsS = 315_360_000

/** What mail is sent with when the monitor names no channel. */
export const defaultSecret = 'notify_mail_secret'

/** Of a text that holds one entry nobody counts them. */
const addressProblem = (problem: string, entries: number): string =>
  entries === 1 ? problem.replace(/^entry 1 /, '') : problem

/** Addresses to tell: each once, the first spelling kept; a bad one is left out with a warning, so that the others are still told. */
export const recipients = (description: string): Parameter<readonly Mailbox[]> => {
  const rows = table({
    description,
    columns: ['Address'],
    readRow(row): readonly Mailbox[] {
      const { mailboxes, problems } = parseMailboxes(row.cell('Address'))
      const entries = mailboxes.length + problems.length
      for (const problem of problems)
        row.report('Address', `left out: ${entries === 1 ? 'it ' : ''}${addressProblem(problem, entries)}`, 'warning')
      return mailboxes
    },
  })
  return {
    schema: rows.schema,
    fallback: [],
    read(value, path, reading) {
      const all = rows.read(value, path, reading)?.flat()
      return all?.filter(
        (mailbox, index) => all.findIndex(({ address }) => sameAddress(address, mailbox.address)) === index,
      )
    },
  }
}

/** A From address; null when blank. */
export const sender = (description: string): Parameter<Mailbox | null> => ({
  schema: z.string().meta({ description, default: '' }),
  fallback: null,
  read(value, path, { report }) {
    if (typeof value !== 'string') return void report(path, 'must be a mail address, as text')
    if (value.trim() === '') return null
    const { mailboxes, problems } = parseMailboxes(value)
    const [mailbox, ...more] = mailboxes
    if (mailbox !== undefined && more.length === 0 && problems.length === 0) return mailbox
    return void report(
      path,
      problems[0] === undefined
        ? 'must be one mail address'
        : addressProblem(problems[0], mailboxes.length + problems.length),
    )
  },
})

/** Mail domains by patterns of user names. */
export const executorDomains = table({
  description: 'Mail domains of users whose name is no address; the first matching row wins',
  columns: ['UsernameRegex', 'Domain'],
  unique: 'UsernameRegex',
  readRow(row) {
    const UsernameRegex = patternCell(row, 'UsernameRegex')
    const Domain = row.cell('Domain').trim().toLowerCase()
    const isDomain = /^[^@\s,;<>"]+$/.test(Domain) && parseMailboxes(`user@${Domain}`).mailboxes.length === 1
    if (!isDomain) return void row.report('Domain', 'must be a mail domain such as example.org, without @')
    return UsernameRegex === undefined ? undefined : { UsernameRegex, Domain }
  },
})

/** Client metadata fields of a letter. */
export const clientMetadata = table({
  description: 'Client metadata fields to show, under another name where Alias is set',
  columns: ['Field', 'Alias'],
  unique: 'Field',
  readRow(row) {
    const Field = row.cell('Field')
    if (Field.trim() === '') return void row.report('Field', 'is missing: name the metadata field')
    return { Field, Alias: row.cell('Alias') }
  },
})

/** Least seconds between letters, as it was written; see `spacing`. */
export const sendInterval = whole(
  -1,
  'Least seconds between letters of this monitor to one recipient; -1: none, 0: 60',
  { most: tenYearsS },
)

/** `SendInterval` in seconds as the artifacts mean it: -1 for none, and 60 for 0. */
export const spacing = (interval: number): number => (interval < 0 ? -1 : interval === 0 ? 60 : interval)
