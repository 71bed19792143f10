import { createSign } from 'node:crypto'
import { presentable } from './smtp-reply.ts'
import type { TokenAnswer, TokenSource } from './token-source.ts'

/** How access tokens are obtained. What is secret is asked for when it is needed; it may throw, and its error is not shown. */
export type TokenGrant =
  | {
      readonly kind: 'refresh token'
      readonly clientId: string
      /** null: a client without a secret. */
      readonly clientSecret: (() => string) | null
      readonly refreshToken: () => string
    }
  | { readonly kind: 'client credentials'; readonly clientId: string; readonly clientSecret: () => string }
  | {
      readonly kind: 'service account'
      /** JSON key as Google writes it. */
      readonly key: () => string
      /** Whose mailbox is used. */
      readonly user: string
    }

export interface TokenEndpoint {
  readonly url: string
  /** null: what the grant was made for. */
  readonly scope: string | null
  readonly grant: TokenGrant
  /** How long an answer is waited for, ms; default 20 s. */
  readonly timeoutMs?: number
}

/** A token is renewed so long before its end: a login with it must still be possible then. */
const renewBeforeMs = 120_000
const usualLifeS = 3600
const usualTimeoutMs = 20_000
const mostAnswerChars = 65_536

const denied = (text: string): TokenAnswer => ({ failure: { kind: 'denied', code: 0, text } })
const unavailable = (text: string): TokenAnswer => ({ failure: { kind: 'unavailable', code: 0, text } })

const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** What Google asks for in the place of a password: a statement signed with the account's key. */
const assertionOf = (key: string, { user, url, scope }: { user: string; url: string; scope: string }): string => {
  const { client_email: iss, private_key } = JSON.parse(key) as { client_email: string; private_key: string }
  const iat = Math.floor(Date.now() / 1000)
  const claims = base64url({ iss, sub: user, scope, aud: url, iat, exp: iat + usualLifeS })
  const signed = `${base64url({ alg: 'RS256', typ: 'JWT' })}.${claims}`
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(private_key, 'base64url')}`
}

type Field = [name: string, value: string]
type Fields = Field[]

/** The fields of the request, with what of them must not be shown. Throws when a secret cannot be read. */
const requestOf = (
  { url, scope, grant }: TokenEndpoint,
  rotated: string | null,
): { readonly fields: URLSearchParams; readonly secrets: readonly string[] } => {
  const asked: Fields = scope === null ? [] : [['scope', scope]]
  if (grant.kind === 'service account') {
    const assertion = assertionOf(grant.key(), { user: grant.user, url, scope: scope ?? '' })
    const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
    return { fields: new URLSearchParams({ grant_type, assertion }), secrets: [assertion, grant.user] }
  }
  const secret = grant.clientSecret?.() ?? null
  const client: Fields = [
    ['client_id', grant.clientId],
    ...(secret === null ? [] : [['client_secret', secret] satisfies Field]),
  ]
  if (grant.kind === 'client credentials') {
    const fields = new URLSearchParams([['grant_type', 'client_credentials'], ...client, ...asked])
    return { fields, secrets: secret === null ? [] : [secret] }
  }
  const refreshToken = rotated ?? grant.refreshToken()
  return {
    fields: new URLSearchParams([
      ['grant_type', 'refresh_token'],
      ['refresh_token', refreshToken],
      ...client,
      ...asked,
    ]),
    secrets: [refreshToken, ...(secret === null ? [] : [secret])],
  }
}

interface Answer {
  readonly access_token?: unknown
  readonly refresh_token?: unknown
  readonly expires_in?: unknown
  readonly error?: unknown
  readonly error_description?: unknown
}

const parsed = (text: string): Answer => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

const cures: Readonly<Record<TokenGrant['kind'], string>> = {
  'refresh token':
    'give the consent anew and put the new token under `refresh_token:`, or check `client_id:` and `client_secret:`',
  'client credentials':
    'check `tenant:`, `client_id:` and `client_secret:`, and that the application has the permission SMTP.SendAsApp with consent',
  'service account': 'check `service_account:`, and that the account may act for this user (domain-wide delegation)',
}

/** Opens a source of tokens; asks nothing yet. A refresh token that the endpoint replaces is used from then on, until the process ends. */
export const openTokens = (endpoint: TokenEndpoint): TokenSource => {
  const host = new URL(endpoint.url).host
  let present: { readonly token: string; readonly renewAt: number } | null = null
  let rotated: string | null = null
  let asking: Promise<TokenAnswer> | null = null

  const refusal = (status: number, { error, error_description }: Answer, secrets: readonly string[]): TokenAnswer => {
    const said = presentable([error, error_description].filter((each) => typeof each === 'string').join(': '), secrets)
    const why = `${status}${said === '' ? '' : ` ${said}`}`
    if (status >= 500 || status === 429 || status === 408)
      return unavailable(`${host} gives no access token for the mail server now (${why})`)
    return denied(`${host} refused an access token for the mail server: ${cures[endpoint.grant.kind]} (${why})`)
  }

  const take = (status: number, answer: Answer, secrets: readonly string[]): TokenAnswer => {
    const { access_token: token, refresh_token, expires_in } = answer
    if (status !== 200) return refusal(status, answer, secrets)
    if (typeof token !== 'string' || token === '')
      return unavailable(`${host} answered without an access token for the mail server`)
    const lifeMs = 1000 * (Number(expires_in) > 0 ? Number(expires_in) : usualLifeS)
    present = { token, renewAt: performance.now() + Math.max(lifeMs / 2, lifeMs - renewBeforeMs) }
    if (typeof refresh_token === 'string' && refresh_token !== '') rotated = refresh_token
    return { token }
  }

  const ask = async (): Promise<TokenAnswer> => {
    let request
    try {
      request = requestOf(endpoint, rotated)
    } catch {
      return denied('the secret for the mail server cannot be read or used: check `oauth2:`')
    }
    const { fields, secrets } = request
    try {
      const response = await fetch(endpoint.url, {
        method: 'POST',
        body: fields,
        redirect: 'error',
        signal: AbortSignal.timeout(endpoint.timeoutMs ?? usualTimeoutMs),
      })
      const text = await response.text()
      return take(response.status, text.length > mostAnswerChars ? {} : parsed(text), secrets)
    } catch (cause) {
      const { name, cause: inner } = cause as Error & { cause?: { code?: string } }
      const why = name === 'TimeoutError' ? 'no answer in time' : (inner?.code ?? 'connection lost')
      return unavailable(`${host}, which gives access tokens for the mail server, cannot be reached (${why})`)
    }
  }

  return {
    async token(refused) {
      if (present !== null && present.token !== refused && performance.now() < present.renewAt)
        return { token: present.token }
      asking ??= ask().finally(() => (asking = null))
      return asking
    },
  }
}

/** What is said at `AUTH XOAUTH2`. */
export const xoauth2 = (user: string, token: string): string =>
  Buffer.from(`user=${user}\x01auth=Bearer ${token}\x01\x01`).toString('base64')
