import { createTransport, type SendMailOptions } from 'nodemailer'
import type { NewRecord } from '../../../connectors/log/event-log.ts'
import { openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import type { EventLog } from '../../../connectors/log/event-log.ts'
import { mimeOf } from '../../../connectors/mail/mime.ts'
import { openSmtp } from '../../../connectors/mail/smtp.ts'
import type { OpenChannel } from '../../../pipeline/mailing/claim.ts'
import { composeNotices } from '../../../pipeline/mailing/compose-notices.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { startService } from '../../../pipeline/service.ts'
import { encode } from '../../../schemas/codec.ts'
import type { Notice } from '../../../schemas/generated.ts'
import type { Happening } from '../../../schemas/happenings.ts'
import { allTopics, topics } from '../../../schemas/topics.ts'
import { noticeWith } from '../../pipeline/letters/notices.ts'
import { fiveMonitors } from '../configuration.ts'
import { makeFlowWorld } from '../flow-world.ts'
import { type BenchRow, type Figure, median, paired, perSecond } from '../measure.ts'
import { mailReference } from '../references.ts'
import { openBareSink } from '../smtp-sink.ts'
import { inTemporaryDir } from '../temporary-dir.ts'

/** Letters of each measurement. */
export const letterCount = 2000
export const connections = 4
const from = { address: 'velociraptor@example.org', name: 'Velociraptor' }
const guiUrl = 'https://velociraptor.example.org/app/index.html'
const ratio = 0.8

/** Each notice is a letter of its own. */
const atOnce = { quiet_ms: 0, longest_ms: 0, most: 1, first_at_once: false, spacing_ms: 0 }

/** So many notices, each for a letter of its own. */
export const noticesTo = (recipients: number, count = letterCount): readonly Notice[] =>
  Array.from({ length: count }, (_, n) =>
    noticeWith({
      notice: {
        id: `notice-${n}`,
        recipient: { address: `user${n % recipients}@example.org`, name: '' },
        batch: atOnce,
      },
      options: { uploads_rows: 0 },
    }),
  )

/** Nothing stands on the server that these letters need. */
export const { velociraptor } = makeFlowWorld(0)

export const noticeRecord = (notice: Notice): NewRecord => ({
  topic: topics.notices.name,
  key: `${notice.channel}/${notice.recipient.address}`,
  value: encode('Notice', notice),
})

export const channelTo = (port: number): OpenChannel => ({
  name: 'default',
  from,
  sink: openSmtp({ server: { host: '127.0.0.1', port, security: 'off' }, login: null, connections }),
})

/** Opens a log that may keep things in a directory. */
export type OpenLog = (dir: string) => Promise<EventLog>

export const openEmbedded: OpenLog = (dir) =>
  openEmbeddedLog({ dir, topics: allTopics, clock: systemClock(), tell: () => undefined })

/** From notices in the log to every letter settled. */
export const deliverAll = (open: OpenLog, port: number, notices: readonly Notice[]): Promise<number> =>
  inTemporaryDir(async (dir) => {
    const clock = systemClock()
    let delivered = 0
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const tell = ({ name }: Happening): void => {
      if (name === 'letter delivered' && ++delivered === notices.length) resolve()
      if (name === 'letter undeliverable' || name === 'mail server away') reject(new Error(name))
    }
    const log = await open(dir)
    await log.append(notices.map(noticeRecord))
    const channel = channelTo(port)
    const world = { log, clock, tell, velociraptor, random: Math.random, channels: new Map([[channel.name, channel]]) }
    const rate = await perSecond(notices.length, async () => {
      const service = await startService(world, { configuration: fiveMonitors(), stages: ['deliver'], since: null })
      await Promise.race([promise, service.failed])
      await service.stop()
    })
    await channel.sink.close()
    await log.close()
    return rate
  })

/** The same bytes, composed before, through nodemailer's own pool. */
const sendAll = async (port: number, notices: readonly Notice[]): Promise<number> => {
  const compose = composeNotices({ velociraptor, guiUrl })
  const channel = channelTo(port)
  const mails = await Promise.all(
    notices.map((notice) =>
      compose([notice], { messageId: `<${notice.id}@example.org>`, now: notice.noticed_at, channel }),
    ),
  )
  await channel.sink.close()
  return sendPlainly(
    port,
    mails.map((mail) => ({ envelope: { from: from.address, to: [mail.to.address] }, raw: mimeOf(mail) })),
  )
}

/** Short messages, as the reference was measured with. */
const sendShort = (port: number): Promise<number> =>
  sendPlainly(
    port,
    Array.from({ length: letterCount }, (_, n) => ({
      from: from.address,
      to: `user${n}@example.org`,
      subject: `Message ${n}`,
      text: 'A flow has completed.',
    })),
  )

const sendPlainly = async (port: number, messages: readonly SendMailOptions[]): Promise<number> => {
  const pool = createTransport({
    host: '127.0.0.1',
    port,
    ignoreTLS: true,
    pool: true,
    maxConnections: connections,
    maxMessages: 100,
    maxRequeues: 0,
  })
  const rate = await perSecond(
    messages.length,
    async () => void (await Promise.all(messages.map((message) => pool.sendMail(message)))),
  )
  pool.close()
  return rate
}

/** Delivery of notices to so many recipients over a log. */
export const deliverFigure = async (
  name: string,
  { recipients, open, ratio }: { readonly recipients: number; readonly open: OpenLog; readonly ratio: number },
): Promise<Figure> => {
  const sink = await openBareSink()
  try {
    const notices = noticesTo(recipients)
    const measured = await paired(
      () => deliverAll(open, sink.port, notices),
      () => sendAll(sink.port, notices),
    )
    const short = [await sendShort(sink.port), await sendShort(sink.port), await sendShort(sink.port)]
    return {
      name,
      ...measured,
      unit: 'letters/s',
      bar: { ratio },
      reference: { ...mailReference, measured: median(short) },
      note: `notices to settled letters (${sink.kind}, ${connections} connections) against a bare nodemailer pool`,
    }
  } finally {
    await sink.close()
  }
}

/** Delivery with claims, receipts and settlements against plain sending. */
export const deliver: BenchRow = {
  name: 'deliver',
  about: 'notices that lie in the log are composed, claimed, sent, and settled when their receipts have come back',
  measure: async () => [
    await deliverFigure('deliver, many recipients', { recipients: letterCount, open: openEmbedded, ratio }),
    await deliverFigure('deliver, one recipient', { recipients: 1, open: openEmbedded, ratio }),
  ],
}
