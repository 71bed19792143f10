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

/** Standard output, each line written at once, so that the last words of a process are not lost. */
export const standardOutput = (): pino.DestinationStream => pino.destination({ dest: 1, sync: true })
