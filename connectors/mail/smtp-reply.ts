import type { MailReply } from './mail.ts'
import type { SmtpServer } from './smtp-channel.ts'

/** What the SMTP client says went wrong; a subset of what it attaches to its errors. */
export interface SmtpFailure {
  readonly code?: string | undefined
  readonly originalCode?: string | undefined
  readonly command?: string | undefined
  readonly response?: string | undefined
  readonly responseCode?: number | undefined
  readonly timeoutType?: string | undefined
}

/** Where a failure happened. */
export interface FailureScene {
  readonly server: SmtpServer
  /** The message had ended: what comes now is about the whole of it. */
  readonly dotWritten: boolean
  /** Texts that no reply may show: login, password, addresses. */
  readonly secrets: readonly string[]
  /** The login was by an access token. */
  readonly byToken?: boolean
}

const LONGEST_TEXT = 500
const LONGEST_READ = 2000
const ADDRESS = /<?(?:"[^"]{1,64}"|[^\s<>()"',;]+)(?:@|%40)[^\s<>()"',;]+>?/gi
const UNSHOWN = /[\p{Cc}\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069]/gu
const BASE64_RUN = /[A-Za-z0-9+/]{16,}={0,2}/g

const escaped = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)

/** A server may quote the login command, whose words are base64. */
const spellings = (secret: string): string[] => [secret, Buffer.from(secret).toString('base64')]

const withoutSecrets = (text: string, secrets: readonly string[]): string => {
  const lower = text.toLowerCase()
  const upper = text.toUpperCase()
  const isSpoken = (word: string): boolean => lower.includes(word.toLowerCase()) || upper.includes(word.toUpperCase())
  // Made only where it finds something: replies are read by the thousand.
  const words = secrets.flatMap(spellings).filter((word) => word.length > 2 && isSpoken(word))
  if (words.length === 0) return text
  const longestFirst = words.toSorted((a, b) => b.length - a.length).map(escaped)
  return text.replaceAll(new RegExp(`(?<![\\w.-])<?(?:${longestFirst.join('|')})>?(?![\\w-])`, 'gi'), '<…>')
}

/** Cuts between words, so that no part of an address is left over; what follows is not linear in its length. */
const bounded = (line: string): string =>
  line.length > LONGEST_READ ? line.slice(0, LONGEST_READ).replace(/\S*$/, '…') : line

const shortened = (line: string): string =>
  line.length > LONGEST_TEXT ? `${line.slice(0, LONGEST_TEXT - 1).toWellFormed()}…` : line

/** What a server wrote, as one line of at most 500 characters without controls; addresses and `secrets` become `<…>`. */
export const presentable = (text: string, secrets: readonly string[]): string => {
  const line = bounded(text.toWellFormed().replaceAll(UNSHOWN, ' ').replaceAll(/\s+/g, ' ').trim())
  return shortened(withoutSecrets(line, secrets).replaceAll(ADDRESS, '<…>'))
}

const codeOf = (response: string): number => Number(/^\d{3}/.exec(response)?.[0] ?? 0)

/** The text of a reply of several lines, without the codes. */
const textOf = (response: string): string =>
  response
    .split('\n')
    .map((line) => line.replace(/^\d{3}[ -]?/, ''))
    .join(' ')

/** A reply that took the message. */
export const acceptedReply = (response: string, secrets: readonly string[]): MailReply => ({
  kind: 'accepted',
  code: codeOf(response),
  text: presentable(textOf(response), secrets),
})

const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
])
const OTHER_CERTIFICATE_TROUBLE = /^(?:CERT_|CRL_|HOSTNAME_|INVALID_|PATH_LENGTH_|UNABLE_TO_|ERR_TLS_CERT_)/
const NOT_TLS = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_RECORD_LAYER_FAILURE',
])
const NEEDS_LOGIN = new Set([530, 534, 535, 538])

const place = ({ host, port }: SmtpServer): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

type Verdict = Pick<MailReply, 'kind' | 'text'>

const ofCertificate = (code: string, at: string): Verdict | null => {
  if (UNTRUSTED.has(code)) {
    return {
      kind: 'denied',
      text: `the certificate of ${at} comes from nobody who is trusted here: name the file of its authority (or the certificate itself) under \`ca_file:\``,
    }
  }
  if (code === 'CERT_HAS_EXPIRED')
    return { kind: 'denied', text: `the certificate of ${at} has expired: it must be renewed there` }
  if (code === 'CERT_NOT_YET_VALID')
    return { kind: 'denied', text: `the certificate of ${at} is not valid yet: check both clocks` }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return {
      kind: 'denied',
      text: `the certificate of ${at} is for another name: write that name as the host, or under \`server_name:\``,
    }
  }
  if (OTHER_CERTIFICATE_TROUBLE.test(code))
    return { kind: 'denied', text: `the certificate of ${at} does not hold (${code})` }
  return null
}

const ofTls = (code: string, server: SmtpServer, at: string): Verdict | null => {
  if (NOT_TLS.has(code)) {
    const way =
      server.security === 'implicit'
        ? 'write smtp:// for STARTTLS, or the port for TLS (usually 465)'
        : 'ask its operator'
    return { kind: 'denied', text: `${at} does not speak TLS: ${way}` }
  }
  if (!/^(?:ERR_SSL_|ERR_TLS_|EPROTO$)/.test(code)) return null
  return {
    kind: 'denied',
    text: `TLS with ${at} failed (${code}): it must offer TLS 1.2 or later and a certificate that fits`,
  }
}

