import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { isMap, isScalar, LineCounter, parseDocument, type YAMLMap } from 'yaml'
import type { EpochMs } from '../../schemas/time.ts'

/** What the file of `velociraptor config api_client` says, checked. */
export interface ApiConfig {
  /** PEM of the one authority to trust. */
  readonly ca: string
  /** PEM. */
  readonly certificate: string
  /** PEM, not encrypted. */
  readonly privateKey: string
  /** `host:port`, or `unix:` and a path: as gRPC wants it. */
  readonly address: string
  /** The name that the server's certificate must bear. */
  readonly serverName: string
  /** The user that the certificate is made out to. */
  readonly principal: string
  readonly expiresAt: EpochMs
  readonly warnings: readonly ApiConfigWarning[]
}

/** Worth saying, though it works. */
export type ApiConfigWarning =
  | { readonly kind: 'readable by others'; readonly file: string; readonly mode: string }
  | { readonly kind: 'certificate ends soon'; readonly file: string; readonly daysLeft: number }

/** What is wrong with the file, and what to do. Line and column count from 1; 0 where no place in the file is meant. */
export interface ApiConfigProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly text: string
}

export interface ApiConfigOptions {
  /** Overrules `pinned_server_name` of the file. */
  readonly serverName?: string
  readonly now: EpochMs
}

export type ApiConfigReading =
  | { readonly config: ApiConfig; readonly problems: readonly [] }
  | { readonly config: null; readonly problems: readonly ApiConfigProblem[] }

const day = 86_400_000
const defaultServerName = 'VelociraptorServer'
const makeAnother = 'make a new file with: velociraptor config api_client --name NAME --role api FILE'

/** Reads and checks the file that `velociraptor config api_client` wrote; names all problems at once. */
export const readApiConfig = (file: string, options: ApiConfigOptions): ApiConfigReading => {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    return {
      config: null,
      problems: [{ file, line: 0, column: 0, text: `cannot be read (${code}): ${whyUnreadable(code)}` }],
    }
  }
  return checkApiConfig(file, text, options)
}

const whyUnreadable = (code: string): string =>
  code === 'ENOENT'
    ? 'write it with velociraptor config api_client --name NAME --role api FILE, or correct velociraptor.api_config'
    : code === 'EACCES'
      ? 'let the user that runs the relay read it'
      : 'name a file in velociraptor.api_config'

interface Field {
  readonly text: string
  readonly line: number
  readonly column: number
}

type Tell = (at: { readonly line: number; readonly column: number }, text: string) => void

const nowhere = { line: 0, column: 0 }

const checkApiConfig = (file: string, text: string, { serverName, now }: ApiConfigOptions): ApiConfigReading => {
  const problems: ApiConfigProblem[] = []
  const tell: Tell = ({ line, column }, problem) => problems.push({ file, line, column, text: problem })
  const fields = readFields(text, tell)
  if (fields === null) return { config: null, problems }

  const field = (key: string, what: string): Field | undefined => {
    const found = fields(key)
    if (found === undefined) tell(nowhere, `has no ${key} (${what}): ${makeAnother}`)
    return found
  }
  const caField = field('ca_certificate', 'the certificate of the authority')
  const certificateField = field('client_cert', 'our certificate')
  const keyField = field('client_private_key', 'our private key')
  const addressField = field('api_connection_string', 'host:port of the API')

  const ca = caField && certificateOf(caField, 'ca_certificate', tell)
  const certificate = certificateField && certificateOf(certificateField, 'client_cert', tell)
  const key = keyField && privateKeyOf(keyField, tell)
  const address = addressField && addressOf(addressField, tell)

  if (certificate && certificateField) checkTerm(certificate, certificateField, 'client_cert', now, tell)
  if (ca && caField) checkTerm(ca, caField, 'ca_certificate', now, tell)
  if (certificate && key && keyField && !certificate.checkPrivateKey(key))
    tell(keyField, `client_private_key does not belong to client_cert: ${makeAnother}`)
  if (certificate && ca && certificateField && !(certificate.checkIssued(ca) && certificate.verify(ca.publicKey)))
    tell(certificateField, `client_cert was not issued by ca_certificate: ${makeAnother}`)

  const pinned = fields('pinned_server_name')
  const principal = certificate && principalOf(certificate)
  if (certificate && certificateField && principal === undefined)
    tell(certificateField, `client_cert is made out to nobody: ${makeAnother}`)

  if (problems.length > 0 || !ca || !certificate || !key || !address || !principal) return { config: null, problems }
  const expiresAt = Date.parse(certificate.validTo)
  return {
    config: {
      ca: ca.toString(),
      certificate: certificate.toString(),
      privateKey: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
      address,
      serverName: serverName ?? pinned?.text ?? defaultServerName,
      principal,
      expiresAt,
      warnings: warningsOf(file, expiresAt, now),
    },
    problems: [],
  }
}

