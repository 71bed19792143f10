import { setTimeout } from 'node:timers/promises'
import { openEmbeddedLog } from '../../connectors/log/embedded-log.ts'
import type { MailSink } from '../../connectors/mail/mail.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'
import { startService } from '../../pipeline/service.ts'
import { allTopics } from '../../schemas/topics.ts'
import { rawRecord } from '../bench/raw-record.ts'
import { inTemporaryDir } from '../bench/temporary-dir.ts'
import { type Account, accountReader, isComplete } from './scale-out-outcomes.ts'
import { connections, flowsOf, type Place, scaleOutConfiguration } from './scale-out-world.ts'

const fedTogether = 500
const patienceMs = 300_000

/** Takes everything. */
const sink: MailSink = {
  connections,
  send: () => Promise.resolve({ kind: 'accepted', code: 250, text: 'taken' }),
  probe: () => Promise.resolve({ kind: 'accepted', code: 250, text: '' }),
  close: () => Promise.resolve(),
}

/** What becomes of the same events in one process on the embedded log, undisturbed. */
export const embeddedRun = (place: Place): Promise<Account> =>
  inTemporaryDir(async (dir) => {
    const { events, velociraptor } = flowsOf(place)
    const clock = systemClock()
    const tell = (): void => undefined
    const log = await openEmbeddedLog({ dir, topics: allTopics, clock, tell })
    const configuration = scaleOutConfiguration()
    const channels = new Map(configuration.channels.map(({ name, from }) => [name, { name, from, sink }]))
    const world = { log, velociraptor, channels, clock, random: Math.random, tell }
    const service = await startService(world, { configuration, stages: ['enrich', 'decide', 'deliver'], since: null })
    const run = async (): Promise<Account> => {
      for (let at = 0; at < events.length; at += fedTogether)
        await log.append(events.slice(at, at + fedTogether).map(rawRecord))
      const reader = accountReader(log)
      for (const begun = performance.now(); performance.now() - begun < patienceMs; await setTimeout(200))
        if (isComplete(await reader.readOn(), events.length)) return reader.account
      throw new Error('the embedded run did not end')
    }
    try {
      return await Promise.race([run(), service.failed])
    } finally {
      await service.stop()
      await log.close()
    }
  })
