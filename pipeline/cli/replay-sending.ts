import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import type { Readable, Writable } from 'node:stream'
import { ConnectorError } from '../../connectors/errors.ts'
import { type Ownership, takeOwnership } from '../../connectors/log/embedded/owner.ts'
import { singleLine } from '../letters/texts.ts'

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
export const isConfirmed = async (
  question: string,
  streams: { readonly input: Readable; readonly output: Writable } = { input: process.stdin, output: process.stderr },
): Promise<boolean> => {
  const terminal = createInterface(streams)
  const ended = new AbortController()
  terminal.once('close', () => ended.abort())
  try {
    return (await terminal.question(question, { signal: ended.signal })).trim().toLowerCase() === 'yes'
  } catch (cause) {
    if (ended.signal.aborted) return false
    throw cause
  } finally {
    terminal.close()
  }
}
