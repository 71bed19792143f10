import { ConnectorError } from '../errors.ts'

/** Where a query went, for the text of its error. */
export interface Place {
  /** host:port, or unix:path. */
  readonly address: string
  readonly org: string
  /** The certificate's user. */
  readonly principal: string
  /** The name that the server's certificate must bear. */
  readonly serverName: string
}

/** How a call ended: the status of gRPC and its text. */
export interface CallStatus {
  readonly code: number
  readonly details: string
}

/** A line of a query's log. */
export interface LogLine {
  readonly level: string
  readonly text: string
}

interface Sign {
  readonly in: RegExp
  readonly code?: number
  readonly say: (place: Place, found: RegExpExecArray) => ConnectorError
}

const denied = (text: string): ConnectorError => new ConnectorError('VELOCIRAPTOR_DENIED', text)
const unavailable = (text: string): ConnectorError => new ConnectorError('VELOCIRAPTOR_UNAVAILABLE', text)

const grantApi = ({ principal, org }: Place): string =>
  `grant it: velociraptor acl grant ${principal} --role api${org === 'root' ? '' : ` (in organisation ${org})`}; the server reads permissions again within 300 s`

const newApiConfig = 'write a new file with: velociraptor config api_client --name NAME --role api api.config.yaml'

const signs: readonly Sign[] = [
  {
    in: /ALTNAME_INVALID|does not match certificate's altnames/i,
    say: ({ address, serverName }) =>
      denied(
        `${address} shows a certificate that is not made for ${serverName}: set velociraptor.server_name to the server's Client.pinned_server_name`,
      ),
  },
  {
    in: /CERT_HAS_EXPIRED|certificate has expired|certificate is not yet valid|CERT_NOT_YET_VALID/i,
    say: ({ address }) =>
      denied(
        `the certificate of ${address} has run out or is not valid yet: compare both clocks, then renew the server's certificate (velociraptor config rotate_keys)`,
      ),
  },
  {
    in: /alert.*(certificate expired|expired certificate)|CERTIFICATE_EXPIRED/i,
    say: ({ address }) => denied(`${address} says that our certificate has run out: ${newApiConfig}`),
  },
  {
    in: /alert.*(certificate required|unknown ca|bad certificate|certificate unknown|decrypt error)|CERTIFICATE_REQUIRED|UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN/i,
    say: ({ address }) =>
      denied(`${address} does not take our certificate, so it belongs to another server: ${newApiConfig}`),
  },
  {
    in: /SELF_SIGNED_CERT|self-signed certificate|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|unable to verify|unable to get (local )?issuer|certificate signature failure/i,
    say: ({ address }) =>
      denied(
        `${address} shows a certificate of another authority than ca_certificate in velociraptor.api_config: is it the address of that server's API? If its keys were renewed, ${newApiConfig}`,
      ),
  },
  {
    in: /wrong version number|packet length too long|WRONG_VERSION_NUMBER|tlsv1 alert protocol version|unsupported protocol|EPROTO|Protocol error/i,
    say: ({ address }) =>
      denied(
        `${address} does not speak TLS 1.3 as Velociraptor's API does: use API.bind_port of the server's configuration (8001 unless changed) as api_connection_string`,
      ),
  },
  {
    in: /Org not found/i,
    say: ({ address, org }) =>
      denied(`${address} knows no organisation ${org}: name one that SELECT * FROM orgs() lists`),
  },
  {
    in: /User not found/i,
    say: ({ address, principal }) =>
      denied(
        `${address} knows no user ${principal}: make it with velociraptor config api_client --name ${principal} --role api before the server starts, or restart the server; it does not see users made beside it`,
      ),
  },
  {
    code: 7,
    in: /(?:permission ([A-Z_]+))?/,
    say: (place, found) => {
      const permission = /permission ([A-Z_]{3,})/.exec(found.input)?.[1] ?? 'ANY_QUERY'
      return denied(
        `user ${place.principal} may not query ${place.address} in organisation ${place.org} (permission ${permission} is missing): ${grantApi(place)}`,
      )
    },
  },
  {
    code: 8,
    in: /larger than max|message larger/i,
    say: ({ address }) =>
      unavailable(`${address} sent or was sent a message that is too large: ask for fewer rows or ids at once`),
  },
  {
    in: /ECONNREFUSED/,
    say: ({ address }) =>
      unavailable(`nothing listens at ${address}: is the server running, and is API.bind_address reachable from here?`),
  },
  {
    in: /ENOTFOUND|EAI_AGAIN|Name resolution failed/,
    say: ({ address }) =>
      unavailable(`the name in ${address} is not known here: correct api_connection_string, or the name service`),
  },
  {
    in: /EACCES|EPERM/,
    say: ({ address }) => denied(`${address} may not be opened by this user: give it access to the socket`),
  },
  {
    in: /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|Deadline exceeded/i,
    say: ({ address }) =>
      unavailable(`${address} does not answer in time: is it reachable from here, and is it overloaded?`),
  },
  {
    in: /too_many_pings|ENHANCE_YOUR_CALM/i,
    say: ({ address }) => unavailable(`${address} closed the connection because of too many pings`),
  },
  {
    code: 14,
    in: /No connection established/,
    say: ({ address }) =>
      unavailable(
        `${address} closes connections while they are made: is it Velociraptor's API, and of the server that made our certificate?`,
      ),
  },
  { code: 14, in: /(?:)/, say: ({ address }) => unavailable(`the connection to ${address} broke off`) },
  { code: 4, in: /(?:)/, say: ({ address }) => unavailable(`${address} does not answer in time`) },
  {
    in: /^Received HTTP status code \d+|unknown (?:method|service)|UNIMPLEMENTED/,
    say: ({ address }) =>
      denied(`${address} is no Velociraptor API: correct api_connection_string in velociraptor.api_config`),
  },
  {
    code: 2,
    in: /^Query should be specified/,
    say: ({ address }) => denied(`${address} was asked nothing: the query is empty`),
  },
]

