import { z } from 'zod'
import { parseMailboxes } from '../../schemas/addresses.ts'
import type { Mailbox } from '../../schemas/addresses.ts'
import { defaultSecret } from '../monitors/mail-parameters.ts'
import type { MailChannel } from './configuration.ts'
import { durationMs } from './duration.ts'
import { isRecord } from './is-record.ts'
import type { Path, Report } from './problem.ts'
import { readLimits } from './read-limits.ts'
import { readOAuth2 } from './read-oauth2.ts'
import { readRecord } from './record.ts'
import { mailPassword, readSecret } from './read-secret.ts'
import { channelShape } from './relay-shape.ts'
import { contentsOf } from './surroundings.ts'
import type { Surroundings } from './surroundings.ts'

const defaultConnections = 5
const usualGiveUpAfter = '5d'
const howUrl = 'write smtps://user@host:465 or smtp://user@host:587'

interface Server {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly isImplicit: boolean
}

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

const urlFault = (url: URL): string | null => {
  if (url.protocol !== 'smtp:' && url.protocol !== 'smtps:') return `must begin with smtp:// or smtps://: ${howUrl}`
  if (url.password !== '')
    return 'must not hold a password: leave it out here and write `password: { file: PATH }` or `{ env: NAME }`'
  if (url.hostname === '') return `names no host: ${howUrl}`
  if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '')
    return `must end after host and port: ${howUrl}`
  return null
}

const readUrl = (written: string, path: Path, report: Report): Server | undefined => {
  const url = URL.parse(written)
  if (url === null) return void report(path, `is no address of a mail server: ${howUrl}`)
  const fault = urlFault(url)
  if (fault !== null) return void report(path, fault)
  const user = decoded(url.username)
  if (user === null) return void report(path, 'has a % in the user that begins no code: write it as %25')
  const isImplicit = url.protocol === 'smtps:'
  const host = decoded(url.hostname)?.replace(/^\[|\]$/g, '') ?? url.hostname
  return { host, port: url.port === '' ? (isImplicit ? 465 : 587) : Number(url.port), user, isImplicit }
}

const readFrom = (written: string, path: Path, report: Report): Mailbox | undefined => {
  const { mailboxes, problems } = parseMailboxes(written)
  const [mailbox] = mailboxes
  if (mailbox !== undefined && mailboxes.length === 1 && problems.length === 0) return mailbox
  return void report(path, `must be one mail address, such as Velociraptor <velociraptor@example.org>`)
}

const readDomains = (written: readonly string[], path: Path, report: Report): readonly string[] | undefined => {
  const domains = written.map((domain) => domain.trim().toLowerCase())
  const isDomain = (domain: string): boolean =>
    /^[^@\s,;<>"]+$/.test(domain) && parseMailboxes(`user@${domain}`).mailboxes.length === 1
  const bad = [...domains.entries()].filter(([, domain]) => !isDomain(domain))
  for (const [index] of bad) report([...path, index], 'must be a mail domain such as example.org, without @')
  return bad.length === 0 ? [...new Set(domains)] : undefined
}

const readCa = (file: string, path: Path, report: Report, surroundings: Surroundings): string | undefined => {
  const contents = contentsOf(surroundings, file)
  if (typeof contents === 'string') return void report(path, `${contents}: name a file with certificates in PEM form`)
  if (!contents.text.includes('-----BEGIN CERTIFICATE-----'))
    return void report(path, 'the file holds no certificate in PEM form')
  return contents.text
}

const isThisMachine = (host: string): boolean => host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host)

const tlsOf = (
  server: Server,
  written: 'required' | 'off' | undefined,
  path: Path,
  report: Report,
): MailChannel['tls'] => {
  if (server.isImplicit) {
    if (written !== undefined)
      report(path, 'smtps:// encrypts from the first byte: remove this line, or write smtp:// in the url')
    return 'implicit'
  }
  return written ?? (isThisMachine(server.host) ? 'off' : 'required')
}

/** Runs `read` on what is there; `missing` stands for what is not. */
const given = <T, R>(value: T | undefined, missing: R, read: (value: T) => R | undefined): R | undefined =>
  value === undefined ? missing : read(value)

/** What was written beside the url to log in with; undefined: nothing. */
interface Credentials {
  readonly password: unknown
  readonly oauth2: unknown
}

