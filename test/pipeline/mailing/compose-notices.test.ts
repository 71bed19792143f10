import { describe, expect, it } from 'vitest'
import { composeNotices } from '../../../pipeline/mailing/compose-notices.ts'
import type { Notice } from '../../../schemas/generated.ts'
import { T } from '../../operators/flow-events.ts'
import { virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'
import { monitorWith } from '../monitors/flow-monitors.ts'
import { openHandVelociraptor } from '../sources/hand-velociraptor.ts'
import { accepted, answering, noticeTo, openHandSink } from './mail-world.ts'

const channel = {
  name: 'default',
  sink: openHandSink(virtualClock(T), answering(accepted)),
  from: { address: 'relay@example.org', name: 'Relay' },
}
const compose = composeNotices({
  velociraptor: openHandVelociraptor(),
  guiUrl: 'https://velociraptor.example.org/app/index.html',
})
const terms = { messageId: '<1@example.org>', now: T + 60_000, channel }
const notice = (id: string, more: Partial<Notice> = {}, parameters = {}): Notice => {
  const base = noticeTo('soc@example.org', { id })
  return { ...base, ...(base.flow === null ? {} : monitorWith(parameters).noticeOf(base.flow)), ...more }
}

describe('the mail of a notice', () => {
  it('goes to its recipient, from the channel, under the given Message-ID', async () => {
    const mail = await compose([notice('n1')], terms)
    expect(mail).toMatchObject({
      messageId: '<1@example.org>',
      from: { address: 'relay@example.org' },
      to: { address: 'soc@example.org' },
      date: T + 60_000,
      attachments: [],
    })
    expect(mail.headers).toContainEqual(['X-Raptor-Relay-Event', 'flow of n1'])
    expect(mail.html).toContain('host1.example.org')
  })

  it('is from the monitor’s sender where it has one, and has no HTML part where none is wanted', async () => {
    const mail = await compose(
      [notice('n1', { sender: { address: 'vr@example.org', name: '' } }, { HTML: false })],
      terms,
    )
    expect([mail.from.address, mail.html]).toEqual(['vr@example.org', null])
  })

  it('tells several notices in one letter', async () => {
    const mail = await compose([notice('n1'), notice('n2')], terms)
    expect(mail.headers).toContainEqual(['X-Raptor-Relay-Event', '2 events'])
    expect(mail.subject).toContain('2')
  })

  it('is refused when there is nothing to tell', async () => {
    await expect(compose([], terms)).rejects.toThrow(TypeError)
  })
})
