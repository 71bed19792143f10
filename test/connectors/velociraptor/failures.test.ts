import { describe, expect, it } from 'vitest'
import { failureOf, failureOfStatus, logLine, type LogLine } from '../../../connectors/velociraptor/failures.ts'
import { transcripts, type Transcript } from './recordings.ts'

const place = { address: '192.0.2.1:8001', org: 'O1', principal: 'connector', serverName: 'VelociraptorServer' }
const line = (text: string): LogLine => logLine(text)

const transcript = (name: string): Transcript => {
  const found = transcripts().find((one) => one.case === name)
  if (found === undefined) throw new Error(name)
  return found
}

describe('the bad end of a call', () => {
  it.each([
    [
      14,
      "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames",
      'VELOCIRAPTOR_DENIED',
      /server_name/,
    ],
    [14, 'Last error: Error: self-signed certificate in certificate chain', 'VELOCIRAPTOR_DENIED', /ca_certificate/],
    [14, 'Last error: Error: certificate has expired', 'VELOCIRAPTOR_DENIED', /renew/],
    [
      14,
      'No connection established. Last error: error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:SSL alert number 48',
      'VELOCIRAPTOR_DENIED',
      /does not take our certificate/,
    ],
    [
      14,
      'No connection established. Last error: error:0A000415:SSL routines:ssl3_read_bytes:ssl/tls alert certificate expired:SSL alert number 45',
      'VELOCIRAPTOR_DENIED',
      /our certificate has run out/,
    ],
    [14, 'No connection established. Last error: Failed to connect', 'VELOCIRAPTOR_UNAVAILABLE', /closes connections/],
    [
      14,
      'SSL alert number 116: tlsv13 alert certificate required',
      'VELOCIRAPTOR_DENIED',
      /does not take our certificate/,
    ],
    [14, 'tls_validate_record_header:wrong version number', 'VELOCIRAPTOR_DENIED', /API.bind_port/],
    [14, 'connect ECONNREFUSED 192.0.2.1:8001', 'VELOCIRAPTOR_UNAVAILABLE', /nothing listens at 192\.0\.2\.1:8001/],
    [14, 'Name resolution failed for target dns:nowhere', 'VELOCIRAPTOR_UNAVAILABLE', /name/],
    [14, 'Org not found', 'VELOCIRAPTOR_DENIED', /O1/],
    [14, 'Connection dropped', 'VELOCIRAPTOR_UNAVAILABLE', /broke off/],
    [8, 'Received message larger than max (5000000 vs 4194304)', 'VELOCIRAPTOR_UNAVAILABLE', /too large/],
    [4, 'Deadline exceeded after 45s', 'VELOCIRAPTOR_UNAVAILABLE', /in time/],
    [2, 'Received HTTP status code 307', 'VELOCIRAPTOR_DENIED', /api_connection_string/],
    [13, 'RST_STREAM', 'VELOCIRAPTOR_UNAVAILABLE', /INTERNAL/],
  ])('status %i %s is %s', (code, details, prognosis, says) => {
    const failure = failureOfStatus({ code, details }, place)
    expect(failure.code).toBe(prognosis)
    expect(failure.message).toMatch(says)
    expect(failure.message).toContain(place.address)
  })

  it.each([
    ['no user record', /before the server starts, or restart/],
    ['role without ANY_QUERY', /ANY_QUERY.*acl grant connector --role api.*300 s/],
    ['unknown organisation', /no organisation O1/],
    ['empty query list', /empty/],
  ])('recorded: %s', (name, says) => {
    const { code = 0, details = '' } = transcript(name)
    const failure = failureOfStatus({ code, details }, place)
    expect(failure.code).toBe('VELOCIRAPTOR_DENIED')
    expect(failure.message).toMatch(says)
  })
})

describe('a stream that ended well and failed', () => {
  it.each([
    ['watch_monitoring on an unknown artifact', /No\.Such is not known/],
    ['watch_monitoring on a non-event artifact', /not of type/],
    ['unknown plugin', /no plugin nosuch/],
    ['unknown function', /no function nosuch/],
    ['syntax error', /does not understand/],
    ['unexpected argument', /flows takes no argument nope/],
    ['missing permission inside VQL', /MACHINE_STATE/],
    ['missing permission inside VQL (function)', /PUBLISH/],
    ['one bad member of an asynchronous chain', /No\.Such/],
    ['history of an unknown artifact', /No\.Such/],
  ])('recorded: %s', (name, says) => {
    const { messages = [], request } = transcript(name)
    const failure = failureOf(
      messages.flatMap(({ log }) => (log === undefined ? [] : [line(log)])),
      String(request.vql),
    )
    expect(failure?.code).toBe('VELOCIRAPTOR_DENIED')
    expect(failure?.message).toMatch(says)
  })

  it('is out of time, and may be asked again', () => {
    const { messages = [] } = transcript('timeout of an event query')
    expect(failureOf(messages.flatMap(({ log }) => (log === undefined ? [] : [line(log)])))?.code).toBe(
      'VELOCIRAPTOR_UNAVAILABLE',
    )
  })

  it('names the permission to read results and the role that has it', () => {
    const failure = failureOf([line('watch_monitoring: PermissionDenied: Permission denied: [READ_RESULTS]\n')])
    expect(failure?.message).toMatch(/READ_RESULTS.*role api/)
  })

  it.each([
    'ERROR:Symbol Column not found. Current Scope is [NULL]\n',
    'artifact_definitions: artifact No.Such not known\n',
    'source: Artifact Gone not known\n',
    'client_info: Client ID C.0 not known in this org: NotFoundError\n',
    'Time 0: Q: Sending response part 0 2 B (0 rows).\n',
    'DEBUG:Creating 3 workers for foreach plugin\n',
  ])('is not failed by %j', (text) => {
    expect(failureOf([line(text)], 'SELECT Column FROM flows()')).toBeNull()
  })
})

describe('a log line', () => {
  it('loses its level and its newline', () => {
    expect(logLine('ERROR:m: 1\n')).toEqual({ level: 'ERROR', text: 'm: 1' })
    expect(logLine('flows: Unexpected arg\n')).toEqual({ level: '', text: 'flows: Unexpected arg' })
    expect(logLine('DEFAULT:m\n\n')).toEqual({ level: 'DEFAULT', text: 'm\n' })
  })
})