const names = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

/**
 * What a call's bad end means: VELOCIRAPTOR_DENIED where somebody must act (certificate, name, user, permission, organisation),
 * else VELOCIRAPTOR_UNAVAILABLE. The text names the address and what to do; the foreign error is the cause.
 */
export const failureOfStatus = (status: CallStatus, place: Place, cause?: unknown): ConnectorError => {
  for (const sign of signs) {
    if (sign.code !== undefined && sign.code !== status.code) continue
    const found = sign.in.exec(status.details)
    if (found === null) continue
    const { code, message } = sign.say(place, found)
    return new ConnectorError(code, message, { cause: cause ?? status })
  }
  const name = names[status.code] ?? `status ${status.code}`
  return new ConnectorError('VELOCIRAPTOR_UNAVAILABLE', `${place.address} ended the query with ${name}`, {
    cause: cause ?? status,
  })
}

interface LogSign {
  readonly in: RegExp
  readonly say: (found: RegExpExecArray, vql: string) => ConnectorError | null
}

const roleFor: Readonly<Record<string, string>> = {
  READ_RESULTS: 'api',
  ANY_QUERY: 'api',
  SERVER_ADMIN: 'administrator',
  MACHINE_STATE: 'administrator',
  COLLECT_CLIENT: 'investigator',
}

const missing = (kind: string, name: string): ConnectorError =>
  denied(`this Velociraptor server has no ${kind} ${name}: it is older than 0.74, or Security.denied_plugins hides it`)

const logSigns: readonly LogSign[] = [
  {
    in: /Permission denied: \[?([A-Z_]+(?:[ ,]+[A-Z_]+)*)/,
    say: (found) => {
      const permission = found[1] ?? ''
      const role = roleFor[permission.split(/[ ,]/)[0] ?? '']
      return denied(
        `the query needs permission ${permission}${role === undefined ? '' : `, which role ${role} has`}: grant it to the user of velociraptor.api_config in this organisation; the server reads permissions again within 300 s`,
      )
    },
  },
  {
    in: /^VQL Error: (.*)/,
    say: (found) => denied(`the server does not understand the query: ${short(found[1] ?? '')}`),
  },
  {
    // Definitions and results of an artifact that is gone are missing rows, not a failure; their lines name another plugin.
    in: /^(?:(?:watch_)?monitoring: )?Artifact (.+) not known/,
    say: (found) =>
      denied(
        `artifact ${found[1]} is not known to the server in this organisation: import it there, or remove the monitor that reads its queue`,
      ),
  },
  {
    in: /only supports monitoring event artifacts/,
    say: () =>
      denied(
        'a watched artifact is not of type SERVER_EVENT, CLIENT_EVENT or INTERNAL, so it has no event queue: watch another one',
      ),
  },
  { in: /^Plugin (\S+) not found/, say: (found) => missing('plugin', found[1] ?? '') },
  {
    // A column missing in one row gives the same line while the query goes on; only a name that the query calls is fatal.
    in: /^Symbol (\S+) not found/,
    say: (found, vql) => (calls(vql, found[1] ?? '') ? missing('function', found[1] ?? '') : null),
  },
  {
    in: /^(\S*): Unexpected arg (\S+)/,
    say: (found) =>
      denied(`the server's ${found[1]} takes no argument ${found[2]}: it is older or newer than this program expects`),
  },
  { in: /Timeout Error/, say: () => unavailable('the server did not finish the query in its time') },
]

const calls = (vql: string, name: string): boolean => /^\w+$/.test(name) && new RegExp(`\\b${name}\\s*\\(`).test(vql)

const short = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text).trim()

const noQueue = [/^(?:(?:watch_)?monitoring: )?Artifact (.+) not known/, /only supports monitoring event artifacts/]

/** Whether a line says that an artifact is not there, or has no event queue. */
export const isOfNoQueue = ({ text }: LogLine): boolean => noQueue.some((sign) => sign.test(text))

/**
 * Why a stream failed that ended with OK, judged by its log, or null if nothing there is fatal. `vql` is the query: with it a
 * function unknown to the server is told from a column that one row lacks.
 */
export const failureOf = (logLines: readonly LogLine[], vql = ''): ConnectorError | null => {
  for (const line of logLines)
    for (const sign of logSigns) {
      const found = sign.in.exec(line.text)
      const failure = found === null ? null : sign.say(found, vql)
      if (failure !== null) return failure
    }
  return null
}

const levelled = /^(DEFAULT|ERROR|WARN|INFO|DEBUG|ALERT):/

/** A log line of the wire: its level ('' when it bears none) and its text without the trailing newline. */
export const logLine = (log: string): LogLine => {
  const text = log.endsWith('\n') ? log.slice(0, -1) : log
  const level = levelled.exec(text)?.[1] ?? ''
  return { level, text: level === '' ? text : text.slice(level.length + 1) }
}
