import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { MailSink } from '../../../connectors/mail/mail.ts'
import { selfSigned } from '../../../connectors/mail/self-signed.ts'
import { openSmtp } from '../../../connectors/mail/smtp.ts'
import type { SmtpChannel, SmtpSecurity } from '../../../connectors/mail/smtp-channel.ts'
import {
  SECRET,
  mailSinkContract,
  someMail,
  someTerms,
  type MailSituation,
} from '../../contracts/mail-sink.contract.ts'
import {
  CUT,
  STALL,
  openFaultySmtp,
  type Act,
  type FaultyOptions,
  type FaultySmtp,
  type Moment,
} from './faulty-smtp.ts'

const identity = selfSigned(['mail.example.org', '127.0.0.1'])
const strangers = selfSigned(['other.example.org'])

const login = { user: 'relay@example.org', password: () => SECRET }

const channelTo = (port: number, given: Partial<SmtpChannel> = {}, security: SmtpSecurity = 'off'): SmtpChannel => ({
  server: { host: '127.0.0.1', port, security },
  login: null,
  ...given,
})

const unusedPort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Answers with what makes a socket readable whose reader blocks the process until a moment. */
const blockingSocket = async (until: () => number): Promise<() => void> => {
  const server = createServer()
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const reader = connect((server.address() as AddressInfo).port, '127.0.0.1')
  reader.on('data', () => {
    while (performance.now() < until());
  })
  const [writer] = await accepted
  server.close()
  return () => void writer.end('!')
}

const replies: Partial<Record<MailSituation, readonly [Moment['at'], Act]>> = {
  'recipient refused': ['rcpt', '550-5.1.1 <soc@example.org>: no such\r\n550 5.1.1 mailbox at relay@example.org'],
  'recipient deferred': ['rcpt', '451 4.7.1 soc@example.org is greylisted'],
  'sender refused': ['mail', '553 5.7.1 <relay@example.org> is not yours'],
  'content refused': ['dot', '554 5.7.1 looks like spam to soc@example.org'],
  'content deferred': ['dot', '452 4.3.1 disk full'],
  'login wrong': [
    'auth',
    `535 5.7.8 ${SECRET} is wrong for relay@example.org (${Buffer.from(`\0relay@example.org\0${SECRET}`).toString('base64')})`,
  ],
  'login not now': ['auth', '454 4.7.0 try later'],
  'service away': ['mail', '421 4.3.2 shutting down'],
  'cut before the dot': ['data', CUT],
  'cut after the dot': ['dot', CUT],
}

const scriptOf = (situation: MailSituation) => {
  const [when, act] = replies[situation] ?? []
  return ({ at }: Moment): Act => (at === when ? act : undefined)
}

const messageIds = ({ taken }: FaultySmtp): string[] =>
  taken.map(({ raw }) => /^Message-ID: (.*)\r$/m.exec(raw)?.[1] ?? '')

for (const [security, pipelining] of [
  ['off', true],
  ['off', false],
  ['starttls', true],
  ['implicit', true],
] as const) {
  mailSinkContract(`SMTP (${security}${pipelining ? '' : ', one command at a time'})`, async (situation) => {
    const server = await openFaultySmtp({
      script: scriptOf(situation),
      auth: true,
      pipelining,
      ...(security === 'off' ? {} : { identity, implicit: security === 'implicit' }),
    })
    if (situation === 'nobody listening') await server.close()
    const sink = openSmtp(channelTo(server.port, { login, ca: identity.cert }, security))
    return {
      sink,
      taken: () => messageIds(server),
      heal: () => server.play(() => undefined),
      dispose: () => server.close(),
    }
  })
}

