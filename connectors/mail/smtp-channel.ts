import type { TokenSource } from './token-source.ts'

/** A login whose password or token is asked for when it is needed, so that no structure that may be printed holds it. */
export type SmtpLogin =
  | {
      readonly user: string
      /** May throw; its error is not shown. */
      readonly password: () => string
    }
  | { readonly user: string; readonly tokens: TokenSource }

/**
 * How the way to the server is protected. implicit: TLS from the first byte. starttls: upgraded before anything is said, or not
 * used at all. off: in the clear, never upgraded. There is no "if possible": who can cut the offer out could read every mail.
 */
export type SmtpSecurity = 'implicit' | 'starttls' | 'off'

/** Where a channel's mail server listens. */
export interface SmtpServer {
  readonly host: string
  readonly port: number
  readonly security: SmtpSecurity
}

/** All times in ms. */
export interface SmtpTimeouts {
  /** Connecting; with the greeting and TLS: this and `greeting` together. Default 10 s. */
  readonly connect: number
  /** From the connection to the greeting. Default 10 s. */
  readonly greeting: number
  /** Without progress before the final dot. Default 60 s. */
  readonly silence: number
  /** From the final dot to its reply, as RFC 5321 asks. Default 10 min. */
  readonly finalReply: number
  /** An unused connection is closed after this. Default 30 s. */
  readonly idle: number
  /** How long fewer connections are used after the server said that they are too many. Default 60 s. */
  readonly crowded: number
}

/** One mail server and how to use it. */
export interface SmtpChannel {
  readonly server: SmtpServer
  /** null: the server takes mail from this host without. */
  readonly login: SmtpLogin | null
  /** PEM certificates that are trusted instead of the public ones. */
  readonly ca?: string
  /** Name that the certificate must carry; default: the host. */
  readonly serverName?: string
  /** Name said in EHLO; default: this host's full name, or its address in brackets. */
  readonly helloName?: string
  /** Connections at once at most; default 4. */
  readonly connections?: number
  /** Messages sent over one connection; default 100. */
  readonly messagesPerConnection?: number
  readonly timeouts?: Partial<SmtpTimeouts>
}

/** The times that hold where a channel names none. */
export const DEFAULT_TIMEOUTS: SmtpTimeouts = {
  connect: 10_000,
  greeting: 10_000,
  silence: 60_000,
  finalReply: 600_000,
  idle: 30_000,
  crowded: 60_000,
}

/** What a mail URL names, or what is wrong with it; the texts quote nothing of it. */
export type ParsedSmtpUrl =
  | { readonly server: SmtpServer; readonly user: string | null; readonly problems: readonly [] }
  | { readonly problems: readonly [string, ...string[]] }

const SUBMISSION = 587
const SUBMISSIONS = 465

const portOf = (url: URL): number =>
  url.port === '' ? (url.protocol === 'smtps:' ? SUBMISSIONS : SUBMISSION) : Number(url.port)

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/**
 * Reads `smtps://user@host[:465]` or `smtp://user@host[:587]`; port 465 is TLS from the start in both. With `tls` 'required' an
 * smtp URL means STARTTLS or nothing, with 'off' no encryption. An `@` inside the user is written %40. All problems at once.
 */
export const parseSmtpUrl = (text: string, tls: 'required' | 'off'): ParsedSmtpUrl => {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'smtp:' && url.protocol !== 'smtps:') || url.hostname === '') {
    return { problems: ['is no mail server URL: write smtps://user@host or smtp://user@host:587'] }
  }
  const port = portOf(url)
  const user = decoded(url.username)
  const implicit = url.protocol === 'smtps:' || port === SUBMISSIONS
  const problems: string[] = []
  if (url.password !== '')
    problems.push('holds a password: take it out and name its file or variable under `password:`')
  if (user === null) problems.push('has a user that is not percent-encoded correctly')
  if (port === 0) problems.push('has port 0')
  if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '') {
    problems.push('has something after the host: leave it out')
  }
  if (implicit && tls === 'off')
    problems.push('means TLS from the start, which `tls: off` contradicts: leave one of them out')
  const [first, ...more] = problems
  if (first !== undefined) return { problems: [first, ...more] }
  const security = implicit ? 'implicit' : tls === 'off' ? 'off' : 'starttls'
  const host = url.hostname.replaceAll(/^\[|\]$/g, '')
  return { server: { host, port, security }, user: user === '' ? null : user, problems: [] }
}