const readLogin = (
  server: Server | undefined,
  { password, oauth2 }: Credentials,
  path: Path,
  report: Report,
  surroundings: Surroundings,
): MailChannel['login'] | undefined => {
  const at = [...path, 'password']
  if (oauth2 !== undefined) {
    if (password !== undefined) return void report(at, 'stands beside `oauth2:`: remove one of the two')
    const settings = readOAuth2(oauth2, [...path, 'oauth2'], report, surroundings)
    if (server === undefined || settings === undefined) return undefined
    if (server.user !== '') return { user: server.user, oauth2: settings }
    return void report([...path, 'oauth2'], 'needs a user: write it into the url, as in smtp://user%40example.org@host')
  }
  if (password === undefined) {
    if (server !== undefined && server.user !== '')
      report([...path, 'url'], 'names a user, but there is no `password:` beside it: the relay will not log in', {
        level: 'warning',
      })
    return null
  }
  const secret = readSecret(password, at, report, surroundings, mailPassword)
  if (server === undefined || secret === undefined) return undefined
  if (server.user !== '') return { user: server.user, password: secret }
  return void report(at, 'a password needs a user: write it into the url, as in smtps://user@host')
}

const readChannel = (
  name: string,
  value: unknown,
  path: Path,
  report: Report,
  surroundings: Surroundings,
): MailChannel | null => {
  const unread = { password: z.unknown(), oauth2: z.unknown(), limits: z.unknown() }
  const read = readRecord({ ...channelShape.shape, ...unread }, value, path, report)
  if (read === null) return null
  const at = (key: keyof typeof channelShape.shape): Path => [...path, key]
  const server = read.url === undefined ? undefined : readUrl(read.url, at('url'), report)
  const written = (key: string): unknown =>
    isRecord(value) && Object.hasOwn(value, key) ? (value[key] ?? '') : undefined
  const login = readLogin(
    server,
    { password: written('password'), oauth2: written('oauth2') },
    path,
    report,
    surroundings,
  )
  const from = read.from === undefined ? undefined : readFrom(read.from, at('from'), report)
  const allowedDomains = given(read.allowed_domains, null, (domains) =>
    readDomains(domains, at('allowed_domains'), report),
  )
  const ca = given(read.ca_file, null, (file) => readCa(file, at('ca_file'), report, surroundings))
  const limits = readLimits(read.limits, at('limits'), report)
  const helloName = read.hello_name ?? null
  if (helloName !== null && !/^[\w.:[\]-]+$/.test(helloName)) report(at('hello_name'), 'must be a host name')
  if (server === undefined || from === undefined) return null
  const tls = tlsOf(server, read.tls, at('tls'), report)
  if (login && tls === 'off' && !isThisMachine(server.host))
    report(
      at('tls'),
      'the password would go over the network unencrypted: remove this line if the server has STARTTLS',
      { level: 'warning' },
    )
  if (login === undefined || allowedDomains === undefined || ca === undefined) return null
  const { host, port } = server
  return {
    name,
    host,
    port,
    tls,
    login,
    from,
    allowedDomains,
    connections: read.connections ?? defaultConnections,
    ca,
    helloName,
    limits,
    giveUpAfterMs: durationMs(read.give_up_after ?? usualGiveUpAfter) as number,
  }
}

/** The channels that could be read, and all names that were given to channels, readable or not. */
export interface Mail {
  readonly channels: readonly MailChannel[]
  readonly names: readonly string[]
  /** There is one channel without a name of its own: it serves every monitor, whatever its `Secret`. */
  readonly isSingle: boolean
}

/** Reads `mail:`: one channel, or `channels:` with several by name. null when it cannot be told which channels there are. */
export const readMail = (value: unknown, path: Path, report: Report, surroundings: Surroundings): Mail | null => {
  if (!isRecord(value) || !Object.hasOwn(value, 'channels')) {
    const channel = readChannel(defaultSecret, value, path, report, surroundings)
    return { channels: channel === null ? [] : [channel], names: [defaultSecret], isSingle: true }
  }
  const read = readRecord({ channels: z.record(z.string(), z.unknown()) }, value, path, report, singleChannelKeys)
  if (read?.channels === undefined) return null
  const names = Object.keys(read.channels)
  if (names.length === 0) report([...path, 'channels'], 'names no channel: add one')
  for (const name of names.filter((each) => !/^[A-Za-z0-9][\w.-]{0,99}$/.test(each)))
    report([...path, 'channels', name], 'a channel is named with letters, digits, `.`, `_` and `-`', { at: 'key' })
  const channels = names.map((name) =>
    readChannel(name, read.channels?.[name], [...path, 'channels', name], report, surroundings),
  )
  return { channels: channels.filter((channel) => channel !== null), names, isSingle: false }
}

const singleChannelKeys = Object.fromEntries(
  Object.keys(channelShape.shape).map((key) => [
    key,
    'stands beside `channels:`, but belongs into one of the channels: move it there',
  ]),
)
