import { statfs } from 'node:fs/promises'
import { ConnectorError } from '../../connectors/errors.ts'
import { openEmbeddedLog } from '../../connectors/log/embedded-log.ts'
import { allTopics } from '../../schemas/topics.ts'
import { lookAtTopics } from '../cli/topics-command.ts'
import type { EmbeddedLogSettings, KafkaLogSettings, LogSettings } from '../config/configuration.ts'
import { systemClock } from '../runtime/system-clock.ts'
import type { Findings } from './finding.ts'

const about = 'log'
const gibibyte = 2 ** 30

/** Looks at the log beside a running service, without taking its tasks. */
export const checkLog = ({ embedded, kafka }: LogSettings, findings: Findings): Promise<void> =>
  kafka === null ? checkEmbedded(embedded, findings) : checkKafka(kafka, findings)

const checkKafka = async (settings: KafkaLogSettings, findings: Findings): Promise<void> => {
  try {
    const looked = await lookAtTopics(settings, { make: false })
    for (const { name, text } of looked.filter(({ is }) => is === 'wrong')) findings.add('failure', about, text ?? name)
    const missing = looked.filter(({ is }) => is === 'missing').map(({ name }) => name)
    const good = looked.filter(({ is }) => is !== 'wrong' && is !== 'missing').length
    if (good > 0) findings.add('ok', about, `${good} of ${looked.length} topics are as they must be`)
    if (missing.length > 0)
      findings.add('warning', about, `${missingText(missing, looked.length)}: relay run or relay topics makes them`)
  } catch (cause) {
    if (!(cause instanceof ConnectorError)) throw cause
    findings.add('failure', about, cause.message)
  }
}

/** On a new cluster all are: then their names would only hide what else is found. */
const missingText = (missing: readonly string[], all: number): string =>
  missing.length === all ? `none of the ${all} topics is there yet` : `missing topics: ${missing.join(', ')}`

/** Opens the log and looks at the room that it has. */
const checkEmbedded = async ({ dir, partitions }: EmbeddedLogSettings, findings: Findings): Promise<void> => {
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
