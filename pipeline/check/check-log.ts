import { statfs } from 'node:fs/promises'
import { ConnectorError } from '../../connectors/errors.ts'
import { openEmbeddedLog } from '../../connectors/log/embedded-log.ts'
import { allTopics } from '../../schemas/topics.ts'
import type { EmbeddedLogSettings } from '../config/configuration.ts'
import { systemClock } from '../runtime/system-clock.ts'
import type { Findings } from './finding.ts'

const about = 'log'
const gibibyte = 2 ** 30

/** Opens the log beside a running service, without taking its tasks, and looks at the room that it has. */
export const checkLog = async ({ dir, partitions }: EmbeddedLogSettings, findings: Findings): Promise<void> => {
  try {
    const log = await openEmbeddedLog({
      dir,
      partitions,
      topics: allTopics,
      clock: systemClock(),
      tell: () => undefined,
    })
    await log.close()
    findings.add('ok', about, `${dir} can be opened: ${log.partitions} partitions`)
  } catch (cause) {
    if (!(cause instanceof ConnectorError)) throw cause
    findings.add('failure', about, cause.message)
    return
  }
  const { bavail, bsize } = await statfs(dir)
  const free = (bavail * bsize) / gibibyte
  findings.add(
    free < 1 ? 'warning' : 'ok',
    about,
    `${free.toFixed(1)} GiB free${free < 1 ? ': make room, or name another place in log.embedded.dir' : ''}`,
  )
}
