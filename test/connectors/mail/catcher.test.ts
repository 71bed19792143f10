import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import {
  openCatcher,
  saveMail,
  type CatcherOptions,
  type CaughtMail,
  type MailCatcher,
} from '../../../connectors/mail/catcher.ts'
import type { MailSink } from '../../../connectors/mail/mail.ts'
import { mimeOf } from '../../../connectors/mail/mime.ts'
import { openSmtp } from '../../../connectors/mail/smtp.ts'
import { someMail, someTerms } from '../../contracts/mail-sink.contract.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const world = async (
  options: Partial<CatcherOptions> = {},
): Promise<{ catcher: MailCatcher; sink: MailSink; caught: CaughtMail[] }> => {
  const caught: CaughtMail[] = []
  const catcher = await openCatcher({ onMail: (mail) => void caught.push(mail), ...options })
  const security = catcher.ca === null ? 'off' : 'starttls'
  const sink = openSmtp({
    server: { host: catcher.host, port: catcher.port, security },
    login: null,
    ...(catcher.ca === null ? {} : { ca: catcher.ca }),
  })
  closers.push(
    () => sink.close(),
    () => catcher.close(),
  )
  return { catcher, sink, caught }
}

describe('the mail catcher', () => {
  it.each([false, true])('gives the message as it was sent, with its envelope (TLS: %s)', async (tls) => {
    const { sink, caught } = await world({ tls })
    const mail = someMail({ html: '<b>x</b>' })
    expect(await sink.send(mail, someTerms())).toMatchObject({ kind: 'accepted' })
    expect(caught).toHaveLength(1)
    expect(caught[0]).toMatchObject({ from: 'relay@example.org', to: ['soc@example.org'] })
    expect(caught[0]?.raw.equals(mimeOf(mail))).toBe(true)
  })

  it('refuses what is larger than it takes', async () => {
    const { sink, caught } = await world({ largest: 1000 })
    expect(await sink.send(someMail({ text: 'x'.repeat(5000) }), someTerms())).toMatchObject({ kind: 'refused' })
    expect(caught).toEqual([])
  })

  it('says "later" when the mail cannot be kept', async () => {
    const { sink } = await world({ onMail: () => Promise.reject(new Error('disk full')) })
    expect(await sink.send(someMail(), someTerms())).toMatchObject({ kind: 'deferred', code: 451 })
  })
})

describe('a saved mail', () => {
  const directory = async (): Promise<string> => {
    const dir = await mkdtemp(join(tmpdir(), 'relay-mail-'))
    closers.push(() => rm(dir, { recursive: true }))
    return join(dir, 'out')
  }

  it('lies beside its HTML part, named by number and subject, for its owner only', async () => {
    const dir = await directory()
    const raw = mimeOf(someMail({ subject: 'Flöw «done»: ../../etc/passwd', html: '<b>x</b>' }))
    const saved = await saveMail(dir, raw, 7)
    expect(await readdir(dir)).toEqual(['007-flow-done-etcpasswd.eml', '007-flow-done-etcpasswd.html'])
    expect((await readFile(saved.eml)).equals(raw)).toBe(true)
    expect(await readFile(saved.html ?? '', 'utf8')).toContain('<b>x</b>')
    expect((await stat(dir)).mode & 0o777).toBe(0o700)
    for (const path of [saved.eml, saved.html ?? '']) expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('has no HTML file when it has no HTML, a name when it has no subject, and replaces an earlier one', async () => {
    const dir = await directory()
    await saveMail(dir, mimeOf(someMail({ subject: '', text: 'first' })), 1)
    expect((await saveMail(dir, mimeOf(someMail({ subject: '日本' })), 1)).html).toBeNull()
    expect(await readdir(dir)).toEqual(['001-mail.eml'])
  })
})
