import { afterEach, describe, expect, it } from 'vitest'
import { selfSigned } from '../../../connectors/mail/self-signed.ts'
import { openSmtp } from '../../../connectors/mail/smtp.ts'
import { smtpChannelOf } from '../../../pipeline/cli/open-world.ts'
import type { MailChannel } from '../../../pipeline/config/configuration.ts'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { type FaultySmtp, openFaultySmtp } from '../../connectors/mail/faulty-smtp.ts'
import { someMail, someTerms } from '../../contracts/mail-sink.contract.ts'
import { surroundingsOf } from '../config/surroundings-of.ts'

const identity = selfSigned(['127.0.0.1'])

/** The channel of a relay.yaml, and what was said of the file. */
const channelOf = (mail: string): { readonly channel: MailChannel; readonly said: readonly string[] } => {
  const text = `velociraptor: { api_config: a, gui_url: https://velociraptor.example.org/ }
mail: { ${mail}, from: relay@example.org }
monitors: [{ artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org] } }]
`
  const { configuration, problems } = readConfiguration(text, surroundingsOf({ '/etc/relay/own.pem': identity.cert }))
  const said = problems.map(printProblem)
  const [channel] = configuration?.channels ?? []
  if (channel === undefined) throw new Error(said.join('\n'))
  return { channel, said }
}

let server: FaultySmtp | undefined
afterEach(() => server?.close())

const send = async (channel: MailChannel) => {
  const sink = openSmtp(smtpChannelOf(channel))
  const { kind, text } = await sink.send(someMail(), someTerms())
  await sink.close()
  return { kind, text }
}

describe('a mail channel of relay.yaml', () => {
  it('trusts the authority that it names', async () => {
    server = await openFaultySmtp({ identity })
    const { channel, said } = channelOf(`url: "smtp://127.0.0.1:${server.port}", tls: required, ca_file: own.pem`)
    expect(await send(channel)).toMatchObject({ kind: 'accepted' })
    expect(said).toEqual([])
  })

  it('trusts no stranger without one, says which line is missing, and hands over nothing', async () => {
    server = await openFaultySmtp({ identity })
    const reply = await send(channelOf(`url: "smtp://127.0.0.1:${server.port}", tls: required`).channel)
    expect(reply).toMatchObject({ kind: 'denied' })
    expect(reply.text).toContain('ca_file:')
    expect(server.taken).toEqual([])
  })

  it('hands over nothing in the clear where TLS is required and not offered', async () => {
    server = await openFaultySmtp()
    const { channel } = channelOf(`url: "smtp://127.0.0.1:${server.port}", tls: required`)
    expect(await send(channel)).toMatchObject({ kind: 'denied' })
    expect(server.taken).toEqual([])
  })

  it('may be a relay on port 25 without login', async () => {
    const { channel, said } = channelOf('url: "smtp://mail.example.org:25", tls: off')
    expect(said).toEqual([])
    expect(channel).toMatchObject({ host: 'mail.example.org', port: 25, tls: 'off', login: null })
    const commands: string[] = []
    server = await openFaultySmtp({
      auth: true,
      script: ({ line }) => {
        commands.push(line.slice(0, 4))
        return undefined
      },
    })
    expect(await send({ ...channel, host: '127.0.0.1', port: server.port })).toMatchObject({ kind: 'accepted' })
    expect(commands).not.toContain('AUTH')
  })
})
