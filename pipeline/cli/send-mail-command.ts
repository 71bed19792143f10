import { Command } from '@commander-js/extra-typings'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OutgoingMail } from '../../connectors/mail/mail.ts'
import { mimeOf } from '../../connectors/mail/mime.ts'
import { openSmtp } from '../../connectors/mail/smtp.ts'
import type { MailChannel } from '../config/configuration.ts'
import { singleLine } from '../letters/texts.ts'
import { composeOwnMail, sendOwnMail } from '../own-mail/own-mail.ts'
import { chooseChannel, type GivenMail, readOwnMail } from '../own-mail/read-own-mail.ts'
import { smtpChannelOf } from './open-world.ts'
import { numbered } from './preview-command.ts'
import { printProblems, readFiles } from './read-files.ts'

const more = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

export const sendMailCommand = () =>
  new Command('send-mail')
    .description(
      "Sends a message of your own through a mail channel, at once: past the log, the channel's limits and its retries.",
    )
    .option('-c, --config <file>', 'the configuration', 'relay.yaml')
    .option('--to <addresses>', 'who gets it, each alone; may be repeated', more)
    .option('--subject <text>', 'its subject')
    .option('--text <text>', 'its text')
    .option('--text-file <file>', 'a file with its text; -: standard input')
    .option('--html-file <file>', 'a file with its HTML; -: standard input. Without a text, one is made from it')
    .option('--attach <file>', 'attach a file; may be repeated', more)
    .option('--from <address>', "From; default: the channel's")
    .option('--channel <name>', 'the mail channel, where there are several')
    .option('--dry-run [folder]', 'write it as .eml into a folder instead of sending it')
    .option('--json', 'one JSON object for each recipient')
    .action(async ({ config, channel, dryRun, json, to = [], subject = '', attach = [], ...given }) => {
      const folder = dryRun === true ? '.' : (dryRun ?? null)
      process.exitCode = await sendMail(config, channel, folder, json === true, { to, subject, attach, ...given })
      process.exit()
    })

const sendMail = async (
  config: string,
  name: string | undefined,
  folder: string | null,
  asJson: boolean,
  given: GivenMail,
): Promise<number> => {
  const { configuration, problems } = readFiles(config)
  if (configuration === null) {
    printProblems(problems)
    return 2
  }
  const wrong: string[] = []
  const channel = chooseChannel(configuration.channels, name, wrong)
  const mail = channel === undefined ? null : readOwnMail(given, channel.from, wrong)
  for (const problem of wrong) console.error(problem)
  if (channel === undefined || mail === null) return 2
  const mails = composeOwnMail(mail, Date.now())
  return folder === null ? send(mails, channel, asJson) : writeAll(mails, folder)
}

const send = async (mails: readonly OutgoingMail[], channel: MailChannel, asJson: boolean): Promise<number> => {
  const sink = openSmtp(smtpChannelOf(channel))
  try {
    const replies = await sendOwnMail(mails, sink)
    for (const [index, mail] of mails.entries()) {
      const reply = replies[index] ?? { kind: 'released', code: 0, text: '' }
      const { kind, code } = reply
      const text = singleLine(reply.text)
      const line = asJson
        ? JSON.stringify({ recipient: index + 1, messageId: mail.messageId, kind, code, text })
        : `${mails.length === 1 ? '' : `recipient ${index + 1}: `}${kind}: ${code === 0 ? '' : `${code} `}${text}`
      if (kind === 'accepted' || asJson) console.log(line)
      else console.error(line)
    }
    return replies.every(({ kind }) => kind === 'accepted') ? 0 : 1
  } finally {
    await sink.close()
  }
}

const writeAll = (mails: readonly OutgoingMail[], folder: string): number => {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    for (const [index, mail] of mails.entries()) {
      const file = join(folder, `${numbered(index)}-mail.eml`)
      writeFileSync(file, mimeOf(mail), { mode: 0o600, flag: 'wx' })
      console.log(file)
    }
    return 0
  } catch (cause) {
    console.error(
      `cannot be written (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'}): name another folder`,
    )
    return 1
  }
}
