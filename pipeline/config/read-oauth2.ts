import { z } from 'zod'
import type { OAuth2Settings } from './configuration.ts'
import { isRecord } from './is-record.ts'
import type { Path, Report } from './problem.ts'
import { readRecord } from './record.ts'
import { readSecret, type SecretKind } from './read-secret.ts'
import { oauth2Shape } from './relay-shape.ts'
import type { Secret } from './secret.ts'
import type { Surroundings } from './surroundings.ts'

type SecretKey = 'client_secret' | 'refresh_token' | 'service_account'

const secretKinds: Readonly<Record<SecretKey, SecretKind>> = {
  client_secret: { name: 'client secret', forMail: true },
  refresh_token: { name: 'refresh token', forMail: true },
  service_account: { name: 'key', manyLines: true, forMail: true },
}

interface Usual {
  readonly tokenUrl: string
  readonly scope: string | null
}

const usualOf = (
  provider: 'microsoft' | 'google' | undefined,
  tenant: string | undefined,
  hasRefreshToken: boolean,
): Usual | null => {
  if (provider === 'google')
    return {
      tokenUrl: 'https://oauth2.googleapis.com/token',
      scope: hasRefreshToken ? null : 'https://mail.google.com/',
    }
  if (provider !== 'microsoft') return null
  return {
    tokenUrl: `https://login.microsoftonline.com/${tenant ?? 'common'}/oauth2/v2.0/token`,
    scope: hasRefreshToken
      ? 'https://outlook.office.com/SMTP.Send offline_access'
      : 'https://outlook.office365.com/.default',
  }
}

const isThisMachine = (host: string): boolean => /^(localhost|\[::1\]|127(\.\d+){3})$/.test(host)

const tokenUrlFault = (written: string): string | null => {
  const url = URL.parse(written)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return 'must be an https:// address'
  if (url.protocol === 'http:' && !isThisMachine(url.hostname)) return 'must be https://: secrets are sent there'
  return url.username === '' && url.password === '' ? null : 'must hold no user and no password'
}

/** undefined: something is wrong and reported. */
const grantOf = (
  clientId: string | undefined,
  secrets: Readonly<Record<SecretKey, Secret | null>>,
  path: Path,
  report: Report,
): OAuth2Settings['grant'] | undefined => {
  const { client_secret, refresh_token, service_account } = secrets
  if (service_account !== null) {
    if (clientId !== undefined || client_secret !== null || refresh_token !== null)
      return void report(
        [...path, 'service_account'],
        'stands alone: remove client_id, client_secret and refresh_token',
      )
    return { kind: 'service account', key: service_account }
  }
  if (clientId === undefined) return void report([...path, 'client_id'], 'is missing')
  if (refresh_token !== null)
    return { kind: 'refresh token', clientId, clientSecret: client_secret, refreshToken: refresh_token }
  if (client_secret === null)
    return void report(path, 'needs a client_secret (the application logs in for itself) or a refresh_token')
  return { kind: 'client credentials', clientId, clientSecret: client_secret }
}

/** Reads `oauth2:` of a mail channel. undefined: something is wrong and reported. */
export const readOAuth2 = (
  value: unknown,
  path: Path,
  report: Report,
  surroundings: Surroundings,
): OAuth2Settings | undefined => {
  const unread = { client_secret: z.unknown(), refresh_token: z.unknown(), service_account: z.unknown() }
  const read = readRecord({ ...oauth2Shape.shape, ...unread }, value, path, report)
  if (read === null || !isRecord(value)) return undefined
  const has = (key: SecretKey): boolean => Object.hasOwn(value, key)
  const secret = (key: SecretKey): Secret | null | undefined =>
    has(key) ? readSecret(value[key], [...path, key], report, surroundings, secretKinds[key]) : null
  const [client_secret, refresh_token, service_account] = [
    secret('client_secret'),
    secret('refresh_token'),
    secret('service_account'),
  ]
  if (client_secret === undefined || refresh_token === undefined || service_account === undefined) return undefined
  const { provider, tenant } = read
  const grant = grantOf(read.client_id, { client_secret, refresh_token, service_account }, path, report)
  const usual = usualOf(provider, tenant, has('refresh_token'))
  const tokenUrl = read.token_url ?? usual?.tokenUrl
  if (tokenUrl === undefined && Object.hasOwn(value, 'provider')) return undefined
  if (tokenUrl === undefined)
    return void report(path, 'names nobody who gives tokens: write provider: microsoft, provider: google, or token_url')
  const fault = tokenUrlFault(tokenUrl)
  if (fault !== null) return void report([...path, 'token_url'], fault)
  if (
    provider === 'microsoft' &&
    grant?.kind === 'client credentials' &&
    tenant === undefined &&
    read.token_url === undefined
  )
    return void report(path, 'needs a tenant when the application logs in for itself')
  if (provider === 'google' && grant?.kind === 'client credentials')
    return void report(path, 'Google wants a refresh_token or a service_account')
  return grant === undefined ? undefined : { tokenUrl, scope: read.scope ?? usual?.scope ?? null, grant }
}
