import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkMail } from '../../../pipeline/check/check-mail.ts'
import { type Finding, openFindings } from '../../../pipeline/check/finding.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { type FaultySmtp, openFaultySmtp } from '../../connectors/mail/faulty-smtp.ts'
import { surroundingsOf } from '../config/surroundings-of.ts'

describe('what is checked of mail', () => {
  let server: FaultySmtp
  beforeEach(async () => {
    server = await openFaultySmtp()
  })
  afterEach(() => server.close())

  const at = (port: number): string => `{ url: 'smtp://127.0.0.1:${port}', tls: off, from: relay@example.org }`
  const found = async (mail: string, sendTo: string | null = null): Promise<readonly Finding[]> => {
    const { configuration, problems } = readConfiguration(
      `velociraptor: { api_config: x.yaml, gui_url: 'https://velociraptor.example.org' }
mail: ${mail}
monitors:
  - { artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org]${mail.includes('channels') ? ', Secret: soc' : ''} } }
`,
      surroundingsOf(),
    )
    if (configuration === null) throw new Error(problems.map(({ message }) => message).join('\n'))
    const findings: Finding[] = []
    await checkMail(
      configuration,
      sendTo,
      openFindings((finding) => findings.push(finding)),
    )
    return findings
  }

  it('is that the mail server answers, and nothing is sent to anybody', async () => {
    expect(await found(at(server.port))).toEqual([
      { kind: 'ok', about: 'mail', text: `127.0.0.1:${server.port} answers without TLS` },
    ])
    expect(server.taken).toEqual([])
  })

  it('is that it takes a letter, where somebody is named who may get one', async () => {
    expect(
      (await found(at(server.port), 'you@example.org')).map(({ kind, about, text }) => [kind, about, text]),
    ).toEqual([
      ['ok', 'mail', `127.0.0.1:${server.port} answers without TLS`],
      ['ok', 'mail', 'a letter was taken: look into that mailbox'],
    ])
    expect(server.taken.map(({ to }) => to)).toEqual(['you@example.org'])
  })

  it('is each of several mail servers, by its name', async () => {
    const others = `{ channels: { soc: ${at(server.port)}, hunts: ${at(1)} } }`
    const findings = await found(others)
    expect(findings.map(({ kind, about }) => [kind, about])).toEqual([
      ['ok', 'mail soc'],
      ['failure', 'mail hunts'],
    ])
  })

  it('fails with what the server says of a letter that it does not take', async () => {
    server.play(({ at: moment }) => (moment === 'rcpt' ? '550 5.1.1 no such user' : undefined))
    const [, second] = await found(at(server.port), 'you@example.org')
    expect(second).toEqual({
      kind: 'failure',
      about: 'mail',
      text: expect.stringMatching(/^the letter was not taken: 550 .*no such user/) as string,
    })
  })

  it.each(['nobody', 'a@example.org, b@example.org'])('fails where it cannot be sent to: %s', async (sendTo) => {
    expect(await found(at(server.port), sendTo)).toContainEqual({
      kind: 'failure',
      about: 'mail',
      text: '--send-to is not one mail address',
    })
    expect(server.taken).toEqual([])
  })
})
