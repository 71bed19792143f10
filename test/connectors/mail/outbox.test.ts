import { describe, expect, it } from 'vitest'
import { SERVER_DOWN, openOutbox, replyOfCode, type Fault } from '../../../connectors/mail/outbox.ts'
import type { Clock } from '../../../schemas/time.ts'
import { mailSinkContract, someMail, someTerms, type MailSituation } from '../../contracts/mail-sink.contract.ts'

const clockAt = (start: number): Clock & { set(to: number): void } => {
  let now = start
  return { now: () => now, at: () => () => undefined, set: (to) => void (now = to) }
}

const faults: Record<Exclude<MailSituation, 'sound'>, Fault['reply']> = {
  'recipient refused': replyOfCode(550),
  'recipient deferred': replyOfCode(451),
  'sender refused': replyOfCode(553),
  'content refused': replyOfCode(554),
  'content deferred': replyOfCode(452),
  'login wrong': { kind: 'denied', code: 535, text: 'login refused' },
  'login not now': { kind: 'unavailable', code: 454, text: 'no logins now' },
  'service away': replyOfCode(421),
  'nobody listening': SERVER_DOWN,
  'cut before the dot': { kind: 'unavailable', code: 0, text: 'cut' },
  'cut after the dot': { kind: 'unknown', code: 0, text: 'cut' },
}

mailSinkContract('the outbox', (situation) => {
  const clock = clockAt(0)
  const sink = openOutbox({ clock })
  if (situation !== 'sound') {
    sink.inject({ reply: faults[situation], until: 1, takenAnyway: situation === 'cut after the dot' })
  }
  return Promise.resolve({
    sink,
    taken: () => sink.delivered.map(({ mail }) => mail.messageId),
    heal: () => clock.set(1),
    dispose: () => Promise.resolve(),
  })
})

describe('the outbox', () => {
  it('records what it takes with the time of its clock', async () => {
    const clock = clockAt(5)
    const outbox = openOutbox({ clock })
    const mail = someMail()
    await outbox.send(mail, someTerms())
    expect(outbox.delivered).toEqual([{ mail, at: 5 }])
  })

  it('answers one recipient with a code for so many times, without regard to case, and takes the others', async () => {
    const outbox = openOutbox({ clock: clockAt(0) })
    outbox.inject({ to: 'SOC@example.org', reply: replyOfCode(451), times: 2 })
    const send = async (address: string) =>
      (await outbox.send(someMail({ to: { address, name: '' } }), someTerms())).kind
    expect([await send('soc@example.org'), await send('other@example.org'), await send('soc@example.org')]).toEqual([
      'deferred',
      'accepted',
      'deferred',
    ])
    expect(await send('soc@example.org')).toBe('accepted')
  })

  it('is down until the moment named', async () => {
    const clock = clockAt(0)
    const outbox = openOutbox({ clock })
    outbox.inject({ reply: SERVER_DOWN, until: 10 })
    clock.set(9)
    expect((await outbox.probe()).kind).toBe('unavailable')
    clock.set(10)
    expect((await outbox.probe()).kind).toBe('accepted')
    expect((await outbox.send(someMail(), someTerms())).kind).toBe('accepted')
  })

  it('says whether it is idle', async () => {
    const outbox = openOutbox({ clock: clockAt(0) })
    const sending = outbox.send(someMail(), someTerms())
    expect(outbox.isIdle()).toBe(false)
    await sending
    expect(outbox.isIdle()).toBe(true)
  })
})