const readFields = (text: string, tell: Tell): ((key: string) => Field | undefined) | null => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const placeOf = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  for (const error of document.errors) tell(placeOf(error.pos[0]), `is not YAML: ${oneLine(error.code)}`)
  if (document.errors.length > 0) return null
  const { contents } = document
  if (!isMap(contents)) {
    tell({ line: 1, column: 1 }, `is not what velociraptor config api_client writes: ${makeAnother}`)
    return null
  }
  return (key) => fieldOf(contents, key, placeOf)
}

// The parser's message quotes the line, which may be key material; its code does not.
const oneLine = (code: string): string => code.toLowerCase().replaceAll('_', ' ')

const fieldOf = (
  map: YAMLMap,
  key: string,
  placeOf: (offset: number) => { line: number; column: number },
): Field | undefined => {
  const node = map.get(key, true)
  if (!isScalar(node) || typeof node.value !== 'string' || node.value.trim() === '') return undefined
  return { text: node.value, ...placeOf(node.range?.[0] ?? 0) }
}

const certificateOf = (field: Field, key: string, tell: Tell): X509Certificate | undefined => {
  try {
    return new X509Certificate(field.text)
  } catch {
    tell(field, `${key} holds no certificate (PEM): ${makeAnother}`)
    return undefined
  }
}

const privateKeyOf = (field: Field, tell: Tell): KeyObject | undefined => {
  if (field.text.includes('ENCRYPTED')) {
    tell(
      field,
      `client_private_key is locked with a password: make the file without --password (${makeAnother}) and keep it at mode 0600`,
    )
    return undefined
  }
  try {
    return createPrivateKey(field.text)
  } catch {
    tell(field, `client_private_key holds no private key (PEM): ${makeAnother}`)
    return undefined
  }
}

const addressOf = (field: Field, tell: Tell): string | undefined => {
  const text = field.text.trim()
  const unix = /^unix:(?:\/\/)?(\/[^/].*)$/.exec(text)
  if (unix !== null) return `unix:${unix[1]}`
  const port = Number(/^(?:[^\s:/[\]]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})$/.exec(text)?.[1])
  if (port >= 1 && port <= 65_535) return text
  tell(field, 'api_connection_string is neither host:port nor unix:///path')
  return undefined
}

const checkTerm = (certificate: X509Certificate, field: Field, key: string, now: EpochMs, tell: Tell): void => {
  const from = Date.parse(certificate.validFrom)
  const to = Date.parse(certificate.validTo)
  if (now > to) tell(field, `${key} ended on ${new Date(to).toISOString()}: ${makeAnother}`)
  if (now < from)
    tell(field, `${key} is valid only from ${new Date(from).toISOString()}: set this machine's clock, or wait`)
}

const principalOf = (certificate: X509Certificate): string | undefined =>
  /^CN=(.+)$/m.exec(certificate.subject)?.[1] ?? /DNS:([^,\s]+)/.exec(certificate.subjectAltName ?? '')?.[1]

const warningsOf = (file: string, expiresAt: EpochMs, now: EpochMs): readonly ApiConfigWarning[] => {
  const warnings: ApiConfigWarning[] = []
  const mode = statSync(file, { throwIfNoEntry: false })?.mode
  if (process.platform !== 'win32' && mode !== undefined && (mode & 0o077) !== 0)
    warnings.push({ kind: 'readable by others', file, mode: (mode & 0o777).toString(8).padStart(4, '0') })
  const daysLeft = Math.floor((expiresAt - now) / day)
  if (daysLeft < 30) warnings.push({ kind: 'certificate ends soon', file, daysLeft })
  return warnings
}
