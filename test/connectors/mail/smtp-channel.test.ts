import { describe, expect, it } from 'vitest'
import { parseSmtpUrl } from '../../../connectors/mail/smtp-channel.ts'

describe('a mail server URL', () => {
  it.each([
    ['smtps://relay@mail.example.org', 'required', 465, 'implicit', 'relay'],
    ['smtp://mail.example.org', 'required', 587, 'starttls', null],
    ['smtp://mail.example.org:25', 'required', 25, 'starttls', null],
    ['smtp://mail.example.org:25/', 'off', 25, 'off', null],
    ['smtp://relay%40example.org@mail.example.org:465', 'required', 465, 'implicit', 'relay@example.org'],
    ['smtps://mail.example.org:2465', 'required', 2465, 'implicit', null],
  ] as const)('reads %s (tls: %s)', (text, tls, port, security, user) => {
    expect(parseSmtpUrl(text, tls)).toEqual({
      server: { host: 'mail.example.org', port, security },
      user,
      problems: [],
    })
  })

  it('reads an address of the sixth version', () => {
    expect(parseSmtpUrl('smtp://[::1]:2525', 'off')).toMatchObject({ server: { host: '::1', port: 2525 } })
  })

  it.each([
    ['mail.example.org', 'required', /smtps:\/\/user@host/],
    ['https://mail.example.org', 'required', /smtps:\/\/user@host/],
    ['smtp://', 'required', /smtps:\/\/user@host/],
    ['smtps://relay:hunter2@mail.example.org', 'required', /password/],
    ['smtps://mail.example.org', 'off', /contradicts/],
    ['smtp://mail.example.org/inbox?x=1', 'required', /after the host/],
    ['smtp://%zz@mail.example.org', 'required', /percent/],
  ] as const)('says what is wrong with %s (tls: %s), quoting nothing', (text, tls, problem) => {
    const { problems } = parseSmtpUrl(text, tls)
    expect(problems).toEqual([expect.stringMatching(problem)])
    expect(problems.join()).not.toMatch(/hunter2|example\.org/)
  })

  it('says all problems at once', () => {
    expect(parseSmtpUrl('smtps://a:b@mail.example.org/x', 'off').problems).toHaveLength(3)
  })
})
