import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { acceptedReply, failureReply, presentable } from '../../../connectors/mail/smtp-reply.ts'

const server = { host: 'mail.example.org', port: 587, security: 'starttls' } as const

describe('a server text', () => {
  it('becomes one line without codes', () => {
    expect(acceptedReply('250-2.0.0 taken\n250 2.0.0 as 1234', [])).toEqual({
      kind: 'accepted',
      code: 250,
      text: '2.0.0 taken 2.0.0 as 1234',
    })
  })

  it.each([
    ['no <soc@example.org> here', 'no <…> here'],
    ['soc@example.org: unknown', '<…> unknown'],
    ['see help?user=soc%40example.org', 'see <…>'],
    ['mailbox "a b"@example.org full', 'mailbox <…> full'],
    ['user relay, word hunter2', 'user <…>, word <…>'],
    [`${Buffer.from('hunter2').toString('base64')} no`, '<…> no'],
    ['relays are fine', 'relays are fine'],
    ['a\r\n\u0007b\u202ec', 'a b c'],
  ])('shows %j as %j', (text, expected) => {
    expect(presentable(text, ['relay', 'hunter2'])).toBe(expected)
  })

  it('is short, one line and without addresses, whatever the server says', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('a@example.org', '<b@example.org>', '\r\n', 'x'.repeat(900)),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
        const text = presentable(parts.join(''), ['hunter2'])
        expect(text.length).toBeLessThanOrEqual(500)
        expect(text).not.toMatch(/[\p{Cc}\u2028\u202e]|[ab]@example/u)
      }),
    )
  })

  it('is read in no time when it is a megabyte without a space', () => {
    const start = performance.now()
    presentable('x'.repeat(1_000_000), ['hunter2'])
    expect(performance.now() - start).toBeLessThan(500)
  })

  it('hides what a server quotes of a login', () => {
    const login = Buffer.from('\0relay\0hunter2').toString('base64')
    const failure = {
      code: 'EAUTH',
      command: 'AUTH PLAIN',
      responseCode: 500,
      response: `500 what is AUTH PLAIN ${login}`,
    }
    const { kind, text } = failureReply(failure, { server, dotWritten: false, secrets: ['relay', 'hunter2'] })
    expect(kind).toBe('denied')
    expect(text).not.toContain(login.slice(0, 12))
  })
})

describe('a failure without a reply', () => {
  it.each([
    ['CERT_HAS_EXPIRED', 'denied', /expired/],
    ['CERT_NOT_YET_VALID', 'denied', /clocks/],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'denied', /TLS 1\.2/],
    ['EAI_AGAIN', 'unavailable', /looked up/],
    ['EHOSTUNREACH', 'unavailable', /network/],
    ['ECONNRESET', 'unavailable', /lost \(ECONNRESET\)/],
  ] as const)('%s is %s', (originalCode, kind, text) => {
    const reply = failureReply({ code: 'ESOCKET', originalCode }, { server, dotWritten: false, secrets: [] })
    expect(reply).toEqual({ kind, code: 0, text: expect.stringMatching(text) as string })
  })

  it('after the dot is never known', () => {
    const failure = { code: 'ESOCKET', originalCode: 'ECONNRESET' }
    expect(failureReply(failure, { server, dotWritten: true, secrets: [] }).kind).toBe('unknown')
  })
})
