import pino from 'pino'
import { type Happening, happenings, type Tell } from '../../schemas/happenings.ts'

/** Writes happenings as pino lines: one JSON object each, its message the happening's name. */
export const logTo = (stream: pino.DestinationStream, level: string): Tell => {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  )
  return ({ name, ...facts }: Happening) => {
    const at = happenings[name]
    if (at !== 'count') logger[at](facts, name)
  }
}

/** Characters of lines that wait for room, on a disk that is full; what comes then is dropped. */
const mostWaiting = 1_048_576

/**
 * Standard output, or another open file, each line written at once, so that the last words of a process are not lost. Where nothing can be
 * written, as on a full disk, lines wait for the next one that can, and the process goes on.
 */
export const standardOutput = (file = 1): pino.DestinationStream => {
  const output = pino.destination({ dest: file, sync: true, maxLength: mostWaiting })
  // Whoever has no place for log lines is served all the same.
  output.on('error', () => undefined)
  return output
}
