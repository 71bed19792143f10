import emailAddresses from 'email-addresses'

/** A mail address as the relay uses it: bare, ASCII, `local@domain.tld`, with its display name or ''. */
export interface Mailbox {
  readonly address: string
  readonly name: string
}

/** What a text holds: the mailboxes in order, and what was wrong with the entries that are none. */
export interface ParsedMailboxes {
  readonly mailboxes: readonly Mailbox[]
  /** One sentence part per bad entry; it names the entry's place in the list, never its text. */
  readonly problems: readonly string[]
}

const LONGEST_ADDRESS = 254
const LONGEST_LOCAL_PART = 64
// An address with its name. The parser descends into each bracket, and looks at a run of spaces from each of them.
const LONGEST_ENTRY = 1000
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i
// C0, DEL, C1, the Unicode line ends and the bidirectional overrides: none belongs into a mail header.
const CONTROLS = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u
const PLAIN_NAME = /^([^"<>()@,;:\\[\]]+?)\s*<([^<>]*)>$/u

/** Splits at commas and semicolons that stand neither in quotes nor in angle brackets. */
const entriesOf = (text: string): string[] => {
  const entries: string[] = []
  let entry = ''
  let quoted = false
  let angled = false
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    if (quoted && char === '\\') {
      entry += char + text.charAt(++at)
      continue
    }
    if (char === '"') quoted = !quoted
    else if (!quoted && (char === '<' || char === '>')) angled = char === '<'
    if (!quoted && !angled && (char === ',' || char === ';')) {
      entries.push(entry)
      entry = ''
    } else entry += char
  }
  entries.push(entry)
  return entries.map((each) => each.trim()).filter((each) => each !== '')
}

const parsedStrictly = (input: string): emailAddresses.ParsedMailbox | null => {
  const parsed = emailAddresses.parseOneAddress({ input, strict: true, rejectTLD: true, rfc6532: true })
  return parsed?.type === 'mailbox' ? parsed : null
}

/** Names with dots (`Dr. No <…>`) need quotes by the letter of RFC 5322; people leave them out. */
const parsedLeniently = (entry: string): { mailbox: emailAddresses.ParsedMailbox; name: string } | null => {
  const strict = parsedStrictly(entry)
  if (strict !== null) return { mailbox: strict, name: strict.name ?? '' }
  const [, name, address] = PLAIN_NAME.exec(entry) ?? []
  if (name === undefined || address === undefined) return null
  const bare = parsedStrictly(address)
  return bare === null ? null : { mailbox: bare, name }
}

const isDomainName = (domain: string): boolean => domain.split('.').every((label) => LABEL.test(label))

const problemOf = (mailbox: emailAddresses.ParsedMailbox): string | null => {
  const address = `${mailbox.local}@${mailbox.domain}`
  if (!/^[\x21-\x7e]*$/.test(mailbox.domain)) return 'has a domain that is not ASCII: write it in its xn-- form'
  if (mailbox.parts.local.tokens.includes('"')) return 'has a quoted local part, which the relay does not send to'
  if (!/^[\x21-\x7e]*$/.test(mailbox.local))
    return 'has a local part that is not ASCII, which the relay does not send to'
  if (mailbox.parts.comments.some(({ tokens }) => tokens.includes('('))) return 'has a comment: leave it out'
  if (mailbox.domain.startsWith('[')) return 'names a host by its number: write a domain name'
  if (!isDomainName(mailbox.domain)) return 'has a domain that is no host name'
  if (mailbox.local.length > LONGEST_LOCAL_PART || address.length > LONGEST_ADDRESS) return 'is too long'
  return null
}

const parseEntry = (entry: string): Mailbox | string => {
  if (entry.length > LONGEST_ENTRY) return 'is too long'
  if (CONTROLS.test(entry) || !entry.isWellFormed()) return 'holds a line break or another control character'
  if (!entry.includes('@')) return 'is no mail address: it has no @'
  const parsed = parsedLeniently(entry)
  if (parsed === null) {
    return entry.includes(':')
      ? 'is a group or holds a colon: list the addresses themselves'
      : 'is no valid mail address'
  }
  const problem = problemOf(parsed.mailbox)
  if (problem !== null) return problem
  return { address: `${parsed.mailbox.local}@${parsed.mailbox.domain}`, name: parsed.name.trim() }
}

/**
 * Reads a list of mailboxes, `SOC <soc@example.org>, "Doe, J." <doe@example.org>; on-call@example.org`, as RFC 5322 without its
 * obsolete forms. Refused: line breaks and controls, groups, comments, quoted local parts, numeric hosts, domains without a dot,
 * whatever is not ASCII in the address itself (names may be any text). Empty entries are skipped. Never throws.
 */
export const parseMailboxes = (text: string): ParsedMailboxes => {
  const mailboxes: Mailbox[] = []
  const problems: string[] = []
  for (const [index, entry] of entriesOf(text).entries()) {
    const parsed = parseEntry(entry)
    if (typeof parsed === 'string') problems.push(`entry ${index + 1} ${parsed}`)
    else mailboxes.push(parsed)
  }
  return { mailboxes, problems }
}

/** Whether two bare addresses are one mailbox for the relay: without regard to case. */
export const sameAddress = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
