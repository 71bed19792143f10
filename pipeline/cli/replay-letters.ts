import type { Notice } from '../../schemas/generated.ts'
import type { Configuration } from '../config/configuration.ts'
import { readAt } from '../index/log-records.ts'
import { noticesOf } from '../judge.ts'
import { monitorsFor } from '../monitors/monitor.ts'
import type { EventKind, EventName } from '../kinds/kind.ts'
import { composeUnsent } from '../mailing/compose-unsent.ts'
import { inLetters } from '../replay/letters.ts'
import type { Pair } from '../replay/replay-file.ts'
import type { ReplayWork } from '../replay/replay-work.ts'
import { letterName, serverOf, writeLetter } from './preview-command.ts'

export interface LetterTerms {
  readonly work: Omit<ReplayWork, 'lost'>
  readonly configuration: Configuration
  /** The file that names the API configuration. */
  readonly config: string
}

/** Writes the letters of what would be gained into a folder, one after the other; answers with their number. */
export const writeReplayLetters = async (
  dir: string,
  { work, configuration, config }: LetterTerms,
): Promise<number> => {
  const velociraptor = serverOf(config)
  let written = 0
  const write = async (notices: readonly Notice[]): Promise<void> => {
    const mail = await composeUnsent(notices, `replay-${written + 1}`, {
      configuration,
      velociraptor,
      clock: work.clock,
    })
    if (mail !== null) writeLetter(dir, letterName(written++, notices[0]?.monitor ?? '', mail), mail)
  }
  try {
    let present = 0
    let pairs: Pair[] = []
    for (const { pair, letter } of inLetters(work.file.pairs(['gained']), work.rules)) {
      if (letter !== present) {
        await write(await noticesIn(pairs, work))
        pairs = []
        present = letter
      }
      pairs.push(pair)
    }
    await write(await noticesIn(pairs, work))
    return written
  } finally {
    await velociraptor.close()
  }
}

const noticesIn = (pairs: readonly Pair[], work: LetterTerms['work']): Promise<readonly Notice[]> =>
  work.kind.with((kind) => noticesFor(kind, pairs, work))

const noticesFor = async <N extends EventName>(
  kind: EventKind<N>,
  pairs: readonly Pair[],
  { log, topic, rules, clock }: LetterTerms['work'],
): Promise<readonly Notice[]> => {
  const notices: Notice[] = []
  for (const { partition, offset, monitor: name, recipient, name: display } of pairs) {
    const at = { topic, partition, offset }
    const read = await readAt<N>(log, kind.name, at)
    const monitor = monitorsFor(rules.monitors, kind.name).find((one) => one.name === name)
    if (read === undefined || monitor === undefined) continue
    const recipients = [{ address: recipient, name: display }]
    notices.push(
      ...noticesOf(
        monitor,
        { event: read.value, recipients },
        {
          at,
          configuration: rules.configuration,
          now: clock.now(),
        },
      ),
    )
  }
  return notices
}
