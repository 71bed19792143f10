import { createInterface } from 'node:readline/promises'
import type { Readable, Writable } from 'node:stream'

/** Where questions are asked: by default the terminal, aside from what a command prints. */
export interface AskStreams {
  readonly input: Readable
  readonly output: Writable
}

/** Asks for one line; null: whoever was asked ended the input, or the command, instead. */
export const askLine = async (
  question: string,
  streams: AskStreams = { input: process.stdin, output: process.stderr },
): Promise<string | null> => {
  const terminal = createInterface(streams)
  const ended = new AbortController()
  terminal.once('close', () => ended.abort())
  try {
    return (await terminal.question(question, { signal: ended.signal })).trim()
  } catch (cause) {
    if (!ended.signal.aborted) throw cause
    streams.output.write('\n')
    return null
  } finally {
    terminal.close()
  }
}
