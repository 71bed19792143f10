import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { simpleParser } from 'mailparser'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CaughtMail, type MailCatcher, openCatcher } from '../../../connectors/mail/catcher.ts'
import { runRelay } from './run-relay.ts'

describe('relay send-mail', { timeout: 120_000 }, () => {
  let dir: string
  let catcher: MailCatcher
  let config: string
  let isAway = false
  const caught: CaughtMail[] = []
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'relay-send-mail-'))
    isAway = false
    caught.length = 0
    catcher = await openCatcher({
      onMail(mail) {
        if (isAway) throw new Error('not now')
        caught.push(mail)
      },
    })
    config = join(dir, 'relay.yaml')
    const channel = `{ url: "smtp://127.0.0.1:${catcher.port}", from: relay@example.org }`
    writeFileSync(
      config,
      `velociraptor: { api_config: ./none.yaml, gui_url: "https://velociraptor.example.org/app/index.html" }
mail: { channels: { soc: ${channel}, it: ${channel} } }
monitors: [{ artifact: Server.Monitor.Alerts, parameters: { ServerSecret: soc, Recipients: [soc@example.org] } }]
`,
      { mode: 0o600 },
    )
  })
  afterEach(async () => {
    await catcher.close()
    rmSync(dir, { recursive: true })
  })
  const file = (name: string, content: string): string => {
    writeFileSync(join(dir, name), content)
    return join(dir, name)
  }
  const send = (...words: readonly string[]) => runRelay('send-mail', '-c', config, '--channel', 'soc', ...words)

  it('sends each recipient the message alone, with HTML and attachments, and prints what the server said', async () => {
    const sent = await send(
      ...['--to', 'SOC <soc@example.org>, lead@example.org', '--to', 'SOC@example.org'],
      ...['--subject', 'Report\r\nBcc: other@example.org', '--html-file', file('a.html', '<p>Hello <b>you</b></p>')],
      ...['--attach', file('hosts, new.csv', 'host\nhost1\n')],
    )
    expect(sent).toMatchObject({ code: 0, err: '' })
    expect(sent.out).toMatch(/^recipient 1: accepted: 250 [^\n]*\nrecipient 2: accepted: 250 [^\n]*\n$/)
    expect(sent.out).not.toContain('@')
    expect(caught.flatMap(({ to }) => to).toSorted()).toEqual(['lead@example.org', 'soc@example.org'])
    const mail = await simpleParser(caught[0]?.raw ?? '')
    expect(mail).toMatchObject({ subject: 'Report Bcc: other@example.org', html: '<p>Hello <b>you</b></p>' })
    expect(mail.headers.has('bcc')).toBe(false)
    expect(mail.text?.trim()).toBe('Hello you')
    expect(
      mail.attachments.map(({ filename, contentType, content }) => [filename, contentType, String(content)]),
    ).toEqual([['hosts, new.csv', 'text/csv', 'host\nhost1\n']])
  })

  it('ends with 1 and the answer when the server does not take it', async () => {
    isAway = true
    const sent = await send('--to', 'soc@example.org', '--text', 'Hello')
    expect(sent).toMatchObject({ code: 1, out: '' })
    expect(sent.err).toMatch(/^deferred: 451 /)
  })

  it('writes files in a dry run, and sends nothing', async () => {
    const folder = join(dir, 'letters')
    const words = ['--to', 'soc@example.org', '--text', 'Hello', '--dry-run', folder] as const
    expect(await send(...words)).toMatchObject({ code: 0, out: `${join(folder, '001-mail.eml')}\n` })
    expect(readdirSync(folder)).toEqual(['001-mail.eml'])
    expect((await simpleParser(readFileSync(join(folder, '001-mail.eml')))).text?.trim()).toBe('Hello')
    expect(await send(...words)).toMatchObject({ code: 1 })
    expect(caught).toEqual([])
  })

  it('says everything that is wrong at once, without addresses, and sends nothing', async () => {
    const wrong = await send('--to', 'soc@example.org, bad@', '--from', 'a@b@c', '--text', 'x', '--text-file', '-')
    expect(wrong).toMatchObject({ code: 2, out: '' })
    for (const option of ['--to: entry 2', '--from: entry 1', '--text and --text-file'])
      expect(wrong.err).toContain(option)
    expect(wrong.err).not.toContain('@')
    const [nobody, empty, noFile, noChannel] = await Promise.all([
      send('--text', 'x'),
      send('--to', 'soc@example.org'),
      send('--to', 'soc@example.org', '--text', 'x', '--attach', join(dir, 'none')),
      runRelay('send-mail', '-c', config, '--to', 'soc@example.org', '--text', 'x'),
    ])
    expect([nobody.code, empty.code, noFile.code, noChannel.code]).toEqual([2, 2, 2, 2])
    expect([nobody.err, empty.err, noFile.err, noChannel.err]).toEqual([
      expect.stringContaining('--to: name at least one'),
      expect.stringContaining('no body'),
      expect.stringContaining('ENOENT'),
      expect.stringContaining('--channel: name one of soc, it'),
    ])
    expect(caught).toEqual([])
  })
})
