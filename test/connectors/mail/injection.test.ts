import fc from 'fast-check'
import { simpleParser } from 'mailparser'
import { afterEach, expect, it } from 'vitest'
import { type CaughtMail, type MailCatcher, openCatcher } from '../../../connectors/mail/catcher.ts'
import type { MailSink } from '../../../connectors/mail/mail.ts'
import { openSmtp } from '../../../connectors/mail/smtp.ts'
import { someMail, someTerms } from '../../contracts/mail-sink.contract.ts'

/** Whatever an endpoint, a user name or a metadata field may hold to speak to the mail server in our name. */
const payloads = [
  '\r\nRCPT TO:<evil@evil.example>\r\n',
  '>\r\nRCPT TO:<evil@evil.example',
  '\r\n.\r\nMAIL FROM:<evil@evil.example>\r\nRCPT TO:<evil@evil.example>\r\nDATA\r\n',
  '\r\nBcc: evil@evil.example',
  '\nX-Evil: 1',
  '\rX-Evil: 1',
  '\r\n\r\nbody of evil.example',
  '> SIZE=1 <evil@evil.example',
  ' evil@evil.example',
  ',evil@evil.example',
  '"@evil.example,"',
  '\0\u2028\u0085X-Evil: 1',
  '.\r\n',
  '\n.\n',
]
const hostile = fc
  .array(fc.oneof(fc.constantFrom(...payloads), fc.string({ unit: 'binary', maxLength: 12 })), { maxLength: 4 })
  .map((parts) => parts.join(''))
const address = fc.oneof(
  { weight: 1, arbitrary: fc.constant('soc@example.org') },
  { weight: 2, arbitrary: hostile.map((text) => `soc${text}@example.org`) },
  { weight: 2, arbitrary: hostile.map((text) => `soc@example.org${text}`) },
)
const hostileMail = fc.record({
  from: fc.record({ address, name: hostile }),
  to: fc.record({ address, name: hostile }),
  subject: hostile,
  text: hostile,
  headers: fc.array(fc.tuple(fc.oneof(fc.constant('X-Note'), hostile), hostile), { maxLength: 2 }),
})

let catcher: MailCatcher
let sink: MailSink
afterEach(async () => {
  await sink.close()
  await catcher.close()
})

it('nothing that stands in a mail speaks to the server: one envelope, one recipient, no header of its own', async () => {
  const caught: CaughtMail[] = []
  catcher = await openCatcher({ onMail: (mail) => void caught.push(mail) })
  sink = openSmtp({
    server: { host: catcher.host, port: catcher.port, security: 'off' },
    login: null,
    connections: 1,
    messagesPerConnection: 10_000,
  })
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(hostileMail, async (given) => {
      caught.length = 0
      const { kind } = await sink.send(someMail(given), someTerms())
      // What cannot be said in a dialog is refused, for this letter alone.
      expect(['accepted', 'refused']).toContain(kind)
      expect(caught).toHaveLength(kind === 'accepted' ? 1 : 0)
      if (kind === 'accepted') accepted++
      for (const { from, to, raw } of caught) {
        expect([from, ...to].filter((each) => /\p{Cc}/u.test(each))).toEqual([])
        expect(to).toHaveLength(1)
        expect(to[0]).toBe(given.to.address.trim())
        const { headers } = await simpleParser(raw)
        expect([...headers.keys()].filter((name) => /^(bcc|cc|x-evil)$/.test(name))).toEqual([])
      }
      // The dialog is where it should be: the next mail is a mail.
      const canary = someMail({ subject: 'canary' })
      expect((await sink.send(canary, someTerms())).kind).toBe('accepted')
      expect(caught.at(-1)?.to).toEqual(['soc@example.org'])
      expect(caught.at(-1)?.raw.toString()).toContain(canary.messageId)
    }),
    { numRuns: 200 },
  )
  expect(accepted).toBeGreaterThan(20)
}, 120_000)
