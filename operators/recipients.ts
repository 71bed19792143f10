import { parseMailboxes, sameAddress } from '../schemas/addresses.ts'
import type { ClientFacts, FlowFacts, Recipient } from '../schemas/generated.ts'
import type { Pattern } from '../schemas/pattern.ts'
import type { Addressed } from './addressed-to.ts'

export interface RecipientRule {
  readonly fixed: readonly Recipient[]
  /** null: the creator is not told. */
  readonly creator: {
    /** The first row whose pattern matches a creator without `@` gives the domain of the address. */
    readonly domains: readonly { readonly user: Pattern; readonly domain: string }[]
  } | null
  /** Client metadata field that holds addresses; empty: none. */
  readonly metadataField: string
  /** Domains that creators and metadata may name, in lower case; null: any. */
  readonly allowedDomains: readonly string[] | null
}

/** Principals of the server itself: nobody reads their mail. */
const servicePrincipals = new Set(['InterrogationService', 'VelociraptorServer'])

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

const creatorAddress = (creator: string, { domains }: NonNullable<RecipientRule['creator']>): string => {
  if (creator === '' || servicePrincipals.has(creator)) return ''
  if (creator.includes('@')) return creator
  const row = domains.find(({ user }) => user.matches(creator))
  return row === undefined ? '' : `${creator}@${row.domain}`
}

const allowed = ({ recipients, warnings }: Addressed, domains: readonly string[] | null): Addressed => {
  if (domains === null) return { recipients, warnings }
  const kept = recipients.filter(({ address }) => domains.includes(domainOf(address)))
  const left = recipients.length - kept.length
  return {
    recipients: kept,
    warnings: left === 0 ? warnings : [...warnings, `${left} address(es) outside the allowed domains left out`],
  }
}

const longestRemembered = 256
const mostRemembered = 1000
const remembered = new Map<string, ReturnType<typeof parseMailboxes>>()

/** The same few people start most flows: what their short texts mean is remembered, a bounded number. */
const mailboxesOf = (text: string): ReturnType<typeof parseMailboxes> => {
  const known = remembered.get(text)
  if (known !== undefined) return known
  const parsed = parseMailboxes(text)
  if (text.length > longestRemembered) return parsed
  if (remembered.size >= mostRemembered) remembered.clear()
  remembered.set(text, parsed)
  return parsed
}

// A text may hold a hundred thousand entries; each recipient's notice holds the whole event, and one record all warnings.
const mostForeign = 200
const mostProblems = 20

const foreign = (text: string, source: string, domains: readonly string[] | null): Addressed => {
  const { mailboxes, problems } = mailboxesOf(text)
  const untold = mailboxes.length - mostForeign
  const unsaid = problems.length - mostProblems
  const warnings = [
    ...problems.slice(0, mostProblems),
    ...(unsaid > 0 ? [`${unsaid} more entries are no addresses either`] : []),
    ...(untold > 0 ? [`more than ${mostForeign} addresses: the last ${untold} left out`] : []),
  ]
  return allowed(
    { recipients: mailboxes.slice(0, mostForeign), warnings: warnings.map((warning) => `${source}: ${warning}`) },
    domains,
  )
}

const looksLikeAddress = (text: string): boolean => /[^@]+@.+/.test(text)

/** What recipients are found by. */
export interface RecipientFacts {
  readonly client: Pick<ClientFacts, 'metadata'>
  readonly flow: Pick<FlowFacts, 'creator'> | null
}

/** Each address once, the first spelling kept. */
const together = (parts: readonly Addressed[]): Addressed => {
  const unique: Recipient[] = []
  for (const recipient of parts.flatMap((part) => part.recipients))
    if (!unique.some(({ address }) => sameAddress(address, recipient.address))) unique.push(recipient)
  return { recipients: unique, warnings: parts.flatMap((part) => part.warnings) }
}

/** Who is told of an event: the fixed recipients, its flow's creator, and who its client's metadata name; each once, the first spelling kept. */
export const recipients = (rule: RecipientRule): ((event: RecipientFacts) => Addressed) => {
  const fixed = together([{ recipients: rule.fixed, warnings: [] }])
  return ({ client, flow }) => {
    const parts: Addressed[] = [fixed]
    if (rule.creator !== null) {
      const address = creatorAddress(flow?.creator ?? '', rule.creator)
      if (address !== '') parts.push(foreign(address, 'creator', rule.allowedDomains))
    }
    if (rule.metadataField !== '') {
      const value = client.metadata.find(({ field }) => field === rule.metadataField)?.value ?? ''
      if (looksLikeAddress(value)) parts.push(foreign(value, 'metadata', rule.allowedDomains))
    }
    return parts.length === 1 ? fixed : together(parts)
  }
}
