import { createPublicKey, createVerify, generateKeyPairSync } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { MailSink } from '../../../connectors/mail/mail.ts'
import { openTokens, type TokenEndpoint, type TokenGrant } from '../../../connectors/mail/oauth2.ts'
import { openSmtp } from '../../../connectors/mail/smtp.ts'
import { someMail, someTerms } from '../../contracts/mail-sink.contract.ts'
import { type FaultySmtp, openFaultySmtp } from './faulty-smtp.ts'

const SECRET = 'hunter2-secret'
const REFRESH = 'refresh-hunter2'
const refresh: TokenGrant = {
  kind: 'refresh token',
  clientId: 'app',
  clientSecret: () => SECRET,
  refreshToken: () => REFRESH,
}

type Answer = readonly [status: number, body: object | string]
interface FakeEndpoint {
  readonly url: string
  readonly asked: URLSearchParams[]
  answers: Answer[]
}
const servers: Server[] = []
const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  vi.restoreAllMocks()
})

/** Gives its answers one after the other, the last one for all that follow; without any it never answers. */
const fakeEndpoint = async (...answers: Answer[]): Promise<FakeEndpoint> => {
  const asked: URLSearchParams[] = []
  const endpoint: FakeEndpoint = { url: '', asked, answers }
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      asked.push(new URLSearchParams(body))
      const [status, said] = (endpoint.answers.length > 1 ? endpoint.answers.shift() : endpoint.answers[0]) ?? [0, '']
      if (status === 0) return
      response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' })
      response.end(typeof said === 'string' ? said : JSON.stringify(said))
    })
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(endpoint, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token` })
}
const token = (name: string, more: object = {}): Answer => [200, { access_token: name, expires_in: 3600, ...more }]
const tokensFrom = ({ url }: FakeEndpoint, given: Partial<TokenEndpoint> = {}) =>
  openTokens({ url, scope: 'https://mail.example.org/send', grant: refresh, ...given })

describe('access tokens', () => {
  it('are asked for once, whoever waits, and kept until shortly before their end', async () => {
    let now = 1000
    vi.spyOn(performance, 'now').mockImplementation(() => now)
    const endpoint = await fakeEndpoint(token('one'), token('two'))
    const tokens = tokensFrom(endpoint)
    expect(await Promise.all([tokens.token(), tokens.token(), tokens.token()])).toEqual([
      { token: 'one' },
      { token: 'one' },
      { token: 'one' },
    ])
    now += 3600_000 - 120_001
    expect(await tokens.token()).toEqual({ token: 'one' })
    now += 2
    expect(await tokens.token()).toEqual({ token: 'two' })
    expect(endpoint.asked.map((fields) => Object.fromEntries(fields))).toEqual(
      Array.from({ length: 2 }, () => ({
        grant_type: 'refresh_token',
        refresh_token: REFRESH,
        client_id: 'app',
        client_secret: SECRET,
        scope: 'https://mail.example.org/send',
      })),
    )
  })

  it('are asked for anew when the mail server refused the present one, and only then', async () => {
    const endpoint = await fakeEndpoint(token('one'), token('two'))
    const tokens = tokensFrom(endpoint)
    await tokens.token()
    expect(await tokens.token('older')).toEqual({ token: 'one' })
    expect(await tokens.token('one')).toEqual({ token: 'two' })
  })

  it('are asked for with the refresh token that replaced the first', async () => {
    const endpoint = await fakeEndpoint(token('one', { refresh_token: 'rotated' }), token('two'))
    const tokens = tokensFrom(endpoint)
    await tokens.token()
    await tokens.token('one')
    expect(endpoint.asked.map((fields) => fields.get('refresh_token'))).toEqual([REFRESH, 'rotated'])
  })

  it('come to an application for itself', async () => {
    const endpoint = await fakeEndpoint(token('one'))
    const grant: TokenGrant = { kind: 'client credentials', clientId: 'app', clientSecret: () => SECRET }
    expect(await tokensFrom(endpoint, { grant }).token()).toEqual({ token: 'one' })
    expect(Object.fromEntries(endpoint.asked[0] ?? [])).toEqual({
      grant_type: 'client_credentials',
      client_id: 'app',
      client_secret: SECRET,
      scope: 'https://mail.example.org/send',
    })
  })

  it('come to a service account for what it signs', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const private_key = privateKey.export({ type: 'pkcs8', format: 'pem' })
    const key = JSON.stringify({ client_email: 'relay@project.example.org', private_key })
    const endpoint = await fakeEndpoint(token('one'))
    const grant: TokenGrant = { kind: 'service account', key: () => key, user: 'soc@example.org' }
    expect(await tokensFrom(endpoint, { grant }).token()).toEqual({ token: 'one' })
    const [head = '', claims = '', signature = ''] = (endpoint.asked[0]?.get('assertion') ?? '').split('.')
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      iss: 'relay@project.example.org',
      sub: 'soc@example.org',
      aud: endpoint.url,
      scope: 'https://mail.example.org/send',
    })
    const verify = createVerify('RSA-SHA256').update(`${head}.${claims}`)
    expect(
      verify.verify(createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })), signature, 'base64url'),
    ).toBe(true)
  })

  it.each([
    [
      400,
      { error: 'invalid_grant', error_description: `AADSTS70008: ${REFRESH} has expired` },
      'denied',
      /refused .*consent anew.*AADSTS70008/,
    ],
    [401, { error: 'invalid_client' }, 'denied', /client_secret.*401 invalid_client/],
    [429, {}, 'unavailable', /not? .*now|now \(429\)/],
    [503, 'busy', 'unavailable', /now \(503\)/],
    [200, {}, 'unavailable', /without an access token/],
    [200, 'no JSON', 'unavailable', /without an access token/],
  ] as const)('an answer of %i %j is %s', async (status, body, kind, said) => {
    const answer = await tokensFrom(await fakeEndpoint([status, body])).token()
    if ('token' in answer) throw new Error('a token was given')
    expect(answer.failure).toMatchObject({ kind, text: expect.stringMatching(said) as string })
    expect(answer.failure.text).not.toMatch(/hunter2/)
  })

  it('are not to be had when the endpoint is away, or silent', async () => {
    const silent = await fakeEndpoint()
    expect(await tokensFrom(silent, { timeoutMs: 50 }).token()).toMatchObject({
      failure: { kind: 'unavailable', text: expect.stringContaining('no answer in time') as string },
    })
    expect(await tokensFrom({ ...silent, url: 'http://127.0.0.1:1/token' }).token()).toMatchObject({
      failure: { kind: 'unavailable', text: expect.stringContaining('cannot be reached') as string },
    })
  })

  it('are not asked for with a secret that cannot be read, and it is not said why', async () => {
    const endpoint = await fakeEndpoint(token('one'))
    const grant: TokenGrant = {
      ...refresh,
      refreshToken: () => {
        throw new Error(SECRET)
      },
    }
    const answer = await tokensFrom(endpoint, { grant }).token()
    expect(answer).toEqual({
      failure: {
        kind: 'denied',
        code: 0,
        text: 'the secret for the mail server cannot be read or used: check `oauth2:`',
      },
    })
    expect(endpoint.asked).toEqual([])
  })
})

describe('a login with an access token', () => {
  const connect = async (
    taken: readonly string[],
    ...answers: Answer[]
  ): Promise<{ server: FaultySmtp; sink: MailSink; endpoint: FakeEndpoint }> => {
    const endpoint = await fakeEndpoint(...answers)
    const server = await openFaultySmtp({ tokens: taken })
    const sink = openSmtp({
      server: { host: '127.0.0.1', port: server.port, security: 'off' },
      login: { user: 'relay@example.org', tokens: tokensFrom(endpoint) },
      connections: 1,
      messagesPerConnection: 1,
    })
    closers.push(
      () => sink.close(),
      () => server.close(),
    )
    return { server, sink, endpoint }
  }

  it('sends, and one token serves several connections', async () => {
    const { server, sink, endpoint } = await connect(['one'], token('one'))
    expect((await sink.send(someMail(), someTerms())).kind).toBe('accepted')
    expect((await sink.send(someMail(), someTerms())).kind).toBe('accepted')
    expect([server.taken.length, server.connectionsSoFar(), endpoint.asked.length]).toEqual([2, 2, 1])
  })

  it('asks for another token when the server refuses the first', async () => {
    const { sink, endpoint } = await connect(['two'], token('one'), token('two'))
    expect((await sink.send(someMail(), someTerms())).kind).toBe('accepted')
    expect(endpoint.asked).toHaveLength(2)
  })

  it('is refused when the server takes none, and says what to do without the token', async () => {
    const { server, sink } = await connect([], token('token-one-secret'), token('token-two-secret'))
    const reply = await sink.send(someMail(), someTerms())
    expect(reply).toMatchObject({
      kind: 'denied',
      code: 535,
      text: expect.stringContaining('may send mail over SMTP') as string,
    })
    expect(reply.text).not.toContain('token-')
    expect(server.taken).toEqual([])
  })

  it('waits while the endpoint is away, and is refused when it refuses', async () => {
    const { sink, endpoint } = await connect(['one'], [503, ''])
    expect((await sink.send(someMail(), someTerms())).kind).toBe('unavailable')
    endpoint.answers = [[400, { error: 'invalid_grant' }]]
    expect((await sink.send(someMail(), someTerms())).kind).toBe('denied')
    endpoint.answers = [token('one')]
    expect((await sink.send(someMail(), someTerms())).kind).toBe('accepted')
  })

  it('is not possible where the server offers none', async () => {
    const endpoint = await fakeEndpoint(token('one'))
    const server = await openFaultySmtp({ auth: false })
    const sink = openSmtp({
      server: { host: '127.0.0.1', port: server.port, security: 'off' },
      login: { user: 'relay@example.org', tokens: tokensFrom(endpoint) },
    })
    closers.push(
      () => sink.close(),
      () => server.close(),
    )
    expect(await sink.probe()).toMatchObject({ kind: 'denied', text: expect.stringContaining('no login') as string })
  })
})