const ofNetwork = (code: string, host: string, at: string): string => {
  switch (code) {
    case 'ENOTFOUND':
    case 'ENODATA':
      return `the name ${host} is not known: check the host, and this machine's name service`
    case 'EAI_AGAIN':
    case 'ETIMEOUT':
    case 'ESERVFAIL':
      return `the name ${host} could not be looked up: check this machine's name service`
    case 'ECONNREFUSED':
      return `nothing listens at ${at}: check the port, and that the mail server runs`
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `there is no way to ${at}: check the network and firewalls`
    default:
      return `the connection to ${at} was lost (${code === '' ? 'closed by the server' : code})`
  }
}

const ofTimeout = (type: string, { security }: SmtpServer, at: string): string => {
  if (type === 'CONNECT_TIMEOUT') return `${at} did not answer: check the host, the port and firewalls`
  if (type === 'UPGRADE_TIMEOUT') return `${at} did not finish the TLS handshake in time`
  if (type !== 'GREETING_TIMEOUT') return `${at} fell silent`
  const hint = security === 'implicit' ? '' : '; if this port expects TLS from the start, write smtps://'
  return `${at} took the connection but did not greet${hint}`
}

const ofReply = (
  code: number,
  said: string,
  command: string,
  { server, dotWritten, byToken }: FailureScene,
  at: string,
): Verdict => {
  if (code === 421) return { kind: 'unavailable', text: `${at} is closing: ${said}` }
  if (code < 400) return { kind: dotWritten ? 'unknown' : 'unavailable', text: `${at} answered out of turn: ${said}` }
  if (command.startsWith('AUTH')) {
    if (code < 500) return { kind: 'unavailable', text: `${at} cannot check logins now: ${said}` }
    const check =
      byToken === true
        ? 'the user in the url, and that it (or the application) may send mail over SMTP with OAuth2'
        : 'the user and the password'
    return { kind: 'denied', text: `${at} refused the login: check ${check} (${said})` }
  }
  if (command === 'STARTTLS') {
    if (code < 500) return { kind: 'unavailable', text: `${at} cannot start TLS now: ${said}` }
    return {
      kind: 'denied',
      text: `${at} offers no STARTTLS: use smtps://, or \`tls: off\` if mail may go in the clear (${said})`,
    }
  }
  if (command === 'EHLO' && server.security === 'starttls' && code >= 500) {
    return { kind: 'denied', text: `${at} knows no EHLO, so no STARTTLS: use smtps://, or \`tls: off\` (${said})` }
  }
  if (!/^(?:MAIL|RCPT|DATA)/.test(command)) {
    return code < 500
      ? { kind: 'unavailable', text: `${at} takes no mail now: ${said}` }
      : { kind: 'denied', text: `${at} takes no mail from this host: ask its operator (${said})` }
  }
  if (NEEDS_LOGIN.has(code))
    return { kind: 'denied', text: `${at} wants a login, or TLS, first: check \`url:\` and \`password:\` (${said})` }
  // 503 is about the order of commands, not about this message: a new connection starts afresh.
  return { kind: code < 500 || code === 503 ? 'deferred' : 'refused', text: said }
}

const verdictOn = (failure: SmtpFailure, code: number, scene: FailureScene): Verdict => {
  const at = place(scene.server)
  const command = failure.command ?? ''
  if (code !== 0) return ofReply(code, presentable(textOf(failure.response ?? ''), scene.secrets), command, scene, at)
  if (scene.dotWritten) {
    return {
      kind: 'unknown',
      text: `the connection to ${at} ended after the whole message and before its reply: it may have been taken`,
    }
  }
  const cause = failure.originalCode ?? failure.code ?? ''
  if (failure.timeoutType !== undefined) {
    return { kind: 'unavailable', text: ofTimeout(failure.timeoutType, scene.server, at) }
  }
  const tls = ofCertificate(cause, at) ?? ofTls(cause, scene.server, at)
  if (tls !== null) return tls
  if ((cause === 'EPROTOCOL' || cause === 'EAUTH') && failure.response) {
    const said = presentable(failure.response, scene.secrets)
    return { kind: 'unavailable', text: `${at} answered what is no reply of a mail server: ${said}` }
  }
  if (failure.code === 'EAUTH') {
    const todo =
      scene.server.security === 'off'
        ? 'many offer it with TLS only: write `tls: required` or smtps://'
        : 'check the port (usually 587 or 465)'
    return { kind: 'denied', text: `${at} offers no login that can be used here: ${todo}` }
  }
  if (failure.code === 'EMESSAGE') return { kind: 'refused', text: `larger than ${at} takes` }
  if (failure.code === 'EENVELOPE')
    return { kind: 'refused', text: 'the sender or the recipient is no address that SMTP can carry' }
  const network = cause === 'ECONNECTION' || cause === 'ETLS' || cause === 'EPROTOCOL' ? '' : cause
  return { kind: 'unavailable', text: ofNetwork(network, scene.server.host, at) }
}

/** What a failure means for the message, and in words what to do. */
export const failureReply = (failure: SmtpFailure, scene: FailureScene): MailReply => {
  const code = failure.responseCode ?? 0
  // Whatever looks like base64 in the answer to a login may be the login.
  const response = failure.command?.startsWith('AUTH')
    ? failure.response?.replaceAll(BASE64_RUN, '<…>')
    : failure.response
  const { kind, text } = verdictOn({ ...failure, response }, code, scene)
  const isTooLarge = kind === 'refused' && (code === 552 || (code === 0 && failure.code === 'EMESSAGE'))
  return { kind, code, text: shortened(text), ...(isTooLarge ? { isTooLarge } : {}) }
}

/** A server that asks for fewer connections says so when one is opened, or at its first command. */
export const isCrowded = ({ kind, code, text }: MailReply): boolean =>
  kind === 'unavailable' && (code === 421 || /too many|concurrent|connection (?:rate|limit)/i.test(text))