describe('SMTP', () => {
  const open: { sink: MailSink | null; server: FaultySmtp | null } = { sink: null, server: null }
  afterEach(async () => {
    await open.server?.close()
    await open.sink?.close()
    open.server = open.sink = null
  })
  const withServer = async (
    options: FaultyOptions = {},
    given: Partial<SmtpChannel> = {},
    security: SmtpSecurity = 'off',
  ): Promise<{ server: FaultySmtp; sink: MailSink }> => {
    const server = (open.server = await openFaultySmtp(options))
    const sink = (open.sink = openSmtp(channelTo(server.port, given, security)))
    return { server, sink }
  }
  const large = {
    attachments: [{ name: 'a.bin', contentType: 'application/octet-stream', content: Buffer.alloc(8_000_000, 7) }],
  }

  it('hands over the envelope and the message', async () => {
    const { server, sink } = await withServer()
    expect(await sink.send(someMail(), someTerms())).toEqual({
      kind: 'accepted',
      code: 250,
      text: '2.0.0 taken as 1234',
    })
    expect(server.taken[0]).toMatchObject({ from: 'relay@example.org', to: 'soc@example.org' })
    expect(server.taken[0]?.raw).toContain('Subject: Flow completed\r\n')
  })

  it('writes neither body nor dot to a server that asks for the body of a message whose recipient it refused', async () => {
    const heard: string[] = []
    const server = createServer((socket) => {
      socket.write('220 mail.example.org\r\n')
      socket.on('error', () => undefined)
      socket.on('data', (chunk) => {
        heard.push(...chunk.toString('latin1').split('\r\n').slice(0, -1))
        if (chunk.includes('EHLO')) socket.write('250-mail.example.org\r\n250 PIPELINING\r\n')
        else socket.write('250 2.1.0 ok\r\n550 5.1.1 no such user\r\n354 go on\r\n')
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const sink = (open.sink = openSmtp(channelTo((server.address() as AddressInfo).port)))
    const reply = await sink.send(someMail(), someTerms())
    expect(reply).toMatchObject({ kind: 'refused', code: 550 })
    await sink.close()
    server.close()
    await once(server, 'close')
    expect(heard.map((line) => line.slice(0, 4))).toEqual(['EHLO', 'MAIL', 'RCPT', 'DATA'])
  })

  it('gives up a connection on which the server speaks unasked, and sends over another', async () => {
    const { server, sink } = await withServer({
      script: ({ at, taken }) => (at === 'dot' && taken === 0 ? '250 2.0.0 taken\r\n250 2.0.0 and this' : undefined),
    })
    for (let n = 0; n < 2; n++) expect((await sink.send(someMail(), someTerms())).kind).toBe('accepted')
    expect([server.taken.length, server.connectionsSoFar()]).toEqual([2, 2])
  })

  it('hands over a large message byte by byte as composed', async () => {
    const { server, sink } = await withServer()
    await sink.send(someMail(large), someTerms())
    const base64 = Buffer.alloc(8_000_000, 7).toString('base64').replaceAll(/.{76}/g, '$&\r\n')
    expect(server.taken[0]?.raw.includes(base64)).toBe(true)
  })

  it('does not write the dot when the process was blocked past the deadline and the sockets come before the timers', async () => {
    // Set when the body is asked for: a busy machine must not use up the term before.
    let deadline = performance.now() + 60_000
    const pull = await blockingSocket(() => deadline + 20)
    // Readable in this order: what blocks, then the reply that asks for the body. No timer runs between the two.
    const { server, sink } = await withServer({
      pipelining: false,
      script: ({ at }) => {
        if (at !== 'data') return undefined
        deadline = performance.now() + 30
        pull()
        return undefined
      },
    })
    const reply = await sink.send(someMail(), {
      ...someTerms(),
      get deadline() {
        return deadline
      },
    })
    expect(performance.now()).toBeGreaterThan(deadline + 20)
    expect(reply).toMatchObject({ kind: 'released', code: 0 })
    await vi.waitFor(() => expect(server.openNow()).toBe(0))
    expect(server.ended()).toBe(0)
  })

  it('does not write the dot when the process was blocked past the deadline while the body was in flight', async () => {
    let deadline = performance.now() + 60_000
    let blocked = false
    const { server, sink } = await withServer({
      script: ({ at }) => {
        if (at !== 'body' || blocked) return undefined
        blocked = true
        deadline = performance.now() + 30
        while (performance.now() < deadline + 20);
        return undefined
      },
    })
    const reply = await sink.send(someMail(large), {
      ...someTerms(),
      get deadline() {
        return deadline
      },
    })
    expect(blocked).toBe(true)
    expect(reply).toMatchObject({ kind: 'released', code: 0 })
    await vi.waitFor(() => expect(server.openNow()).toBe(0))
    expect(server.ended()).toBe(0)
  })

  it('releases a mail when its deadline passes while the server says nothing', async () => {
    const { server, sink } = await withServer({ script: ({ at }) => (at === 'data' ? STALL : undefined) })
    const stalled = server.next('data')
    const sent = sink.send(someMail(), someTerms({ deadline: performance.now() + 700 }))
    // A busy machine may need a while to connect.
    await stalled
    expect(await sent).toMatchObject({ kind: 'released' })
    await vi.waitFor(() => expect(server.openNow()).toBe(0))
  })

  it('goes on when its deadline has moved on meanwhile', async () => {
    const { server, sink } = await withServer({
      script: ({ at }) => (at === 'data' ? { drip: `354 ${'go on '.repeat(8)}` } : undefined),
    })
    const begin = performance.now()
    const terms = {
      ...someTerms(),
      get deadline() {
        return begin + (performance.now() < begin + 50 ? 100 : 60_000)
      },
    }
    expect(await sink.send(someMail(), terms)).toMatchObject({ kind: 'accepted' })
    expect(performance.now()).toBeGreaterThan(begin + 100)
    expect(server.ended()).toBe(1)
  })

  it('drops a message that is called off before its end, so that the server has nothing', async () => {
    const { server, sink } = await withServer({ script: ({ at }) => (at === 'data' ? STALL : undefined) })
    const controller = new AbortController()
    const stalled = server.next('data')
    const reply = sink.send(someMail(), someTerms({ signal: controller.signal }))
    await stalled
    controller.abort()
    expect(await reply).toMatchObject({ kind: 'released' })
    await vi.waitFor(() => expect(server.openNow()).toBe(0))
    expect(server.ended()).toBe(0)
  })

  it('cuts nothing after the dot: the reply is awaited beyond the deadline and the call to stop', async () => {
    const { server, sink } = await withServer({
      script: ({ at }) => (at === 'dot' ? { drip: '250 2.0.0 taken, with time' } : undefined),
    })
    const controller = new AbortController()
    const end = server.next('dot')
    const deadline = performance.now() + 100
    const reply = sink.send(someMail(), someTerms({ signal: controller.signal, deadline }))
    await end
    controller.abort()
    expect(await reply).toMatchObject({ kind: 'accepted', text: '2.0.0 taken, with time' })
    expect(performance.now()).toBeGreaterThan(deadline)
  })

  it('does not know what came of a message whose reply never comes', async () => {
    const { sink } = await withServer(
      { script: ({ at }) => (at === 'dot' ? STALL : undefined) },
      { timeouts: { finalReply: 50 } },
    )
    expect(await sink.send(someMail(), someTerms())).toMatchObject({ kind: 'unknown', code: 0 })
  })

  it('does not know what came of a message when half a reply comes before the end', async () => {
    const { server, sink } = await withServer({ script: ({ at }) => (at === 'dot' ? '250-2.0.0 tak' : undefined) })
    const end = server.next('dot')
    const reply = sink.send(someMail(), someTerms())
    await end
    await server.close()
    expect(await reply).toMatchObject({ kind: 'unknown', code: 0 })
  })

  it('is away after silence before the dot', async () => {
    const { sink } = await withServer(
      { script: ({ at }) => (at === 'rcpt' ? STALL : undefined) },
      { timeouts: { silence: 50 } },
    )
    expect(await sink.send(someMail(), someTerms())).toMatchObject({
      kind: 'unavailable',
      text: expect.stringContaining('silent') as string,
    })
  })

  it('does not take a reply before the end of the message for an acceptance', async () => {
    const { server, sink } = await withServer({
      script: ({ at }) => (at === 'data' ? '354 go on\r\n250 2.0.0 taken' : undefined),
    })
    expect((await sink.send(someMail(large), someTerms())).kind).toBe('unavailable')
    expect(server.taken).toHaveLength(0)
  })

  it('is away when the server says what is no reply in the middle of the message', async () => {
    const { sink } = await withServer({ script: ({ at }) => (at === 'body' ? '<html>' : undefined) })
    expect(await sink.send(someMail(large), someTerms())).toMatchObject({ kind: 'unavailable', code: 0 })
  })

  it.each(['greeting', 'auth'] as const)('is away when the server says what is no reply at %s', async (when) => {
    const script = ({ at }: Moment): Act => (at === when ? '<html>Bad gateway</html>' : undefined)
    const { sink } = await withServer({ script, auth: true }, { login })
    expect(await sink.send(someMail(), someTerms())).toMatchObject({
      kind: 'unavailable',
      text: expect.stringContaining('answered what is no reply of a mail server: <html>Bad gateway</html>') as string,
    })
  })

  it('sends over a new connection when a used one says what is no reply', async () => {
    const { server, sink } = await withServer({
      script: ({ at, connection, taken }) => (at === 'rcpt' && connection === 1 && taken === 1 ? 'oops' : undefined),
    })
    await sink.send(someMail(), someTerms())
    expect(await sink.send(someMail(), someTerms())).toMatchObject({ kind: 'accepted' })
    expect([server.taken.length, server.connectionsSoFar()]).toEqual([2, 2])
  })

  it('believes a refusal in the middle of the message and drops the connection', async () => {
    let refused = false
    const { server, sink } = await withServer({
      script: ({ at }) => {
        if (at !== 'body' || refused) return undefined
        refused = true
        return '552 5.3.4 too large'
      },
    })
    expect(await sink.send(someMail(large), someTerms())).toMatchObject({
      kind: 'refused',
      code: 552,
      isTooLarge: true,
    })
    expect(await sink.send(someMail(), someTerms())).toMatchObject({ kind: 'accepted' })
    expect(server.connectionsSoFar()).toBe(2)
  })

  it('refuses what is larger than the server says it takes, without sending it', async () => {
    const { server, sink } = await withServer({ size: 1000 })
    expect(await sink.send(someMail({ text: 'x'.repeat(2000) }), someTerms())).toMatchObject({
      kind: 'refused',
      isTooLarge: true,
    })
    expect(await sink.send(someMail(), someTerms())).toMatchObject({ kind: 'accepted' })
    expect(server.connectionsSoFar()).toBe(1)
  })

  it.each(['550 5.1.1 unknown', '451 4.2.0 later'])(
    'reuses the connection after %s for a recipient',
    async (answer) => {
      const { server, sink } = await withServer({ script: ({ at }) => (at === 'rcpt' ? answer : undefined) })
      await sink.send(someMail(), someTerms())
      server.play(() => undefined)
      expect(await sink.send(someMail(), someTerms())).toMatchObject({ kind: 'accepted' })
      expect(server.connectionsSoFar()).toBe(1)
    },
  )

  it('uses no more connections than it may, and reuses them', async () => {
    const { server, sink } = await withServer({}, { connections: 3 })
    await Promise.all(Array.from({ length: 30 }, () => sink.send(someMail(), someTerms())))
    expect(server.taken).toHaveLength(30)
    expect(server.mostOpen()).toBe(3)
    expect(server.connectionsSoFar()).toBe(3)
  })

  it('recycles a connection after so many messages', async () => {
    const { server, sink } = await withServer({}, { connections: 1, messagesPerConnection: 4 })
    await Promise.all(Array.from({ length: 10 }, () => sink.send(someMail(), someTerms())))
    expect(server.connectionsSoFar()).toBe(3)
    expect(server.mostOpen()).toBe(1)
  })

  it('closes a connection that is idle for long', async () => {
    const { server, sink } = await withServer({}, { timeouts: { idle: 20 } })
    await sink.send(someMail(), someTerms())
    expect(server.openNow()).toBe(1)
    await vi.waitFor(() => expect(server.openNow()).toBe(0))
  })

  it('sends over a new connection when the old one has died meanwhile', async () => {
    const { server, sink } = await withServer({
      script: ({ at, taken }) => (at === 'mail' && taken === 1 ? CUT : undefined),
    })
    for (let n = 0; n < 3; n++) expect((await sink.send(someMail(), someTerms())).kind).toBe('accepted')
    expect(server.taken).toHaveLength(3)
    expect(server.connectionsSoFar()).toBe(3)
  })

  it('sends over a new connection when the server wants no more messages on the old one', async () => {
    const { server, sink } = await withServer({
      script: ({ at, taken }) => (at === 'mail' && taken === 1 ? '421 4.4.2 enough messages' : undefined),
    })
    for (let n = 0; n < 3; n++) expect((await sink.send(someMail(), someTerms())).kind).toBe('accepted')
    expect(server.taken).toHaveLength(3)
  })

  it.each(['greeting', 'mail'] as const)(
    'uses fewer connections when the server says at the %s that they are too many',
    async (when) => {
      const { server, sink } = await withServer(
        {
          script: ({ at, connection }) =>
            at === when && connection > 1 ? '421 4.7.0 too many connections' : undefined,
        },
        { connections: 4 },
      )
      await sink.send(someMail(), someTerms())
      const sent = await Promise.all(Array.from({ length: 20 }, () => sink.send(someMail(), someTerms())))
      expect(sent.every(({ kind }) => kind === 'accepted')).toBe(true)
      const refused = server.connectionsSoFar()
      await Promise.all(Array.from({ length: 20 }, () => sink.send(someMail(), someTerms())))
      expect(server.connectionsSoFar()).toBe(refused)
    },
  )

  it('asks for more connections again after a while', async () => {
    const { server, sink } = await withServer(
      {
        script: ({ at, connection }) =>
          at === 'greeting' && connection === 2 ? '421 4.7.0 too many connections' : undefined,
      },
      { connections: 2, timeouts: { crowded: 0 } },
    )
    await sink.send(someMail(), someTerms())
    await Promise.all(Array.from({ length: 20 }, () => sink.send(someMail(), someTerms())))
    await Promise.all(Array.from({ length: 20 }, () => sink.send(someMail(), someTerms())))
    expect(server.openNow()).toBe(2)
    expect(server.taken).toHaveLength(41)
  })

  it('uses all its connections after an outage: a server that was away said nothing of how many it bears', async () => {
    let isAway = true
    const { server, sink } = await withServer(
      { script: ({ at }) => (isAway && at === 'greeting' ? CUT : undefined) },
      { connections: 4 },
    )
    const lost = await Promise.all(Array.from({ length: 8 }, () => sink.send(someMail(), someTerms())))
    expect(lost.some(({ kind }) => kind === 'accepted')).toBe(false)
    isAway = false
    await Promise.all(Array.from({ length: 20 }, () => sink.send(someMail(), someTerms())))
    expect(server.openNow()).toBe(4)
  })

  it('releases what waits for a connection when its time is over, or it is called off', async () => {
    const { server, sink } = await withServer(
      { script: ({ at }) => (at === 'dot' ? STALL : undefined) },
      { connections: 1 },
    )
    const end = server.next('dot')
    const first = sink.send(someMail(), someTerms())
    await end
    const controller = new AbortController()
    const late = sink.send(someMail(), someTerms({ deadline: performance.now() + 20 }))
    const calledOff = sink.send(someMail(), someTerms({ signal: controller.signal }))
    controller.abort()
    expect((await late).kind).toBe('released')
    expect((await calledOff).kind).toBe('released')
    await server.close()
    expect((await first).kind).toBe('unknown')
  })

  it('does not release what waits for a connection while its deadline moves on', async () => {
    const { server, sink } = await withServer(
      { script: ({ at }) => (at === 'dot' ? STALL : undefined) },
      { connections: 1 },
    )
    const end = server.next('dot')
    void sink.send(someMail(), someTerms())
    await end
    let reads = 0
    const begun = performance.now()
    const terms = {
      ...someTerms(),
      get deadline() {
        return begun + 20 * Math.min(++reads, 20)
      },
    }
    expect((await sink.send(someMail(), terms)).kind).toBe('released')
    expect(performance.now()).toBeGreaterThanOrEqual(begun + 400)
  })

  it('releases what waits when it is closed, and waits for what runs', async () => {
    const { server, sink } = await withServer(
      { script: ({ at }) => (at === 'dot' ? { drip: '250 2.0.0 ok' } : undefined) },
      { connections: 1 },
    )
    const end = server.next('dot')
    const runs = sink.send(someMail(), someTerms())
    const waits = sink.send(someMail(), someTerms())
    await end
    await sink.close()
    expect((await runs).kind).toBe('accepted')
    expect((await waits).kind).toBe('released')
    await vi.waitFor(() => expect(server.openNow()).toBe(0))
  })

  it.each([
    ['530 5.7.0 authentication required', 'mail', 'denied'],
    ['554 5.7.1 your host is blocked', 'greeting', 'denied'],
    ['421 4.7.0 not now', 'greeting', 'unavailable'],
    ['450 4.7.0 not now', 'greeting', 'unavailable'],
    ['503 5.5.1 out of order', 'rcpt', 'deferred'],
    ['<html>Bad gateway</html>', 'mail', 'unavailable'],
    ['<html>Bad gateway</html>', 'rcpt', 'unavailable'],
    ['<html>Bad gateway</html>', 'data', 'unavailable'],
  ] as const)('judges %s at %s as %s', async (answer, when, kind) => {
    const { sink } = await withServer({ script: ({ at }) => (at === when ? answer : undefined) })
    expect((await sink.send(someMail(), someTerms())).kind).toBe(kind)
  })

  it('says that the server offers no login, and asks for the password only when it connects', async () => {
    const password = vi.fn(() => SECRET)
    const { sink } = await withServer({ auth: false }, { login: { user: 'relay', password } })
    expect(password).not.toHaveBeenCalled()
    const reply = await sink.send(someMail(), someTerms())
    expect(reply).toMatchObject({ kind: 'denied', text: expect.stringMatching(/no login.*`tls: required`/) as string })
  })

  it('says that the password cannot be read, and not why', async () => {
    const password = (): string => {
      throw new Error(SECRET)
    }
    const { sink } = await withServer({ auth: true }, { login: { user: 'relay', password } })
    const reply = await sink.send(someMail(), someTerms())
    expect(reply).toMatchObject({ kind: 'denied', text: expect.stringContaining('`password:`') as string })
    expect(reply.text).not.toContain(SECRET)
  })
})

describe('the SMTP probe', () => {
  const open: FaultySmtp[] = []
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close()
  })
  const probe = async (
    options: FaultyOptions,
    given: Partial<SmtpChannel>,
    security: SmtpSecurity,
  ): Promise<{ kind: string; text: string }> => {
    const server = await openFaultySmtp(options)
    open.push(server)
    const sink = openSmtp(channelTo(server.port, given, security))
    const { kind, text } = await sink.probe()
    await sink.close()
    expect(server.taken).toEqual([])
    return { kind, text }
  }

  it.each([
    ['plain', {}, {}, 'off', 'accepted', /in the clear/],
    [
      'STARTTLS with login',
      { identity, auth: true },
      { ca: identity.cert, login },
      'starttls',
      'accepted',
      /over TLS, takes the login/,
    ],
    ['TLS', { identity, implicit: true }, { ca: identity.cert }, 'implicit', 'accepted', /over TLS/],
    [
      'TLS by another name',
      { identity, implicit: true },
      { ca: identity.cert, serverName: 'mail.example.org' },
      'implicit',
      'accepted',
      /over TLS/,
    ],
    ['no STARTTLS offered', {}, {}, 'starttls', 'denied', /no STARTTLS.*`tls: off`/],
    ['TLS on a plain port', {}, {}, 'implicit', 'denied', /does not speak TLS.*smtp:/],
    [
      'plain on a TLS port',
      { identity, implicit: true },
      { timeouts: { greeting: 50, connect: 50 } },
      'off',
      'unavailable',
      /did not greet.*smtps:/,
    ],
    ['self-signed', { identity }, {}, 'starttls', 'denied', /nobody who is trusted.*`ca_file:`/],
    [
      'self-signed, TLS at once',
      { identity, implicit: true },
      {},
      'implicit',
      'denied',
      /nobody who is trusted.*`ca_file:`/,
    ],
    [
      'another name',
      { identity: strangers },
      { ca: strangers.cert },
      'starttls',
      'denied',
      /another name.*`server_name:`/,
    ],
    [
      'login refused',
      { auth: true, script: ({ at }: Moment): Act => (at === 'auth' ? '535 5.7.8 no' : undefined) },
      { login },
      'off',
      'denied',
      /refused the login.*password/,
    ],
    [
      'TLS not now',
      { identity, script: ({ at }: Moment): Act => (at === 'starttls' ? '454 4.7.0 later' : undefined) },
      {},
      'starttls',
      'unavailable',
      /TLS now/,
    ],
    [
      'TLS cut',
      { identity, script: ({ at }: Moment): Act => (at === 'starttls' ? CUT : undefined) },
      {},
      'starttls',
      'unavailable',
      /lost/,
    ],
    [
      'no greeting',
      { script: ({ at }: Moment): Act => (at === 'greeting' ? STALL : undefined) },
      { timeouts: { greeting: 30 } },
      'off',
      'unavailable',
      /did not greet/,
    ],
    [
      'cut at the greeting',
      { script: ({ at }: Moment): Act => (at === 'greeting' ? CUT : undefined) },
      {},
      'off',
      'unavailable',
      /lost/,
    ],
  ] as const)('says what to do: %s', async (_, options, given, security, kind, text) => {
    expect(await probe(options, given, security)).toEqual({ kind, text: expect.stringMatching(text) as string })
  })

  it('says that nothing listens', async () => {
    const reply = await openSmtp(channelTo(await unusedPort())).probe()
    expect(reply).toMatchObject({ kind: 'unavailable', text: expect.stringContaining('nothing listens') as string })
  })

  it('says that a name is not known', async () => {
    const server = { host: 'mail.invalid', port: 25, security: 'off' } as const
    const reply = await openSmtp({ server, login: null, timeouts: { connect: 2000 } }).probe()
    expect(reply).toMatchObject({
      kind: 'unavailable',
      text: expect.stringMatching(/mail\.invalid.*name service/) as string,
    })
  })
})
