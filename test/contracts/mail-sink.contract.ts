import { afterEach, describe, expect, it } from 'vitest'
import type { MailReply, MailSink, OutgoingMail, SendTerms } from '../../connectors/mail/mail.ts'

/** How the world around the sink is when a mail is sent. */
export type MailSituation =
  | 'sound'
  | 'recipient refused'
  | 'recipient deferred'
  | 'sender refused'
  | 'content refused'
  | 'content deferred'
  | 'login wrong'
  | 'login not now'
  | 'service away'
  | 'nobody listening'
  | 'cut before the dot'
  | 'cut after the dot'

/** A sink in a situation. */
export interface MailSinkWorld {
  readonly sink: MailSink
  /** Message-IDs that the far side took, in order. */
  taken(): readonly string[]
  /** Makes the world sound again. */
  heal(): void
  dispose(): Promise<void>
}

export const SECRET = 'correct-horse-battery'

let mails = 0

/** A small mail; parts of it may be given. */
export const someMail = (given: Partial<OutgoingMail> = {}): OutgoingMail => ({
  messageId: `<${++mails}@relay.example.org>`,
  from: { address: 'relay@example.org', name: 'Relay' },
  to: { address: 'soc@example.org', name: 'SOC' },
  subject: 'Flow completed',
  date: 1_700_000_000_000,
  text: 'A flow is done.\n',
  html: null,
  headers: [],
  attachments: [],
  ...given,
})

/** Terms that leave a minute. */
export const someTerms = (given: Partial<SendTerms> = {}): SendTerms => ({
  deadline: performance.now() + 60_000,
  signal: new AbortController().signal,
  ...given,
})

const expected: [situation: MailSituation, kind: MailReply['kind'], code: number][] = [
  ['sound', 'accepted', 250],
  ['recipient refused', 'refused', 550],
  ['recipient deferred', 'deferred', 451],
  ['sender refused', 'refused', 553],
  ['content refused', 'refused', 554],
  ['content deferred', 'deferred', 452],
  ['login wrong', 'denied', 535],
  ['login not now', 'unavailable', 454],
  ['service away', 'unavailable', 421],
  ['nobody listening', 'unavailable', 0],
  ['cut before the dot', 'unavailable', 0],
  ['cut after the dot', 'unknown', 0],
]

const expectPresentable = ({ text }: MailReply): void => {
  expect(text).not.toBe('')
  expect(text.length).toBeLessThanOrEqual(500)
  expect(text).not.toMatch(/[\p{Cc}@]/u)
  expect(text).not.toContain(SECRET)
}

/** What every mail sink must do. */
export const mailSinkContract = (name: string, open: (situation: MailSituation) => Promise<MailSinkWorld>): void => {
  describe(`${name} as a mail sink`, () => {
    let world: MailSinkWorld | undefined
    afterEach(async () => {
      await world?.sink.close()
      await world?.dispose()
      world = undefined
    })
    const opened = async (situation: MailSituation): Promise<MailSinkWorld> => (world = await open(situation))

    it.each(expected)('when %s: the mail is %s', async (situation, kind, code) => {
      const { sink, taken } = await opened(situation)
      const mail = someMail()
      const reply = await sink.send(mail, someTerms())
      expect(reply).toMatchObject({ kind, code })
      expectPresentable(reply)
      if (kind === 'accepted') expect(taken()).toEqual([mail.messageId])
      else if (kind !== 'unknown') expect(taken()).toEqual([])
    })

    it.each(expected.filter(([situation]) => situation !== 'nobody listening'))(
      'after %s (%s) the next mail is accepted once the world is sound',
      async (situation) => {
        const { sink, taken, heal } = await opened(situation)
        await sink.send(someMail(), someTerms())
        heal()
        const mail = someMail()
        expect(await sink.send(mail, someTerms())).toMatchObject({ kind: 'accepted' })
        expect(taken().at(-1)).toBe(mail.messageId)
      },
    )

    it('releases a mail whose deadline is over, and begins nothing', async () => {
      const { sink, taken } = await opened('sound')
      const reply = await sink.send(someMail(), someTerms({ deadline: performance.now() - 1 }))
      expect(reply).toMatchObject({ kind: 'released', code: 0 })
      expectPresentable(reply)
      expect(taken()).toEqual([])
    })

    it('releases a mail that was called off, and begins nothing', async () => {
      const { sink, taken } = await opened('sound')
      const reply = await sink.send(someMail(), someTerms({ signal: AbortSignal.abort() }))
      expect(reply).toMatchObject({ kind: 'released', code: 0 })
      expect(taken()).toEqual([])
    })

    it('releases what is sent after close, and closes twice', async () => {
      const { sink, taken } = await opened('sound')
      await sink.close()
      await sink.close()
      expect(await sink.send(someMail(), someTerms())).toMatchObject({ kind: 'released', code: 0 })
      expect(taken()).toEqual([])
    })

    it('lets a mail that is on its way when it is closed come to its end', async () => {
      const { sink, taken } = await opened('sound')
      await sink.send(someMail(), someTerms())
      const mail = someMail()
      const reply = sink.send(mail, someTerms())
      await sink.close()
      expect(await reply).toMatchObject({ kind: 'accepted' })
      expect(taken().at(-1)).toBe(mail.messageId)
    })

    it('takes many mails at once, each of them once', async () => {
      const { sink, taken } = await opened('sound')
      const all = Array.from({ length: 50 }, () => someMail())
      const replies = await Promise.all(all.map((mail) => sink.send(mail, someTerms())))
      expect(replies.filter(({ kind }) => kind === 'accepted')).toHaveLength(50)
      expect(taken().toSorted()).toEqual(all.map(({ messageId }) => messageId).toSorted())
    })

    it.each([
      ['sound', 'accepted'],
      ['login wrong', 'denied'],
      ['login not now', 'unavailable'],
      ['nobody listening', 'unavailable'],
    ] as const)('probes a world that is %s as %s and sends nothing', async (situation, kind) => {
      const { sink, taken } = await opened(situation)
      const reply = await sink.probe()
      expect(reply).toMatchObject({ kind })
      expectPresentable(reply)
      expect(taken()).toEqual([])
    })
  })
}
