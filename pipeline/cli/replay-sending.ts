import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ConnectorError } from '../../connectors/errors.ts'
import { type Ownership, takeOwnership } from '../../connectors/log/embedded/owner.ts'
import { singleLine } from '../letters/texts.ts'
import { askLine, type AskStreams } from './ask-line.ts'

/**
 * Takes the right to send replays of the log in a directory, until `release` or the end of this process: who sends must see on record
 * what was sent before. A text says that another process has it.
 */
export const holdSending = (dir: string): Ownership | string => {
  const folder = join(dir, 'replay-send')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  try {
    return takeOwnership(folder)
  } catch (cause) {
    if (!(cause instanceof ConnectorError) || cause.code !== 'LOG_DENIED') throw cause
    return `Another relay replay --send runs on the log in ${singleLine(dir)}: start this one again when that has ended.`
  }
}

/** Asks a person: `yes` is one, anything else and the end of the input is none. */
export const isConfirmed = async (question: string, streams?: AskStreams): Promise<boolean> =>
  (await askLine(question, streams))?.toLowerCase() === 'yes'
