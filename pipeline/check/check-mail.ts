import { randomUUID } from 'node:crypto'
import type { Mailbox, MailSink } from '../../connectors/mail/mail.ts'
import { openSmtp } from '../../connectors/mail/smtp.ts'
import { parseMailboxes } from '../../schemas/addresses.ts'
import { smtpChannelOf } from '../cli/open-world.ts'
import type { Configuration, MailChannel } from '../config/configuration.ts'
import { composeMail } from '../letters/compose.ts'
import type { Letter } from '../letters/letter.ts'
import type { Findings } from './finding.ts'

const sendMs = 60_000

type Tell = (isWell: boolean, text: string) => void

/** Connects and logs in to each mail server; with an address, sends it a letter. */
export const checkMail = async (
  { channels, velociraptor: { guiUrl } }: Configuration,
  sendTo: string | null,
  findings: Findings,
): Promise<void> => {
  const { mailboxes } = parseMailboxes(sendTo ?? '')
  const [first] = mailboxes
  const to = first !== undefined && mailboxes.length === 1 ? first : null
  if (sendTo !== null && to === null) findings.add('failure', 'mail', '--send-to is not one mail address')
  for (const channel of channels) {
    const sink = openSmtp(smtpChannelOf(channel))
    // Who has one mail server alone gave it no name.
    const about = channels.length === 1 ? 'mail' : `mail ${channel.name}`
    const tell: Tell = (isWell, text) => findings.add(isWell ? 'ok' : 'failure', about, text)
    try {
      if ((await probe(channel, sink, tell)) && to !== null)
        await sendSample(channel, sink, { to, letter: sampleFor(guiUrl) }, tell)
    } finally {
      await sink.close()
    }
  }
}

const probe = async ({ host, port, tls, login }: MailChannel, sink: MailSink, tell: Tell): Promise<boolean> => {
  const { kind, text } = await sink.probe()
  const how = `${tls === 'off' ? 'without TLS' : 'with TLS'}${login === null ? '' : ', logged in'}`
  const isWell = kind === 'accepted'
  tell(isWell, isWell ? `${host}:${port} answers ${how}` : text)
  return isWell
}

const sampleFor = (guiUrl: string): Letter => ({
  subject: 'raptor-relay: a letter to try the way',
  title: 'It works',
  ok: true,
  summary: 'This letter was sent by relay check. The notices of your monitors will come the same way.',
  note: [],
  sections: [],
  footer: ['Sent by relay check'],
  more: { kind: 'link', text: 'Velociraptor', url: guiUrl },
})

const sendSample = async (
  { from }: MailChannel,
  sink: MailSink,
  { to, letter }: { to: Mailbox; letter: Letter },
  tell: Tell,
): Promise<void> => {
  const domain = from.address.slice(from.address.lastIndexOf('@') + 1)
  const mail = composeMail(letter, {
    html: true,
    messageId: `<${randomUUID()}@${domain}>`,
    from,
    to,
    date: Date.now(),
    monitor: 'check',
    event: '',
  })
  const { kind, code, text } = await sink.send(mail, {
    deadline: performance.now() + sendMs,
    signal: AbortSignal.timeout(sendMs),
  })
  tell(
    kind === 'accepted',
    kind === 'accepted' ? 'a letter was taken: look into that mailbox' : `the letter was not taken: ${code} ${text}`,
  )
}
